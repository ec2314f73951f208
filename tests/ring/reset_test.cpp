// Ring::reset(): what was not delivered is discarded and counted, and everybody goes on with new
// records.
#include <gtest/gtest.h>

#include <atomic>
#include <optional>
#include <thread>

#include "headrace/error.hpp"
#include "ring/reset_fixture.hpp"

namespace headrace {
namespace {

using std::chrono::milliseconds;

class ResetTest : public ResetFixture {};

TEST_F(ResetTest, ChangesNothingBeforeTheFirstRecord) {
    Ring ring = Ring::create(shuffled());
    ring.reset();
    Producer producer = ring.producer();
    Consumer consumer = ring.consumer();
    write(producer, 1);
    EXPECT_EQ(consumer.get()->index(), 0u);
    EXPECT_EQ(ring.stats().discarded, 0u);
    expect_from(ring, producer, consumer, 1, 12);
}

TEST_F(ResetTest, BeginsAnewInAnEmptyRing) {
    Ring ring = Ring::create(shuffled());
    Producer producer = ring.producer();
    Consumer consumer = ring.consumer();
    expect_from(ring, producer, consumer, 0, 3);
    ring.reset();
    EXPECT_EQ(producer.try_claim().outcome(), Outcome::timed_out) << "the consumer comes first";
    expect_nothing(consumer);
    EXPECT_EQ(ring.stats().discarded, kSlots) << "indices that nobody has claimed count as well";
    expect_balance(ring.stats());
    expect_from(ring, producer, consumer, 0, 12);
    EXPECT_EQ(ring.stats().delivered, 15u);
    expect_balance(ring.stats());
}

TEST_F(ResetTest, DiscardsAllThatAFullRingHolds) {
    Ring ring = Ring::create(shuffled());
    Producer producer = ring.producer();
    Consumer consumer = ring.consumer();
    write(producer, kSlots);
    ring.reset();
    expect_nothing(consumer);
    EXPECT_EQ(ring.stats().discarded, 2 * kSlots);
    expect_balance(ring.stats());
    write(producer, kSlots);
    EXPECT_EQ(producer.try_claim().outcome(), Outcome::timed_out) << "it is as large as before";
    for (std::uint64_t place = 0; place < kSlots; ++place) {
        EXPECT_EQ(consumer.get()->item(), ring.sampler()->item_of(place));
    }
    expect_balance(ring.stats());
}

TEST_F(ResetTest, LeavesTheMiddleOfAnEpochForTheFirstOne) {
    Ring ring = Ring::create(shuffled(3));
    Producer producer = ring.producer();
    Consumer consumer = ring.consumer();
    expect_from(ring, producer, consumer, 0, 12);
    EXPECT_EQ(consumer.get().outcome(), Outcome::end_of_epoch);
    expect_from(ring, producer, consumer, 12, 17);
    write(producer, 4);
    ring.reset();
    for (int epoch = 0; epoch < 3; ++epoch) {
        SCOPED_TRACE("epoch " + std::to_string(epoch));
        if (epoch == 0) expect_nothing(consumer);
        const auto first = static_cast<std::uint64_t>(epoch) * 12;
        expect_from(ring, producer, consumer, first, first + 12);
        EXPECT_EQ(consumer.get().outcome(), Outcome::end_of_epoch);
    }
    EXPECT_EQ(consumer.get().outcome(), Outcome::end) << "three epochs, counted from the reset";
    EXPECT_EQ(producer.claim().outcome(), Outcome::end);
    expect_balance(ring.stats());
}

TEST_F(ResetTest, GoesOnBehindTheEndOfTheData) {
    Ring ring = Ring::create(shuffled());
    Producer producer = ring.producer();
    Consumer consumer = ring.consumer();
    for (int turn = 0; turn < 3; ++turn) {
        if (turn != 0) expect_nothing(consumer);
        expect_from(ring, producer, consumer, 0, 12);
        EXPECT_EQ(consumer.get().outcome(), Outcome::end_of_epoch);
        EXPECT_EQ(consumer.get().outcome(), Outcome::end);
        EXPECT_EQ(producer.claim().outcome(), Outcome::end);
        ring.reset();
    }
    EXPECT_EQ(ring.stats().delivered, 36u);
}

TEST_F(ResetTest, TellsNoEndOfAnEpochThatItLeft) {
    Ring ring = Ring::create(shuffled());
    Producer producer = ring.producer();
    Consumer consumer = ring.consumer();
    expect_from(ring, producer, consumer, 0, 12);
    ring.reset();
    expect_nothing(consumer);
    expect_from(ring, producer, consumer, 0, 12);
    EXPECT_EQ(consumer.get().outcome(), Outcome::end_of_epoch);
}

// ---- more than once, and other beginnings ----

TEST_F(ResetTest, IsDoneOnceWhereNothingHappenedInBetween) {
    Ring ring = Ring::create(shuffled());
    Producer producer = ring.producer();
    Consumer consumer = ring.consumer();
    write(producer, 5);
    ring.reset();
    ring.reset();
    expect_nothing(consumer);
    EXPECT_EQ(ring.stats().discarded, 5 + kSlots);
    ring.reset();
    expect_nothing(consumer);
    EXPECT_EQ(ring.stats().discarded, 5 + kSlots);
    expect_from(ring, producer, consumer, 0, 12);
    expect_balance(ring.stats());
}

TEST_F(ResetTest, CanBeRepeatedWhileTheConsumerGoesAlong) {
    Ring ring = Ring::create(shuffled());
    Producer producer = ring.producer(), late = ring.producer("late");
    Consumer consumer = ring.consumer();
    write(producer, 6);
    auto held = late.claim();  // record 6: the consumer comes as far as this
    ring.reset();
    expect_nothing(consumer);
    EXPECT_EQ(producer.try_claim().outcome(), Outcome::timed_out);
    held->publish(0, 0);
    expect_nothing(consumer);
    auto again = late.claim();
    ASSERT_TRUE(again);
    EXPECT_EQ(again->item(), ring.sampler()->item_of(0));
    ring.reset();
    ring.reset();
    expect_nothing(consumer);
    again->publish(0, 0);
    expect_nothing(consumer);
    expect_from(ring, producer, consumer, 0, 12);
    EXPECT_EQ(ring.stats().delivered, 12u);
    expect_balance(ring.stats());
}

TEST_F(ResetTest, IsRememberedForTheNextConsumer) {
    Ring ring = Ring::create(shuffled());
    Producer producer = ring.producer();
    {
        Consumer before = ring.consumer();
        expect_from(ring, producer, before, 0, 4);
        ring.reset();
        expect_nothing(before);
        expect_from(ring, producer, before, 0, 2);
    }
    {
        Consumer between = ring.consumer();
        expect_from(ring, producer, between, 2, 3);
    }
    write(producer, 2);
    ring.reset();
    Consumer after = ring.consumer();
    expect_nothing(after);
    expect_from(ring, producer, after, 0, 12);
    expect_balance(ring.stats());
}

TEST_F(ResetTest, BeginsWithTheFirstEpochAfterAResume) {
    RingOptions resumed = shuffled(2);
    const Sampler sampler({.epoch_records = 12, .epochs = 2, .shuffle_seed = 3});
    resumed.resume = State::of(sampler, 17);
    for (const bool at_once : {true, false}) {
        Ring ring = Ring::create(resumed);
        Producer producer = ring.producer();
        Consumer consumer = ring.consumer();
        if (!at_once) expect_from(ring, producer, consumer, 17, 20);
        ring.reset();
        expect_nothing(consumer);
        expect_from(ring, producer, consumer, 0, 12);
        EXPECT_EQ(consumer.get().outcome(), Outcome::end_of_epoch);
        expect_from(ring, producer, consumer, 12, 24);
        EXPECT_EQ(consumer.get().outcome(), Outcome::end_of_epoch);
        EXPECT_EQ(consumer.get().outcome(), Outcome::end);
        expect_balance(ring.stats());
    }
}

TEST_F(ResetTest, EmptiesAStreamWhoseIndicesGoOn) {
    Ring ring = Ring::create(stream());
    std::optional<Producer> producer = ring.producer();
    Consumer consumer = ring.consumer();
    write(*producer, 5);
    EXPECT_EQ(consumer.get()->index(), 0u);
    ring.reset();
    expect_nothing(consumer);
    const std::uint64_t floor = consumer.position();
    EXPECT_GE(floor, 5u);
    write(*producer, 2);
    for (std::uint64_t i = 0; i < 2; ++i) {
        auto record = consumer.get();
        EXPECT_EQ(record->index(), floor + i);
        EXPECT_EQ(record->item(), record->index());
        EXPECT_EQ(record->epoch(), 0u);
        expect_content(*record);
    }
    producer.reset();
    EXPECT_EQ(consumer.get().outcome(), Outcome::end) << "its producer has finished";
    expect_balance(ring.stats());
}

TEST_F(ResetTest, IsRefusedWhereTheRingHasEnded) {
    Ring closed = Ring::create(stream());
    closed.close();
    EXPECT_NE(error_of([&] { closed.reset(); }).find("reset, but it has ended (closed)"),
              std::string::npos);
    RingOptions another = stream();
    another.name = "another";
    Ring aborted = Ring::create(another);
    aborted.abort("enough");
    EXPECT_THROW(aborted.reset(), UsageError);
}

TEST_F(ResetTest, IsEndedByAClose) {
    Ring ring = Ring::create(shuffled());
    Producer producer = ring.producer(), late = ring.producer("late");
    Consumer consumer = ring.consumer();
    auto held = late.claim();
    write(producer, 2);
    ring.reset();
    std::thread waiting([&] { EXPECT_EQ(consumer.get().outcome(), Outcome::end); });
    ring.close();
    waiting.join();
    EXPECT_EQ(producer.claim().outcome(), Outcome::end);
}

// All of them have gone, for all was done; now there is work again.
TEST_F(ResetTest, EndsIncompleteWhenNobodyIsLeftToBeginAnew) {
    RingOptions options = shuffled();
    options.linger = milliseconds(10);
    Ring ring = Ring::create(options);
    Consumer consumer = ring.consumer();
    {
        Producer producer = ring.producer();
        expect_from(ring, producer, consumer, 0, 12);
    }
    EXPECT_EQ(consumer.get().outcome(), Outcome::end_of_epoch);
    EXPECT_EQ(consumer.get().outcome(), Outcome::end);
    ring.reset();
    EXPECT_THROW(consumer.get_for(std::chrono::seconds(20)), IncompleteError);
}

// The protocol is copied for each producer, while a consumer sleeps with its own.
TEST_F(ResetTest, LetsProducersComeWhileAConsumerSleeps) {
    RingOptions options = shuffled(0);
    Ring ring = Ring::create(options);
    Consumer consumer = ring.consumer();
    std::atomic<bool> is_over = false;
    std::thread sleeper([&] {
        while (!is_over) (void)consumer.get_for(std::chrono::microseconds(100));
    });
    for (int i = 0; i < 100; ++i) (void)ring.producer();
    is_over = true;
    sleeper.join();
    EXPECT_EQ(ring.stats().delivered, 0u);
}

}  // namespace
}  // namespace headrace
