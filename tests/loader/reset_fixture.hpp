// A loader over a ring that is reset, and producers that go on for ever.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <thread>
#include <vector>

#include "loader/pipeline_fixture.hpp"

namespace headrace {

// A producer in a thread of its own, which also goes on behind the end of the data.
class Tireless {
  public:
    Tireless(Ring& ring, std::uint64_t seed)
        : thread_([this, &ring, seed] { write(ring, seed); }) {}
    Tireless(const Tireless&) = delete;
    Tireless& operator=(const Tireless&) = delete;
    ~Tireless() {
        is_over_ = true;
        thread_.join();
    }

  private:
    void write(Ring& ring, std::uint64_t seed) {
        std::minstd_rand random(static_cast<unsigned>(seed));
        Producer producer = ring.producer();
        while (!is_over_) {
            auto record = producer.claim_for(std::chrono::milliseconds(1));
            if (record.outcome() == Outcome::end) {
                std::this_thread::sleep_for(std::chrono::microseconds(100));
            }
            if (!record || (record->attempt() == 0 && random() % 32 == 0)) continue;  // dropped
            if (random() % 8 == 0) std::this_thread::yield();
            Writer::fill(std::move(*record));
        }
    }

    std::atomic<bool> is_over_{false};
    std::thread thread_;
};

class LoaderResetFixture : public PipelineFixture {
  protected:
    static constexpr std::uint32_t kSlots = 16, kBatch = 4;

    RingOptions shuffled(std::uint64_t records = 20, std::uint64_t epochs = 1) {
        RingOptions result = options(records, kSlots);
        result.epochs = epochs;
        result.shuffle_seed = 21;
        return result;
    }
    // Writes `count` records, as soon as there is room: the loader has to go along with a reset.
    static void write_soon(Producer& producer, std::uint32_t count) {
        for (std::uint32_t i = 0; i < count; ++i) {
            auto record = producer.claim_for(std::chrono::seconds(20));
            ASSERT_TRUE(record) << name_of(record.outcome());
            Writer::fill(std::move(*record));
        }
    }
    static std::vector<std::uint64_t> items_of(const Ring& ring, std::uint64_t first,
                                               std::uint64_t last) {
        std::vector<std::uint64_t> items;
        for (; first < last; ++first) items.push_back(ring.sampler()->item_of(first));
        return items;
    }
    static std::vector<std::uint64_t> items_of(const Batch& batch) {
        return {batch.items().begin(), batch.items().end()};
    }
    // The next batch is that of these places of the new order.
    static void expect_batch(const Ring& ring, Result<Batch>&& batch, std::uint64_t first,
                             std::uint64_t last) {
        ASSERT_TRUE(batch) << name_of(batch.outcome());
        EXPECT_EQ(items_of(*batch), items_of(ring, first, last));
        EXPECT_EQ(batch->epoch(), ring.sampler()->epoch_of(first));
        expect_content(*batch);
    }
    static bool prefetches(const Ring& ring, std::uint64_t records) {
        return eventually([&] { return ring.stats().prefetched == records; });
    }
    // The same with indices counted from the first one, to compare with another run.
    static std::vector<Seen> from_zero(std::vector<Seen> batches, std::uint64_t zero) {
        for (Seen& batch : batches) batch.first -= zero, batch.last -= zero;
        return batches;
    }
    // What a run delivers that nobody resets.
    std::vector<Seen> whole_run(const RingOptions& ring_options, const LoaderOptions& options) {
        Ring ring = Ring::create(ring_options);
        Writer writer(ring);
        Loader loader(ring, options);
        return run_to_end(loader);
    }
};

}  // namespace headrace
