// Which way over the link is cheapest, with rates like those of an H200 on PCIe 5.
#include "device/link_cost.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "gtest/seed.hpp"

namespace headrace::device {
namespace {

constexpr LinkRates kRates{.copy_bytes_per_s = 55e9,
                           .copy_s = 2.3e-6,
                           .rows_bytes_per_s = 50e9,
                           .row_s = 0.05e-6,
                           .entry_s = 1.2e-6,
                           .gather_bytes_per_s = 45e9,
                           .strip_bytes_per_s = 1.5e12,
                           .launch_s = 3e-6};

// A field of records of these lengths, in elements.
class Load {
  public:
    Load(std::vector<std::uint32_t> lengths, std::uint64_t capacity, std::uint64_t runs = 1,
         std::size_t element_bytes = 4)
        : lengths_(std::move(lengths)) {
        load_.records = lengths_.size();
        load_.runs = runs;
        load_.row_bytes = (capacity * element_bytes + 63) / 64 * 64;
        load_.element_bytes = element_bytes;
        for (const std::uint32_t length : lengths_) {
            load_.longest_bytes = std::max(load_.longest_bytes, length * element_bytes);
            load_.payload_bytes += length * element_bytes;
        }
        load_.lengths = lengths_;
    }
    Load(const Load&) = delete;  // a span points into it
    Load& operator=(const Load&) = delete;

    FieldLoad* operator->() { return &load_; }
    operator const FieldLoad&() const { return load_; }  // NOLINT: what the functions take

