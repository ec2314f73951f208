// Ring::reset() under a loader: no batch from before it is handed out any more, and state(), epochs
// and the grid of the batches begin anew.
#include <gtest/gtest.h>

#include <optional>

#include "loader/reset_fixture.hpp"

namespace headrace {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class LoaderResetTest : public LoaderResetFixture {};

TEST_F(LoaderResetTest, HandsOutNothingFromBefore) {
    Ring ring = Ring::create(shuffled());
    Producer producer = ring.producer();
    Loader loader(ring, {.batch = kBatch});
    write(producer, 14);
    ASSERT_TRUE(prefetches(ring, 2 * kBatch));
    ring.reset();
    EXPECT_EQ(loader.next_for(milliseconds(10)).outcome(), Outcome::timed_out);
    EXPECT_TRUE(eventually([&] { return ring.stats().discarded == 14 + kSlots; }));
    EXPECT_EQ(ring.stats().prefetched, 0u);
    expect_books(ring);
    for (std::uint64_t place = 0; place < 20; place += kBatch) {
        write(producer, kBatch);
        expect_batch(ring, loader.next(), place, place + kBatch);
    }
    EXPECT_EQ(loader.next().outcome(), Outcome::end_of_epoch);
    EXPECT_EQ(loader.next().outcome(), Outcome::end);
    EXPECT_EQ(ring.stats().delivered, 20u);
    expect_books(ring);
}

TEST_F(LoaderResetTest, TakesALoaderAlongThatWaitsForProducers) {
    Ring ring = Ring::create(shuffled());
    Producer producer = ring.producer();
    Loader loader(ring, {.batch = kBatch});
    write(producer, kBatch + 1);
    ASSERT_TRUE(prefetches(ring, kBatch));
    ring.reset();
    auto record = producer.claim();  // nobody has called next(): the loader passes by itself
    ASSERT_TRUE(record);
    EXPECT_EQ(record->item(), ring.sampler()->item_of(0));
    Writer::fill(std::move(*record));
    write(producer, kBatch - 1);
    expect_batch(ring, loader.next(), 0, kBatch);
    EXPECT_EQ(ring.stats().alarms, 0u);
}

TEST_F(LoaderResetTest, WakesATrainerThatWaits) {
    Ring ring = Ring::create(shuffled());
    Producer producer = ring.producer();
    Loader loader(ring, {.batch = kBatch});
    write(producer, 2);
    std::thread waiting([&] { expect_batch(ring, loader.next(), 0, kBatch); });
    EXPECT_TRUE(eventually([&] { return ring.stats().trainer_waited_s > 0; }));
    ring.reset();
    write_soon(producer, kBatch);
    waiting.join();
    EXPECT_EQ(ring.stats().alarms, 0u);
}

TEST_F(LoaderResetTest, LeavesBatchesAsTheyAreThatTheTrainerHolds) {
    Ring ring = Ring::create(shuffled());
    Producer producer = ring.producer();
    Loader loader(ring, {.batch = kBatch, .depth = 3});
    write(producer, 12);
    auto held = loader.next();
    ASSERT_TRUE(held);
    const std::vector<std::uint64_t> items = items_of(*held);
    ring.reset();
    EXPECT_EQ(loader.next_for(milliseconds(10)).outcome(), Outcome::timed_out);
    for (std::uint64_t place = 0; place < 3 * kBatch; place += kBatch) {
        write(producer, kBatch);
        expect_batch(ring, loader.next(), place, place + kBatch);
    }
    EXPECT_EQ(items_of(*held), items);
    expect_content(*held);
    held->release();
    write(producer, kBatch);
    expect_batch(ring, loader.next(), 3 * kBatch, 4 * kBatch);
    expect_books(ring);
}

TEST_F(LoaderResetTest, NeedsOneOfTheBatchesThatTheTrainerHolds) {
    Ring ring = Ring::create(shuffled());
    Producer producer = ring.producer();
    Loader loader(ring, {.batch = kBatch, .lease_timeout = milliseconds(50)});
    write(producer, 15);
    std::optional<Batch> first = std::move(*loader.next()), second = std::move(*loader.next());
    ring.reset();
    EXPECT_EQ(loader.next_for(milliseconds(5)).outcome(), Outcome::timed_out);
    EXPECT_THROW(loader.next(), UsageError);
    second.reset();
    write_soon(producer, kBatch);
    expect_batch(ring, loader.next(), 0, kBatch);
    expect_content(*first);
}

// ---- state() ----

TEST_F(LoaderResetTest, CountsItsStateFromTheNewBeginning) {
    Ring ring = Ring::create(shuffled(20, 2));
    Producer producer = ring.producer();
    Loader loader(ring, {.batch = kBatch, .depth = 4});
    const State start = loader.state();
    write(producer, 16);
    std::optional<Batch> early = std::move(*loader.next()), late = std::move(*loader.next());
    loader.next();
    EXPECT_EQ(loader.state(), start) << "the first batches are out";
    ring.reset();
    EXPECT_EQ(loader.state(), start) << "nothing of the new order was given back";
    early.reset();
    EXPECT_EQ(loader.state(), start) << "that was one of the old order";
    EXPECT_EQ(loader.next_for(milliseconds(10)).outcome(), Outcome::timed_out);
    write(producer, 2 * kBatch);
    std::optional<Batch> first = std::move(*loader.next());
    EXPECT_EQ(loader.state(), start);
    loader.next();
    EXPECT_EQ(loader.state(), start) << "the first one is out";
    first.reset();
    EXPECT_EQ(loader.state(), State::of(*ring.sampler(), 2 * kBatch))
        << "one of the old order does not hold it up";
    late.reset();
    EXPECT_EQ(loader.state(), State::of(*ring.sampler(), 2 * kBatch));
    ring.reset();
    EXPECT_EQ(loader.state(), start);
}

TEST_F(LoaderResetTest, ResumesFromItsStateAfterAReset) {
    const LoaderOptions loader_options{.batch = kBatch};
    const std::vector<Seen> whole = whole_run(shuffled(18, 2), loader_options);
    ASSERT_EQ(whole.size(), 10u);
    for (std::size_t stop = 0; stop <= whole.size(); ++stop) {
        SCOPED_TRACE("stopped after " + std::to_string(stop) + " batches");
        RingOptions again = shuffled(18, 2);
        std::vector<Seen> parts;
        {
            Ring ring = Ring::create(again);
            const Tireless producer(ring, seed_);
            Loader loader(ring, loader_options);
            run_to_end(loader, 3);
            ring.reset();
            parts = run_to_end(loader, stop);
            if (stop != 0) parts = from_zero(parts, parts[0].first);
            again.resume = State::from_json(loader.state().to_json());
        }
        EXPECT_EQ(again.resume->index, stop == 0 ? 0 : whole[stop - 1].last);
        const std::vector<Seen> rest = whole_run(again, loader_options);
        parts.insert(parts.end(), rest.begin(), rest.end());
        EXPECT_EQ(parts, whole);
    }
}

TEST_F(LoaderResetTest, KeepsTheIndicesOfAStream) {
    RingOptions stream = options(0, kSlots);
    Ring ring = Ring::create(stream);
    Producer producer = ring.producer();
    Loader loader(ring, {.batch = kBatch, .flush_after = milliseconds(1)});
    write(producer, 3);
    EXPECT_EQ(loader.next()->size(), 3u);
    EXPECT_EQ(loader.state().index, 3u);
    ring.reset();
    EXPECT_EQ(loader.state().index, 3u + kSlots) << "there it begins anew";
    write_soon(producer, kBatch);
    for (std::uint64_t records = 0; records < kBatch;) {
        const auto batch = loader.next();
        ASSERT_TRUE(batch);
        EXPECT_EQ(batch->first_index(), 3 + kSlots + records);
        expect_content(*batch);
        records += batch->size();
    }
    EXPECT_EQ(loader.state().index, 3u + kSlots + kBatch);
}

// ---- epochs, and the end ----

TEST_F(LoaderResetTest, BeginsTheGridAnew) {
    for (const bool drop_last : {false, true}) {
        SCOPED_TRACE(drop_last ? "without the last batch" : "with all batches");
        RingOptions ring_options = shuffled(10, 2);
        const LoaderOptions loader_options{.batch = kBatch, .drop_last = drop_last};
        const std::vector<Seen> whole = whole_run(ring_options, loader_options);
        ASSERT_EQ(whole.size(), drop_last ? 4u : 6u);
        // The floor is a multiple of nothing; a run that is resumed has a short batch first.
        for (std::uint64_t start = 0; start < 12; ++start) {
            ring_options.resume =
                State::of(Sampler({.epoch_records = 10, .epochs = 2, .shuffle_seed = 21}), start);
            Ring ring = Ring::create(ring_options);
            const Tireless producer(ring, seed_);
            Loader loader(ring, loader_options);
            run_to_end(loader, start % 2);
            ring.reset();
            const std::vector<Seen> anew = run_to_end(loader);
            ASSERT_FALSE(anew.empty());
            EXPECT_EQ(from_zero(anew, anew[0].first), whole);
        }
    }
}

TEST_F(LoaderResetTest, ForgetsTheEndOfAnEpochThatWasNotTold) {
    Ring ring = Ring::create(shuffled(8, 2));
    Producer producer = ring.producer();
    Loader loader(ring, {.batch = kBatch, .depth = 4});
    write(producer, 12);
    ASSERT_TRUE(prefetches(ring, 12)) << "the end of the epoch lies between";
    loader.next();
    loader.next();
    ring.reset();
    write_soon(producer, kBatch);
    expect_batch(ring, loader.next(), 0, kBatch);
}

TEST_F(LoaderResetTest, GoesOnBehindTheEnd) {
    Ring ring = Ring::create(shuffled(8, 1));
    Producer producer = ring.producer();
    Loader loader(ring, {.batch = kBatch});
    for (int turn = 0; turn < 3; ++turn) {
        SCOPED_TRACE("turn " + std::to_string(turn));
        write_soon(producer, 8);
        if (HasFatalFailure()) return;
        expect_batch(ring, loader.next(), 0, kBatch);
        expect_batch(ring, loader.next(), kBatch, 2 * kBatch);
        EXPECT_EQ(loader.next().outcome(), Outcome::end_of_epoch);
        EXPECT_FALSE(loader.done());
        if (turn != 1) {  // in the second turn the end is not told
            EXPECT_EQ(loader.next().outcome(), Outcome::end);
            EXPECT_EQ(loader.next().outcome(), Outcome::end);
            EXPECT_TRUE(loader.done());
        }
        ring.reset();
        EXPECT_FALSE(loader.done());
        EXPECT_EQ(loader.state().index, 0u);
    }
    EXPECT_EQ(ring.stats().alarms, 0u);
    ring.close();
    EXPECT_EQ(loader.next().outcome(), Outcome::end);
    EXPECT_TRUE(loader.done());
}

// Whether the loader has met the end of the data by then, or is on its way.
TEST_F(LoaderResetTest, EndsWithARingThatIsClosedRightAfterwards) {
    for (int turn = 0; turn < 100; ++turn) {
        Ring ring = Ring::create(shuffled(8, 1));
        Producer producer = ring.producer();
        Loader loader(ring, {.batch = kBatch});
        write(producer, 8);
        loader.next();
        if (turn % 2 == 0) {
            EXPECT_EQ(run_to_end(loader).size(), 1u);
        }
        ring.reset();
        ring.close();
        Result<Batch> last = loader.next_for(seconds(20));
        EXPECT_EQ(last.outcome(), Outcome::end);
        EXPECT_EQ(loader.next_for(seconds(20)).outcome(), Outcome::end);
    }
}

TEST_F(LoaderResetTest, EndsWhileItWaitsForARecordFromBefore) {
    Ring ring = Ring::create(shuffled(8, 1));
    Producer producer = ring.producer(), late = ring.producer("late");
    Loader loader(ring, {.batch = kBatch});
    auto held = late.claim();
    write(producer, 3);
    ring.reset();
    EXPECT_EQ(loader.next_for(milliseconds(20)).outcome(), Outcome::timed_out);
    ring.close();
    EXPECT_EQ(loader.next_for(seconds(20)).outcome(), Outcome::end);
}

TEST_F(LoaderResetTest, GoesWithoutHavingBeenAskedAgain) {
    Ring ring = Ring::create(shuffled(8, 1));
    Producer producer = ring.producer();
    std::optional<Loader> loader(std::in_place, ring, LoaderOptions{.batch = kBatch});
    write(producer, 8);
    run_to_end(*loader);
    loader.reset();  // while it waits behind the end
    ring.reset();
    loader.emplace(ring, LoaderOptions{.batch = kBatch});
    write_soon(producer, 8);
    expect_batch(ring, loader->next(), 0, kBatch);
    ring.reset();
    loader.reset();  // with batches that nobody has asked for since
    EXPECT_EQ(ring.stats().prefetched, 0u);
    EXPECT_EQ(ring.consumer().try_get().outcome(), Outcome::timed_out);
    expect_books(ring);
}

}  // namespace
}  // namespace headrace
