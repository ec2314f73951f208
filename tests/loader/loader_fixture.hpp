// Rings whose records follow from their items, producers in threads, and what batches must hold.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <functional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gtest/error_text.hpp"
#include "headrace/error.hpp"
#include "headrace/loader.hpp"
#include "ring/ring_fixture.hpp"

namespace headrace {

// What item `item` holds: nothing, all that fits, and everything between.
inline std::vector<float> floats_of(std::uint64_t item) {
    std::vector<float> floats((item * 7 + 5) % 33);
    for (std::size_t i = 0; i < floats.size(); ++i) {
        floats[i] = static_cast<float>(item) + static_cast<float>(i) / 64;
    }
    return floats;
}
inline std::vector<std::int32_t> ints_of(std::uint64_t item) {
    return std::vector<std::int32_t>(item % 5, static_cast<std::int32_t>(item));
}

// A producer in a thread of its own, which writes until there is no work left. Items named in
// `skipped` become holes. Ends with the ring; must die before it.
class Writer {
  public:
    explicit Writer(Ring& ring, std::set<std::uint64_t> skipped = {})
        : ring_(ring), skipped_(std::move(skipped)), thread_([this] { write(); }) {}
    Writer(const Writer&) = delete;
    Writer& operator=(const Writer&) = delete;
    ~Writer() {
        ring_.close();
        thread_.join();
    }

    static void fill(ClaimedRecord&& record) {
        const std::vector<float> floats = floats_of(record.item());
        const std::vector<std::int32_t> ints = ints_of(record.item());
        std::copy(floats.begin(), floats.end(), record.field<float>(0).begin());
        std::copy(ints.begin(), ints.end(), record.field<std::int32_t>(1).begin());
        record.publish(floats.size(), ints.size());
    }

  private:
    void write() {
        try {
            Producer producer = ring_.producer();
            while (auto record = producer.claim()) {
                if (skipped_.contains(record->item())) {
                    record->skip("item " + std::to_string(record->item()) + " is bad");
                } else {
                    fill(std::move(*record));
                }
            }
        } catch (const Error&) {
            // The ring was ended first, or with an error: the test looks at the other side.
        }
    }

    Ring& ring_;
    std::set<std::uint64_t> skipped_;
    std::thread thread_;
};

class LoaderFixture : public RingFixture {
  protected:
    // Writes `count` records and waits for nothing: there must be room.
    static void write(Producer& producer, int count) {
        for (int i = 0; i < count; ++i) {
            auto record = producer.try_claim();
            ASSERT_TRUE(record) << name_of(record.outcome());
            Writer::fill(std::move(*record));
        }
    }

    // The error of making a loader.
    static std::string refusal_of(Ring& ring, const LoaderOptions& options) {
        return error_text<UsageError>([&] { Loader loader(ring, options); });
    }

    // Everything that a batch of the classic pair tells, against its items. The memory is on the
    // host, and complete.
    static void expect_content(const Batch& batch, float float_pad = 0, std::int32_t int_pad = 0) {
        SCOPED_TRACE("batch of records " + std::to_string(batch.first_index()) + " to " +
                     std::to_string(batch.last_index()));
        ASSERT_EQ(batch.items().size(), batch.size());
        ASSERT_EQ(batch.indices().size(), batch.size());
        ASSERT_EQ(batch.size() + batch.holes().size(), batch.last_index() - batch.first_index());
        expect_field<float>(batch, "floats", floats_of, float_pad);
        expect_field<std::int32_t>(batch, "ints", ints_of, int_pad);
    }

    template <class T>
    static void expect_field(const Batch& batch, std::string_view name,
                             const std::function<std::vector<T>(std::uint64_t)>& content_of,
                             T pad) {
        SCOPED_TRACE(std::string(name));
        std::vector<std::int32_t> offsets{0};
        std::int64_t longest = 0;
        for (const std::uint64_t item : batch.items()) {
            const auto length = static_cast<std::int32_t>(content_of(item).size());
            offsets.push_back(offsets.back() + length);
            longest = std::max<std::int64_t>(longest, length);
        }
        const std::int64_t capacity = batch.schema()[batch.schema().index_of(name)].capacity;
        // Of this pair the ring's rows are as wide as the capacity, too.
        const std::int64_t width = batch.layout() == Layout::packed    ? 0
                                   : batch.layout() == Layout::trimmed ? longest
                                                                       : capacity;
        EXPECT_EQ(batch.longest(name), longest);
        EXPECT_EQ(batch.total(name), offsets.back());
        EXPECT_EQ(batch.width(name), width);
        const auto on_host = batch.host_offsets(name);
        EXPECT_EQ(std::vector<std::int32_t>(on_host.begin(), on_host.end()), offsets);
        EXPECT_EQ(
            std::vector<std::int32_t>(batch.offsets(name), batch.offsets(name) + on_host.size()),
            offsets);
        const auto found = batch.values<T>(name);
        std::vector<T> wanted;
        for (const std::uint64_t item : batch.items()) {
            std::vector<T> row = content_of(item);
            for (auto i = row.size(); i < static_cast<std::size_t>(width); ++i) {
                const bool may_be_any = batch.layout() == Layout::rows;
                row.push_back(may_be_any ? found[wanted.size() + i] : pad);
            }
            wanted.insert(wanted.end(), row.begin(), row.end());
        }
        // Bit by bit: -0 is not 0, and NaN is itself.
        EXPECT_EQ(reinterpret_cast<std::uintptr_t>(found) % 256, 0u);
        for (std::size_t i = 0; i < wanted.size(); ++i) {
            ASSERT_EQ(std::bit_cast<std::uint32_t>(found[i]),
                      std::bit_cast<std::uint32_t>(wanted[i]))
                << "element " << i << ": found " << found[i] << ", wanted " << wanted[i];
        }
    }

    // The books, when nothing moves any more.
    static void expect_books(const Ring& ring) {
        EXPECT_TRUE(eventually([&] {
            const Stats now = ring.stats();
            return now.writing == 0 && now.leased == 0;
        })) << "the ring does not come to rest";
        expect_balance(ring.stats());
    }
};

// A batch of a run, to compare with that of another.
struct Seen {
    std::uint64_t first, last, epoch;
    std::vector<std::uint64_t> items;
    bool operator==(const Seen&) const = default;
    friend std::ostream& operator<<(std::ostream& out, const Seen& seen) {
        out << "epoch " << seen.epoch << " [" << seen.first << ", " << seen.last << "):";
        for (const std::uint64_t item : seen.items) out << ' ' << item;
        return out;
    }
};

inline Seen seen(const Batch& batch) {
    return {batch.first_index(),
            batch.last_index(),
            batch.epoch(),
            {batch.items().begin(), batch.items().end()}};
}

// All batches until the end, or `most` of them; each given back at once.
inline std::vector<Seen> run_to_end(Loader& loader, std::size_t most = ~std::size_t{0}) {
    std::vector<Seen> batches;
    while (batches.size() < most) {
        auto batch = loader.next();
        if (batch.outcome() == Outcome::end) break;
        if (batch) batches.push_back(seen(*batch));
    }
    return batches;
}

}  // namespace headrace
