#include "headrace/loader.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <optional>

#include "loader/loader_fixture.hpp"
#include "ring/ring_core.hpp"

namespace headrace {
namespace {

using std::chrono::milliseconds;

class LoaderTest : public LoaderFixture {
  protected:
    // The planner sleeps until this index comes.
    static bool waits_for(Ring& ring, std::uint64_t index) {
        const auto& wanted = ring.shared_core()->protocol().control().wanted;
        return eventually([&] { return wanted.load() == index; });
    }
    // Somebody waits in next().
    static bool is_awaited(Ring& ring) {
        const auto& since = ring.shared_core()->protocol().trainer().trainer_waiting_since_ns;
        return eventually([&] { return since.load() != 0; });
    }
};

TEST_F(LoaderTest, DeliversEachRecordOfAnEpochOnce) {
    RingOptions two = options(100);
    two.epochs = 2;
    two.shuffle_seed = 7;
    Ring ring = Ring::create(two);
    Writer first(ring), second(ring), third(ring);
    Loader loader(ring, {.batch = 8});
    for (int epoch = 0; epoch < 2; ++epoch) {
        std::vector<int> count(100);
        Result<Batch> batch = Outcome::end;
        while ((batch = loader.next())) {
            for (const std::uint64_t item : batch->items()) ++count[item];
        }
        EXPECT_EQ(batch.outcome(), Outcome::end_of_epoch);
        EXPECT_EQ(count, std::vector<int>(100, 1));
        EXPECT_FALSE(loader.done());
    }
    for (int i = 0; i < 3; ++i) EXPECT_EQ(loader.next().outcome(), Outcome::end);
    EXPECT_TRUE(loader.done());
    EXPECT_EQ(ring.stats().alarms, 0u) << "no wake-up was lost";
    expect_books(ring);
}

TEST_F(LoaderTest, TellsTimeOutEndOfEpochAndEndApart) {
    Ring ring = Ring::create(options(4));
    Producer producer = ring.producer();
    Loader loader(ring, {.batch = 4});
    EXPECT_EQ(loader.next_for(milliseconds(1)).outcome(), Outcome::timed_out);
    write(producer, 3);
    EXPECT_EQ(loader.next_for(milliseconds(1)).outcome(), Outcome::timed_out);
    write(producer, 1);
    EXPECT_EQ(loader.next().outcome(), Outcome::ready);
    EXPECT_FALSE(loader.done());
    EXPECT_EQ(loader.next().outcome(), Outcome::end_of_epoch);
    EXPECT_EQ(loader.next().outcome(), Outcome::end);
    EXPECT_EQ(loader.next_for(milliseconds(1)).outcome(), Outcome::end);
}

TEST_F(LoaderTest, BoundsTheWaitForTheFirstBatchOnly) {
    Ring ring = Ring::create(options(0));
    Producer producer = ring.producer();
    Loader loader(ring, {.batch = 2, .first_timeout = milliseconds(1)});
    EXPECT_EQ(loader.next().outcome(), Outcome::timed_out);
    write(producer, 2);
    EXPECT_TRUE(eventually([&] { return static_cast<bool>(loader.next()); }));
    std::thread later([&] {
        EXPECT_TRUE(is_awaited(ring));
        write(producer, 2);
    });
    EXPECT_EQ(loader.next().outcome(), Outcome::ready) << "a stall has no time-out";
    later.join();
}

TEST_F(LoaderTest, BoundsTheWaitAfterTheFirstBatchOnly) {
    Ring ring = Ring::create(options(0));
    Producer producer = ring.producer();
    Loader loader(ring, {.batch = 2, .stall_timeout = milliseconds(1)});
    std::thread later([&] {
        EXPECT_TRUE(is_awaited(ring));
        write(producer, 2);
    });
    EXPECT_EQ(loader.next().outcome(), Outcome::ready) << "the first batch has no time-out";
    later.join();
    EXPECT_EQ(loader.next().outcome(), Outcome::timed_out);
}

TEST_F(LoaderTest, TakesTimeOutsOfEveryLength) {
    Ring ring = Ring::create(options(0));
    Producer producer = ring.producer();
    Loader loader(ring, {.batch = 2});
    EXPECT_EQ(loader.next_for(milliseconds(0)).outcome(), Outcome::timed_out);
    EXPECT_EQ(loader.next_for(milliseconds(-5)).outcome(), Outcome::timed_out);
    write(producer, 2);
    EXPECT_EQ(loader.next_for(std::chrono::nanoseconds::max()).outcome(), Outcome::ready);
}

TEST_F(LoaderTest, TakesTheLargestTimeOutsForNone) {
    Ring ring = Ring::create(options(0));
    Producer producer = ring.producer();
    Loader loader(ring, {.batch = 2,
                         .depth = 1,
                         .first_timeout = milliseconds::max(),
                         .stall_timeout = milliseconds::max(),
                         .flush_after = milliseconds::max()});
    std::thread later([&] {
        EXPECT_TRUE(is_awaited(ring));
        write(producer, 2);
    });
    EXPECT_EQ(loader.next().outcome(), Outcome::ready);
    later.join();
}

// ---- leases ------------------------------------------------------------------------------------

TEST_F(LoaderTest, TakesLeasesBackInAnyOrderAndFromAnyThread) {
    Ring ring = Ring::create(options(0));
    Producer producer = ring.producer();
    write(producer, 8);
    Loader loader(ring, {.batch = 2, .depth = 3});
    std::optional<Batch> batches[3];
    for (auto& batch : batches) batch.emplace(std::move(*loader.next()));
    std::thread([&] { batches[1].reset(); }).join();
    {
        const auto next = loader.next();
        EXPECT_EQ(next->first_index(), 6u) << "a place is free again";
        expect_content(*next);
    }
    expect_content(*batches[0]);
    expect_content(*batches[2]);
    batches[2].reset();
    std::thread([batch = std::move(batches[0])] {}).join();
    EXPECT_EQ(loader.state().index, 8u);
    expect_books(ring);
}

TEST_F(LoaderTest, LetsBatchesOutliveItAndItsRing) {
    std::optional<Batch> kept;
    {
        Ring ring = Ring::create(options(0));
        Producer producer = ring.producer();
        write(producer, 6);
        Loader loader(ring, {.batch = 2});
        loader.next();
        kept.emplace(std::move(*loader.next()));
    }
    EXPECT_EQ(kept->first_index(), 2u);
    EXPECT_EQ(kept->schema(), Schema::float_int(32, 4));
    expect_content(*kept);
    std::thread([&] { kept.reset(); }).join();
}

TEST_F(LoaderTest, SaysThatTheCallerHoldsAllBatches) {
    Ring ring = Ring::create(options(0));
    Producer producer = ring.producer();
    write(producer, 6);
    Loader loader(ring, {.batch = 2, .lease_timeout = milliseconds(5)});
    std::vector<Batch> held;
    for (int i = 0; i < 2; ++i) held.push_back(std::move(*loader.next()));
    EXPECT_TRUE(contains(error_text<UsageError>([&] { loader.next(); }),
                         "all 2 batches are held by the caller, none can be filled; give one "
                         "back, or make depth larger"));
    held.pop_back();
    EXPECT_EQ(loader.next()->first_index(), 4u) << "and it goes on when one is given back";
}

TEST_F(LoaderTest, WaitsForABatchThatAnotherThreadHolds) {
    Ring ring = Ring::create(options(0));
    Producer producer = ring.producer();
    write(producer, 4);
    Loader loader(ring, {.batch = 2, .depth = 1});
    std::optional<Batch> held(std::move(*loader.next()));
    std::thread other([&] {
        EXPECT_TRUE(is_awaited(ring));
        held.reset();
    });
    EXPECT_EQ(loader.next()->first_index(), 2u);
    other.join();
}

TEST_F(LoaderTest, WaitsForABatchWithoutLimit) {
    Ring ring = Ring::create(options(0));
    Producer producer = ring.producer();
    write(producer, 4);
    Loader loader(ring, {.batch = 2, .depth = 1, .lease_timeout = milliseconds::max()});
    std::optional<Batch> held(std::move(*loader.next()));
    std::thread other([&] {
        EXPECT_TRUE(is_awaited(ring));
        held.reset();
    });
    EXPECT_NO_THROW(EXPECT_TRUE(loader.next()));
    other.join();
}

TEST_F(LoaderTest, MayBeAskedByManyThreads) {
    RingOptions many = options(1000);
    many.shuffle_seed = 4;
    Ring ring = Ring::create(many);
    Writer first(ring), second(ring);
    Loader loader(ring, {.batch = 8, .depth = 4});
    std::vector<int> count(1000);
    std::mutex mutex;
    std::vector<std::thread> trainers;
    for (int t = 0; t < 3; ++t) {
        trainers.emplace_back([&] {
            for (;;) {
                const auto batch = loader.next();
                if (batch.outcome() == Outcome::end) return;
                if (!batch) continue;
                expect_content(*batch);
                const std::lock_guard lock(mutex);
                for (const std::uint64_t item : batch->items()) ++count[item];
            }
        });
    }
    for (auto& trainer : trainers) trainer.join();
    EXPECT_EQ(count, std::vector<int>(1000, 1));
    EXPECT_EQ(loader.state().index, 1000u);
    expect_books(ring);
}

// ---- the books ---------------------------------------------------------------------------------

TEST_F(LoaderTest, CountsPrefetchedRecords) {
    Ring ring = Ring::create(options(0));
    Producer producer = ring.producer();
    Loader loader(ring, {.batch = 2, .depth = 2});
    write(producer, 7);
    EXPECT_TRUE(eventually([&] { return ring.stats().prefetched == 4; }));
    expect_books(ring);
    EXPECT_EQ(ring.stats().in_ring, 3u);
    const auto batch = loader.next();
    expect_books(ring);
    EXPECT_EQ(ring.stats().delivered, 2u);
    EXPECT_EQ(ring.stats().prefetched, 2u);
    EXPECT_EQ(ring.stats().device, "host");
}

TEST_F(LoaderTest, CountsPayloadAndPadding) {
    Ring ring = Ring::create(options(20));
    Writer writer(ring);
    Loader loader(ring, {.batch = 8});
    run_to_end(loader);
    std::uint64_t payload = 0;
    for (std::uint64_t item = 0; item < 20; ++item) {
        payload += 4 * (floats_of(item).size() + ints_of(item).size());
    }
    const Stats stats = loader.stats();
    EXPECT_EQ(stats.batches, 3u);
    EXPECT_EQ(stats.payload_bytes, payload);
    EXPECT_EQ(stats.link_bytes, payload);
    EXPECT_EQ(stats.padding_bytes, 20 * ring.schema().record_bytes() - payload);
}

TEST_F(LoaderTest, DiscardsWhatItPrefetchedWhenItIsDestroyed) {
    Ring ring = Ring::create(options(0));
    Producer producer = ring.producer();
    write(producer, 8);
    {
        Loader loader(ring, {.batch = 2, .depth = 2});
        EXPECT_TRUE(eventually([&] { return ring.stats().prefetched == 4; }));
        EXPECT_EQ(loader.state().index, 0u) << "none of it was given back";
    }
    EXPECT_EQ(ring.stats().discarded, 4u);
    EXPECT_EQ(ring.stats().prefetched, 0u);
    expect_books(ring);
    Loader next(ring, {.batch = 2});
    EXPECT_EQ(next.next()->first_index(), 4u) << "the next one goes on";
    expect_books(ring);
}

// The slots of batches given back long ago belong to the producers, also when the loader ends.
TEST_F(LoaderTest, LeavesTheRingIntactWhenItIsDestroyed) {
    Ring ring = Ring::create(options(0, 4));
    Producer producer = ring.producer();
    std::optional<Loader> loader(std::in_place, ring, LoaderOptions{.batch = 2, .depth = 1});
    write(producer, 4);
    for (int i = 0; i < 2; ++i) EXPECT_TRUE(loader->next());
    auto missing = producer.claim();
    write(producer, 3);
    ASSERT_TRUE(waits_for(ring, 4)) << "5, 6 and 7 are there";
    loader.reset();
    Writer::fill(std::move(*missing));
    EXPECT_EQ(ring.stats().ready, 4u);
    Loader next(ring, {.batch = 2});
    for (const std::uint64_t first : {4u, 6u}) {
        const auto batch = next.next_for(std::chrono::seconds(5));
        ASSERT_TRUE(batch) << "record " << first << " is lost";
        EXPECT_EQ(batch->first_index(), first);
        expect_content(*batch);
    }
    expect_books(ring);
}

TEST_F(LoaderTest, LeavesTheRingIntactWhenItIsClosed) {
    Ring ring = Ring::create(options(0, 4));
    Producer producer = ring.producer();
    Loader loader(ring, {.batch = 2, .depth = 1});
    write(producer, 4);
    for (int i = 0; i < 2; ++i) EXPECT_TRUE(loader.next());
    const auto never_written = producer.claim();
    write(producer, 3);
    ASSERT_TRUE(waits_for(ring, 4));
    ring.close();
    EXPECT_EQ(loader.next().outcome(), Outcome::end);
    EXPECT_EQ(ring.stats().ready, 3u) << "published behind a record that is missing";
    EXPECT_EQ(ring.stats().in_ring, 4u);
    expect_balance(ring.stats());
}

// ---- the ends ----------------------------------------------------------------------------------

TEST_F(LoaderTest, TellsTheReasonOfAnAbort) {
    Ring ring = Ring::create(options(0));
    Producer producer = ring.producer();
    write(producer, 2);
    Loader loader(ring, {.batch = 2});
    EXPECT_TRUE(loader.next()) << "what was prefetched before it is still there";
    std::thread waiting([&] {
        EXPECT_TRUE(
            contains(error_text<RingAborted>([&] { loader.next(); }), "the disk is on fire"));
    });
    EXPECT_TRUE(is_awaited(ring));
    ring.abort("the disk is on fire");
    waiting.join();
    for (int i = 0; i < 2; ++i) EXPECT_THROW(loader.next(), RingAborted);
    EXPECT_THROW(loader.next_for(milliseconds(1)), RingAborted);
    EXPECT_THROW(loader.epoch().begin(), RingAborted);
    EXPECT_FALSE(loader.done());
}

TEST_F(LoaderTest, EndsWhenTheRingIsClosed) {
    Ring ring = Ring::create(options(0));
    Loader loader(ring, {.batch = 2});
    std::thread closer([&] {
        EXPECT_TRUE(is_awaited(ring));
        ring.close();
    });
    EXPECT_EQ(loader.next().outcome(), Outcome::end);
    closer.join();
    EXPECT_TRUE(loader.done());
}

TEST_F(LoaderTest, RefusesBadOptionsAndLeavesTheConsumerFree) {
    Ring ring = Ring::create(options(0, 16));
    EXPECT_TRUE(contains(refusal_of(ring, {}), "batch 0, wanted at least 1"));
    EXPECT_TRUE(contains(refusal_of(ring, {.batch = 9}),
                         "batch 9 in a ring of 16 slots, wanted slots for two batches: 18"));
    EXPECT_TRUE(contains(refusal_of(ring, {.batch = 8, .depth = 0}), "depth 0, wanted 1 to 64"));
    EXPECT_TRUE(contains(refusal_of(ring, {.batch = 8, .pad_values = {{"mel", 0}}}),
                         "no field \"mel\"; there are: floats"));
    EXPECT_TRUE(contains(refusal_of(ring, {.batch = 8, .pad_values = {{"ints", 3e9}}}),
                         "pad value of field \"ints\": 3000000000"));
    Loader loader(ring, {.batch = 8});
}

TEST_F(LoaderTest, RefusesASecondConsumer) {
    Ring ring = Ring::create(options(0));
    {
        Loader loader(ring, {.batch = 8});
        EXPECT_TRUE(contains(refusal_of(ring, {.batch = 8}),
                             "a consumer or a loader takes its records already, wanted one"));
        EXPECT_THROW(ring.consumer(), UsageError);
    }
    Consumer consumer = ring.consumer();
    EXPECT_THROW(Loader(ring, {.batch = 8}), UsageError);
}

TEST_F(LoaderTest, MayBeMoved) {
    Ring ring = Ring::create(options(0));
    Producer producer = ring.producer();
    write(producer, 4);
    Loader first(ring, {.batch = 2});
    Loader second = std::move(first);
    EXPECT_EQ(second.next()->first_index(), 0u);
    first = std::move(second);
    EXPECT_EQ(first.next()->first_index(), 2u);
    EXPECT_EQ(first.device().name(), "host");
}

}  // namespace
}  // namespace headrace