  private:
    std::vector<std::uint32_t> lengths_;
    FieldLoad load_;
};

std::vector<std::uint32_t> equal(std::size_t records, std::uint32_t length) {
    return std::vector<std::uint32_t>(records, length);
}

// Half of them `few`, the others so long that all together have `share` of the capacity.
std::vector<std::uint32_t> uneven(std::size_t records, std::uint32_t capacity, double share) {
    std::vector<std::uint32_t> lengths(records, 1);
    const double longest = std::min(1.0, 2 * share) * capacity;
    for (std::size_t i = 0; i < records; i += 2) {
        lengths[i] = static_cast<std::uint32_t>(longest);
    }
    lengths.front() = capacity;  // trimming gains nothing
    return lengths;
}

// ---- what the ways cost ------------------------------------------------------------------------

TEST(LinkCostTest, CountsWhatEachWayMoves) {
    // 64 records of 64 KB, half of them full and half of them empty.
    std::vector<std::uint32_t> lengths = equal(64, 16384);
    for (std::size_t i = 0; i < 64; i += 2) lengths[i] = 0;
    const Load load(lengths, 16384, 3);
    const double all = 64 * 65536.0, payload = all / 2;
    const double strip_s = 3e-6 + payload / 1.5e12;
    EXPECT_NEAR(cost_of_copy(kRates, load), all / 55e9 + strip_s, 1e-9);
    EXPECT_NEAR(cost_of_trim(kRates, load), all / 50e9 + strip_s, 1e-9);
    EXPECT_NEAR(cost_of_direct(kRates, load), 2.3e-6 + 32 * 1.2e-6, 1e-9) << "65 KB take 1.19 us";
    EXPECT_NEAR(cost_of_gather(kRates, load), 3e-6 + (payload + 64 * 32) / 45e9, 1e-9);
}

// The layout rows: what comes over the link is all that there is.
TEST(LinkCostTest, ChargesNoStrippingWhereRowsAreKept) {
    std::vector<std::uint32_t> lengths = equal(64, 16384);
    for (std::size_t i = 0; i < 64; i += 2) lengths[i] = 0;
    Load load(lengths, 16384);
    const double direct_s = cost_of_direct(kRates, load), gather_s = cost_of_gather(kRates, load);
    load->keeps_rows = true;
    EXPECT_NEAR(cost_of_copy(kRates, load), 64 * 65536.0 / 55e9, 1e-9);
    EXPECT_NEAR(cost_of_trim(kRates, load), 64 * 65536.0 / 50e9, 1e-9);
    EXPECT_EQ(cost_of_direct(kRates, load), direct_s);
    EXPECT_EQ(cost_of_gather(kRates, load), gather_s);
}

// Small full rows: a copy alone is cheaper than a kernel that reads them, a copy and a kernel
// behind it are not.
TEST(LinkCostTest, CopiesRowsThatAreKeptWhereItWouldGatherOthers) {
    Load load(equal(32, 64), 64);
    EXPECT_EQ(cheapest(kRates, load, true), Transfer::gather);
    load->keeps_rows = true;
    EXPECT_EQ(cheapest(kRates, load, true), Transfer::copy);
}

TEST(LinkCostTest, CountsWhatSmallCopiesCostAtTheLeast) {
    const Load load(equal(64, 1), 4, 10);
    EXPECT_GE(cost_of_copy(kRates, load), 10 * kRates.copy_s);
    EXPECT_GE(cost_of_trim(kRates, load), 64 * kRates.row_s);
    EXPECT_GE(cost_of_direct(kRates, load), 64 * kRates.entry_s);
    EXPECT_GE(cost_of_gather(kRates, load), kRates.launch_s);
}

TEST(LinkCostTest, GrowsWithTheRecords) {
    const std::uint64_t seed = test_seed();
    SCOPED_TRACE(seed_note(seed));
    std::mt19937_64 random(seed);
    for (int round = 0; round < 300; ++round) {
        const auto capacity = static_cast<std::uint32_t>(1 + random() % 100'000);
        std::vector<std::uint32_t> lengths(1 + random() % 64);
        for (std::uint32_t& length : lengths) {
            length = static_cast<std::uint32_t>(random() % capacity);
        }
        const Load before(lengths, capacity);
        switch (random() % 3) {
            case 0: ++lengths[random() % lengths.size()]; break;
            case 1: lengths.push_back(static_cast<std::uint32_t>(random() % capacity)); break;
            default: lengths.push_back(0); break;
        }
        const Load after(lengths, capacity);
        EXPECT_GE(cost_of_copy(kRates, after), cost_of_copy(kRates, before));
        EXPECT_GE(cost_of_trim(kRates, after), cost_of_trim(kRates, before));
        EXPECT_GE(cost_of_direct(kRates, after), cost_of_direct(kRates, before));
        EXPECT_GE(cost_of_gather(kRates, after), cost_of_gather(kRates, before));
    }
}

// ---- the choice --------------------------------------------------------------------------------

TEST(CheapestTest, TakesNoKernelForLargeRecordsWithoutPadding) {
    for (const std::uint32_t kilobytes : {64u, 256u, 4096u}) {
        const Load load(equal(32, kilobytes * 256), kilobytes * 256);
        const Transfer chosen = cheapest(kRates, load, true);
        EXPECT_TRUE(chosen == Transfer::copy || chosen == Transfer::direct)
            << kilobytes << " KB: " << name_of(chosen);
    }
}

TEST(CheapestTest, TakesPayloadAloneWhereMostOfLargeRecordsIsPadding) {
    for (const std::uint32_t kilobytes : {64u, 256u, 4096u}) {
        const Load load(uneven(32, kilobytes * 256, 0.1), kilobytes * 256);
        const Transfer chosen = cheapest(kRates, load, true);
        EXPECT_TRUE(chosen == Transfer::direct || chosen == Transfer::gather)
            << kilobytes << " KB: " << name_of(chosen);
    }
    // So large that what a copy costs to begin is nothing, and the engine is the faster one.
    const Load huge(uneven(32, 1u << 20, 0.1), 1u << 20);
    EXPECT_EQ(cheapest(kRates, huge, true), Transfer::direct);
    // So small that it is everything.
    const Load small(uneven(512, 1024, 0.1), 1024);
    EXPECT_EQ(cheapest(kRates, small, true), Transfer::gather);
}

// One kernel that reads them is less than a copy and a kernel that strips.
TEST(CheapestTest, TakesTinyLabelsTogether) {
    LinkRates unmapped = kRates;
    unmapped.gather_bytes_per_s = 0;
    for (const std::size_t records : {32u, 512u, 8192u}) {
        const Load load(equal(records, 1), 1);
        EXPECT_EQ(cheapest(kRates, load, true), Transfer::gather) << records;
        EXPECT_EQ(cheapest(unmapped, load, true), Transfer::copy) << records;
    }
    const Load one(equal(1, 1), 1);
    EXPECT_EQ(cheapest(unmapped, one, true), Transfer::direct) << "nothing is left to strip";
}

TEST(CheapestTest, TrimsRecordsOfOneLengthShortOfTheCapacity) {
    // Rows of which a copy by records would be bound by what each costs to begin.
    const Load load(equal(512, 2048), 16384);
    EXPECT_EQ(cheapest(kRates, load, true), Transfer::trim);
}

TEST(CheapestTest, NeverGathersWhatIsNotMapped) {
    LinkRates rates = kRates;
    rates.gather_bytes_per_s = 0;
    for (const std::uint32_t capacity : {1u, 1024u, 100'000u}) {
        for (const double share : {0.0, 0.1, 0.5, 1.0}) {
            const Load load(uneven(256, capacity, share), capacity);
            EXPECT_NE(cheapest(rates, load, true), Transfer::gather);
            EXPECT_EQ(cheapest(rates, load, false), Transfer::direct);
        }
    }
}

TEST(CheapestTest, NeverCopiesWholeRowsWithoutAPlaceForThem) {
    for (const std::uint32_t capacity : {1u, 1024u, 100'000u}) {
        for (const double share : {0.0, 0.1, 0.5, 1.0}) {
            const Load load(uneven(256, capacity, share), capacity);
            const Transfer chosen = cheapest(kRates, load, false);
            EXPECT_TRUE(chosen == Transfer::direct || chosen == Transfer::gather)
                << name_of(chosen);
        }
    }
}

// What reads the ring by a kernel has to be worth it by a tenth.
TEST(CheapestTest, GathersOnlyWhereThatIsATenthCheaper) {
    const std::uint64_t seed = test_seed();
    SCOPED_TRACE(seed_note(seed));
    std::mt19937_64 random(seed);
    int gathered = 0, not_worth_it = 0;
    for (int round = 0; round < 20'000; ++round) {
        const auto capacity = static_cast<std::uint32_t>(1 + random() % 20'000);
        std::vector<std::uint32_t> lengths(1 + random() % 256);
        const std::uint32_t bound = 1 + static_cast<std::uint32_t>(random() % (capacity + 1));
        for (std::uint32_t& length : lengths) {
            length = static_cast<std::uint32_t>(random() % bound);
        }
        const Load load(lengths, capacity, 1 + random() % 3);
        const double others = std::min(
            {cost_of_copy(kRates, load), cost_of_trim(kRates, load), cost_of_direct(kRates, load)});
        const double gather = cost_of_gather(kRates, load);
        const bool is_chosen = cheapest(kRates, load, true) == Transfer::gather;
        EXPECT_EQ(is_chosen, 1.1 * gather < others);
        gathered += is_chosen ? 1 : 0;
        not_worth_it += !is_chosen && gather < others ? 1 : 0;
    }
    EXPECT_GT(gathered, 0);
    EXPECT_GT(not_worth_it, 0);
}

TEST(CheapestTest, TakesTheCheapestOfWhatItMayTake) {
    const std::uint64_t seed = test_seed();
    SCOPED_TRACE(seed_note(seed));
    std::mt19937_64 random(seed);
    std::vector<int> chosen(5);
    for (int round = 0; round < 3000; ++round) {
        const auto capacity = static_cast<std::uint32_t>(1 + random() % (1u << random() % 20));
        std::vector<std::uint32_t> lengths(1 + random() % 256);
        const auto bound = static_cast<std::uint32_t>(1 + random() % (capacity + 1));
        const bool are_equal = random() % 4 == 0;
        for (std::uint32_t& length : lengths) {
            length = are_equal ? bound - 1 : static_cast<std::uint32_t>(random() % bound);
        }
        const Load load(lengths, capacity, 1 + random() % 5);
        const Transfer transfer = cheapest(kRates, load, true);
        ASSERT_NE(transfer, Transfer::automatic);
        ++chosen[static_cast<std::size_t>(transfer)];
        const double costs[] = {0, cost_of_copy(kRates, load), cost_of_trim(kRates, load),
                                cost_of_direct(kRates, load), 1.1 * cost_of_gather(kRates, load)};
        const double found = costs[static_cast<std::size_t>(transfer)];
        for (std::size_t i = 1; i < 5; ++i) EXPECT_LE(found, costs[i] * (1 + 1e-9));
    }
    for (std::size_t i = 1; i < 5; ++i) EXPECT_GT(chosen[i], 0) << "each has its place: " << i;
}

// From the kernel to the copy engine, with records that grow and are mostly padding.
TEST(CheapestTest, CrossesOverFromOneWayToTheNextOnce) {
    std::vector<Transfer> ways;
    for (std::uint32_t capacity = 1; capacity <= 1u << 22; capacity *= 2) {
        const Load load(uneven(32, capacity, 0.2), capacity);
        const Transfer way = cheapest(kRates, load, true);
        if (ways.empty() || ways.back() != way) ways.push_back(way);
    }
    EXPECT_EQ(ways, (std::vector<Transfer>{Transfer::gather, Transfer::direct}));
}

}  // namespace
}  // namespace headrace::device
