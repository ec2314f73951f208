// Batches as fixed ranges of an epoch, and the range-for over them.
#include <gtest/gtest.h>

#include "loader/loader_fixture.hpp"

namespace headrace {
namespace {

using std::chrono::milliseconds;
using Ranges = std::vector<std::pair<std::uint64_t, std::uint64_t>>;

class EpochTest : public LoaderFixture {
  protected:
    RingOptions epochs(std::uint64_t records, std::uint64_t count) {
        RingOptions several = options(records);
        several.epochs = count;
        return several;
    }
    static Ranges ranges(const std::vector<Seen>& batches) {
        Ranges result;
        for (const Seen& batch : batches) result.emplace_back(batch.first, batch.last);
        return result;
    }
    static std::vector<Seen> all_of(Epoch epoch) {
        std::vector<Seen> batches;
        for (const Batch& batch : epoch) batches.push_back(seen(batch));
        return batches;
    }
};

TEST_F(EpochTest, StartsItsGridAnew) {
    Ring ring = Ring::create(epochs(10, 3));
    Writer writer(ring);
    Loader loader(ring, {.batch = 4});
    const std::vector<Seen> batches = run_to_end(loader);
    EXPECT_EQ(
        ranges(batches),
        (Ranges{
            {0, 4}, {4, 8}, {8, 10}, {10, 14}, {14, 18}, {18, 20}, {20, 24}, {24, 28}, {28, 30}}));
    for (std::size_t i = 0; i < batches.size(); ++i) EXPECT_EQ(batches[i].epoch, i / 3);
    expect_books(ring);
}

TEST_F(EpochTest, KeepsItsLastBatch) {
    Ring ring = Ring::create(epochs(10, 1));
    Writer writer(ring);
    Loader loader(ring, {.batch = 4});
    EXPECT_EQ(all_of(loader.epoch()).back().items, (std::vector<std::uint64_t>{8, 9}));
    EXPECT_EQ(ring.stats().discarded, 0u);
}

TEST_F(EpochTest, DropsItsLastBatchWhereThatIsWanted) {
    Ring ring = Ring::create(epochs(10, 3));
    Writer writer(ring);
    Loader loader(ring, {.batch = 4, .drop_last = true});
    EXPECT_EQ(ranges(run_to_end(loader)),
              (Ranges{{0, 4}, {4, 8}, {10, 14}, {14, 18}, {20, 24}, {24, 28}}));
    EXPECT_EQ(ring.stats().discarded, 6u);
    EXPECT_EQ(ring.stats().delivered, 24u);
    EXPECT_EQ(loader.state().index, 30u) << "an epoch that has ended is done with";
    expect_books(ring);
}

TEST_F(EpochTest, DropsNoWholeBatch) {
    Ring ring = Ring::create(epochs(8, 2));
    Writer writer(ring);
    Loader loader(ring, {.batch = 4, .drop_last = true});
    EXPECT_EQ(ranges(run_to_end(loader)), (Ranges{{0, 4}, {4, 8}, {8, 12}, {12, 16}}));
}

TEST_F(EpochTest, MayHaveNoBatchLeft) {
    Ring ring = Ring::create(epochs(3, 2));
    Writer writer(ring);
    Loader loader(ring, {.batch = 4, .drop_last = true});
    EXPECT_EQ(loader.next().outcome(), Outcome::end_of_epoch);
    EXPECT_EQ(loader.next().outcome(), Outcome::end_of_epoch);
    EXPECT_EQ(loader.next().outcome(), Outcome::end);
    expect_books(ring);
}

TEST_F(EpochTest, HasShorterBatchesForItsHolesAndNoOthers) {
    Ring ring = Ring::create(epochs(14, 1));
    Writer writer(ring, {1, 4, 5, 6, 7, 11});
    Loader loader(ring, {.batch = 4, .layout = Layout::trimmed});
    std::vector<Seen> batches;
    std::vector<std::uint64_t> holes;
    for (const Batch& batch : loader.epoch()) {
        expect_content(batch);
        batches.push_back(seen(batch));
        for (const Hole& hole : batch.holes()) {
            EXPECT_EQ(hole.kind, HoleKind::skipped);
            EXPECT_EQ(hole.reason, "item " + std::to_string(hole.item) + " is bad");
            holes.push_back(hole.index);
        }
    }
    EXPECT_EQ(
        batches,
        (std::vector<Seen>{
            {0, 4, 0, {0, 2, 3}}, {4, 8, 0, {}}, {8, 12, 0, {8, 9, 10}}, {12, 14, 0, {12, 13}}}));
    EXPECT_EQ(holes, (std::vector<std::uint64_t>{1, 4, 5, 6, 7, 11}));
    EXPECT_EQ(loader.stats().lost, 6u);
    expect_books(ring);
}

TEST_F(EpochTest, DeliversARangeOfHolesEmpty) {
    for (const Layout layout : {Layout::packed, Layout::trimmed, Layout::padded, Layout::rows}) {
        Ring ring = Ring::create(epochs(2, 1));
        Writer writer(ring, {0, 1});
        Loader loader(ring, {.batch = 2, .layout = layout});
        {
            const auto batch = loader.next();
            ASSERT_TRUE(batch);
            EXPECT_EQ(batch->size(), 0u);
            EXPECT_EQ(batch->first_index(), 0u);
            EXPECT_EQ(batch->last_index(), 2u);
            const bool is_wide = layout == Layout::padded || layout == Layout::rows;
            EXPECT_EQ(batch->width("floats"), is_wide ? 32 : 0);
            EXPECT_EQ(batch->offsets("ints")[0], 0);
            EXPECT_EQ(batch->holes().size(), 2u);
            EXPECT_NE(batch->data(0), nullptr);
        }
        EXPECT_EQ(loader.state().index, 2u);
        EXPECT_EQ(loader.next().outcome(), Outcome::end_of_epoch);
        expect_books(ring);
    }
}

TEST_F(EpochTest, HasTheSameBatchesForAnyNumberOfProducers) {
    std::vector<Seen> first;
    for (const int producers : {1, 2, 5}) {
        RingOptions shuffled = epochs(61, 3);
        shuffled.shuffle_seed = 99;
        Ring ring = Ring::create(shuffled);
        std::vector<std::unique_ptr<Writer>> writers;
        for (int i = 0; i < producers; ++i) {
            writers.push_back(std::make_unique<Writer>(ring, std::set<std::uint64_t>{7, 8, 40}));
        }
        Loader loader(ring, {.batch = 8});
        std::vector<Seen> batches;
        for (int epoch = 0; epoch < 3; ++epoch) {
            for (const Batch& batch : loader.epoch()) {
                expect_content(batch);
                batches.push_back(seen(batch));
            }
        }
        if (first.empty()) first = batches;
        EXPECT_EQ(batches, first) << producers << " producers";
        EXPECT_EQ(batches.size(), 24u);
        expect_books(ring);
    }
}

TEST_F(EpochTest, IgnoresTheFlushTimeOfStreams) {
    Ring ring = Ring::create(epochs(8, 1));
    Producer producer = ring.producer();
    Loader loader(ring, {.batch = 4, .flush_after = milliseconds(1)});
    write(producer, 3);
    EXPECT_EQ(loader.next_for(milliseconds(100)).outcome(), Outcome::timed_out)
        << "batches of a ring with a sampler are fixed ranges";
    write(producer, 5);
    EXPECT_EQ(ranges(run_to_end(loader)), (Ranges{{0, 4}, {4, 8}}));
}

// ---- the range-for -----------------------------------------------------------------------------

TEST_F(EpochTest, GoesOnAfterItWasLeftEarly) {
    Ring ring = Ring::create(epochs(24, 2));
    Writer writer(ring);
    Loader loader(ring, {.batch = 4});
    for (const Batch& batch : loader.epoch()) {
        if (batch.first_index() == 8) break;
    }
    EXPECT_EQ(ranges(all_of(loader.epoch())), (Ranges{{12, 16}, {16, 20}, {20, 24}}));
    EXPECT_EQ(all_of(loader.epoch()).front().epoch, 1u);
    EXPECT_EQ(ring.stats().discarded, 0u) << "what was prefetched is kept";
    expect_books(ring);
}

TEST_F(EpochTest, IsEmptyWhenItWasLeftAtItsLastBatch) {
    Ring ring = Ring::create(epochs(8, 2));
    Writer writer(ring);
    Loader loader(ring, {.batch = 4});
    for (const Batch& batch : loader.epoch()) {
        if (batch.last_index() == 8) break;
    }
    EXPECT_TRUE(all_of(loader.epoch()).empty()) << "nothing is left of it";
    EXPECT_EQ(all_of(loader.epoch()).size(), 2u);
}

TEST_F(EpochTest, IsEmptyAfterTheEnd) {
    Ring ring = Ring::create(epochs(4, 1));
    Writer writer(ring);
    Loader loader(ring, {.batch = 4});
    EXPECT_EQ(all_of(loader.epoch()).size(), 1u);
    EXPECT_FALSE(loader.done()) << "nobody has asked yet";
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(all_of(loader.epoch()).empty());
    EXPECT_TRUE(loader.done());
}

TEST_F(EpochTest, NeedsOneBatchOnly) {
    Ring ring = Ring::create(epochs(40, 1));
    Writer writer(ring);
    Loader loader(ring, {.batch = 4, .depth = 1});
    EXPECT_EQ(all_of(loader.epoch()).size(), 10u) << "each goes back before the next is awaited";
}

TEST_F(EpochTest, LeavesABatchToWhoeverMovesItOut) {
    Ring ring = Ring::create(epochs(12, 1));
    Writer writer(ring);
    Loader loader(ring, {.batch = 4, .depth = 4});
    std::vector<Batch> kept;
    Epoch epoch = loader.epoch();
    for (auto it = epoch.begin(); it != epoch.end(); ++it) kept.push_back(std::move(*it));
    ASSERT_EQ(kept.size(), 3u);
    EXPECT_EQ(loader.state().index, 0u) << "none is given back";
    for (std::size_t i = 0; i < 3; ++i) {
        EXPECT_EQ(kept[i].first_index(), 4 * i);
        expect_content(kept[i]);
    }
    kept.clear();
    EXPECT_EQ(loader.state().index, 12u);
}

TEST_F(EpochTest, ThrowsATimeOut) {
    Ring ring = Ring::create(epochs(8, 1));
    Producer producer = ring.producer();
    Loader loader(ring, {.batch = 4, .stall_timeout = milliseconds(20)});
    write(producer, 4);
    int batches = 0;
    const std::string error = error_text<TimeoutError>([&] {
        for ([[maybe_unused]] const Batch& batch : loader.epoch()) ++batches;
    });
    EXPECT_EQ(batches, 1);
    EXPECT_TRUE(contains(error, "ring \"test\": no batch within the time-out"));
    EXPECT_TRUE(contains(error, "all below record 4"));
    write(producer, 4);
    EXPECT_TRUE(eventually([&] {
        const auto batch = loader.next();
        return batch && batch->first_index() == 4;
    })) << "and it can be gone on with";
}

}  // namespace
}  // namespace headrace
