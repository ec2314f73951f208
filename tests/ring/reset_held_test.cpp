// Ring::reset() while records are in somebody's hands: producers write, drop and publish late, the
// trainer holds leases, others sleep.
#include <gtest/gtest.h>

#include <atomic>
#include <optional>
#include <random>
#include <thread>
#include <vector>

#include "gtest/seed.hpp"
#include "ring/reset_fixture.hpp"

namespace headrace {
namespace {

using std::chrono::milliseconds;

class HeldResetTest : public ResetFixture {};

// ---- records in the hands of producers ----

TEST_F(HeldResetTest, WaitsForARecordThatIsBeingWritten) {
    Ring ring = Ring::create(shuffled());
    Producer producer = ring.producer(), late = ring.producer("late");
    Consumer consumer = ring.consumer();
    auto held = late.claim();
    ASSERT_TRUE(held);
    write(producer, 3);
    ring.reset();
    EXPECT_EQ(consumer.get_for(milliseconds(20)).outcome(), Outcome::timed_out);
    EXPECT_EQ(producer.try_claim().outcome(), Outcome::timed_out) << "no slot was taken from it";
    EXPECT_EQ(held->item(), ring.sampler()->item_of(0)) << "it stands for what it was claimed as";
    EXPECT_EQ(held->index(), 0u);
    held->field<float>(0)[0] = -1;
    std::thread publisher([&] { held->publish(1, 0); });
    // Wakes up when the record is let go of, and then waits for a new one.
    EXPECT_TRUE(eventually([&] {
        EXPECT_EQ(consumer.get_for(milliseconds(5)).outcome(), Outcome::timed_out);
        return ring.stats().discarded == 4 + kSlots;
    }));
    publisher.join();
    expect_from(ring, producer, consumer, 0, 12);
    EXPECT_EQ(ring.stats().alarms, 0u);
    expect_balance(ring.stats());
}

TEST_F(HeldResetTest, NeverMixesALateRecordWithANewOne) {
    Ring ring = Ring::create(shuffled(0));
    Producer producer = ring.producer(), late = ring.producer("late");
    Consumer consumer = ring.consumer();
    for (std::uint32_t held_back = 0; held_back < 2 * kSlots; ++held_back) {
        SCOPED_TRACE("turn " + std::to_string(held_back));
        auto held = late.claim();
        ASSERT_TRUE(held);
        const std::uint64_t old = held->index();
        write(producer, static_cast<int>(held_back % kSlots));
        ring.reset();
        expect_nothing(consumer);
        held->field<float>(0)[0] = -1;
        held->publish(1, 0);
        expect_nothing(consumer);
        write(producer, kSlots);
        for (std::uint64_t place = 0; place < kSlots; ++place) {
            auto record = consumer.get();
            ASSERT_TRUE(record);
            EXPECT_GE(record->index(), old + kSlots);
            EXPECT_EQ(record->item(), ring.sampler()->item_of(place));
            expect_content(*record);
        }
        ring.reset();
        expect_nothing(consumer);
        expect_balance(ring.stats());
    }
}

TEST_F(HeldResetTest, PassesOverWhatIsDroppedAfterwards) {
    Ring ring = Ring::create(shuffled());
    Producer producer = ring.producer(), late = ring.producer("late");
    Consumer consumer = ring.consumer();
    {
        auto held = late.claim();
        ring.reset();
        expect_nothing(consumer);
        const ClaimedRecord dropped = std::move(*held);
    }
    EXPECT_EQ(producer.try_claim().outcome(), Outcome::timed_out) << "it comes back to nobody";
    expect_nothing(consumer);
    EXPECT_EQ(ring.stats().discarded, 1 + kSlots);
    EXPECT_EQ(ring.stats().lost, 0u);
    expect_from(ring, producer, consumer, 0, 12);
    expect_balance(ring.stats());
}

TEST_F(HeldResetTest, PassesOverWhatWasDroppedBefore) {
    Ring ring = Ring::create(shuffled());
    Producer producer = ring.producer();
    Consumer consumer = ring.consumer();
    { auto dropped = producer.claim(); }
    ring.reset();
    expect_nothing(consumer);
    expect_from(ring, producer, consumer, 0, 12);
    expect_balance(ring.stats());
}

TEST_F(HeldResetTest, CountsWhatIsSkippedAfterwardsAsDiscarded) {
    Ring ring = Ring::create(shuffled());
    Producer producer = ring.producer(), late = ring.producer("late");
    Consumer consumer = ring.consumer();
    auto held = late.claim();
    producer.claim()->skip("bad");
    ring.reset();
    held->skip("bad, too");
    expect_nothing(consumer);
    EXPECT_EQ(ring.stats().lost, 0u);
    EXPECT_EQ(ring.stats().discarded, 2 + kSlots);
    expect_from(ring, producer, consumer, 0, 12);
    expect_balance(ring.stats());
}

TEST_F(HeldResetTest, WakesAProducerThatSleepsInAFullRing) {
    Ring ring = Ring::create(shuffled());
    Producer producer = ring.producer();
    Consumer consumer = ring.consumer();
    write(producer, kSlots);
    std::thread waiting([&] {
        auto record = producer.claim();
        ASSERT_TRUE(record);
        EXPECT_EQ(record->item(), ring.sampler()->item_of(0));
        write(*record);
    });
    EXPECT_TRUE(eventually([&] { return ring.stats().producers.at(0).waited_s > 0; }));
    ring.reset();
    auto record = consumer.get();
    waiting.join();
    ASSERT_TRUE(record);
    EXPECT_EQ(record->item(), ring.sampler()->item_of(0));
    expect_content(*record);
    EXPECT_EQ(ring.stats().alarms, 0u);
}

TEST_F(HeldResetTest, TakesTheConsumerAlongThatSleeps) {
    Ring ring = Ring::create(shuffled());
    Producer producer = ring.producer();
    Consumer consumer = ring.consumer();
    expect_from(ring, producer, consumer, 0, 5);
    std::thread waiting([&] {
        auto record = consumer.get();
        ASSERT_TRUE(record);
        EXPECT_EQ(record->item(), ring.sampler()->item_of(0));
    });
    ring.reset();
    // Only when the consumer has gone along is there a place to claim.
    auto record = producer.claim();
    ASSERT_TRUE(record);
    write(*record);
    waiting.join();
    EXPECT_EQ(ring.stats().alarms, 0u);
}

// ---- records in the hands of the trainer ----

TEST_F(HeldResetTest, LeavesLeasesAsTheyAre) {
    Ring ring = Ring::create(shuffled());
    Producer producer = ring.producer();
    Consumer consumer = ring.consumer({.lease_timeout = milliseconds(60)});
    write(producer, 3);
    auto lease = consumer.take(2);
    ASSERT_TRUE(lease);
    const std::uint64_t item = lease->item(1), epoch = lease->epoch(1);
    ring.reset();
    EXPECT_EQ(consumer.get_for(milliseconds(10)).outcome(), Outcome::timed_out);
    EXPECT_NE(error_of([&] { consumer.get(); }).find("held by a lease"), std::string::npos);
    EXPECT_EQ(lease->item(1), item) << "of the order that it was claimed in";
    EXPECT_EQ(lease->epoch(1), epoch);
    EXPECT_EQ(lease->field<float>(0, 1)[0], static_cast<float>(item));
    std::thread giver([&] { lease->release(); });
    EXPECT_TRUE(eventually([&] {
        return consumer.get_for(milliseconds(5)).outcome() == Outcome::timed_out &&
               ring.stats().discarded == 1 + kSlots;
    }));
    giver.join();
    expect_from(ring, producer, consumer, 0, 12);
    EXPECT_EQ(ring.stats().delivered, 14u);
    expect_balance(ring.stats());
}

TEST_F(HeldResetTest, LetsAConsumerGoOnThatWaitsForALeaseInAnotherThread) {
    Ring ring = Ring::create(shuffled());
    Producer producer = ring.producer();
    Consumer consumer = ring.consumer();
    write(producer, 1);
    auto lease = consumer.get();
    ring.reset();
    std::thread waiting([&] { EXPECT_EQ(consumer.get()->item(), ring.sampler()->item_of(0)); });
    lease->release();
    auto record = producer.claim();
    ASSERT_TRUE(record);
    write(*record);
    waiting.join();
    EXPECT_EQ(ring.stats().alarms, 0u);
}

// ---- while everything runs ----

// Resets by the trainer's thread, between its records, and by others at any moment. After its own
// the trainer meets the new order from the beginning; whatever it gets is in order, and whole.
TEST_F(HeldResetTest, BreaksNothingWhileProducersRun) {
    const std::uint64_t seed = test_seed();
    SCOPED_TRACE(seed_note(seed));
    Ring ring = Ring::create(shuffled(0));
    Consumer consumer = ring.consumer();
    std::atomic<bool> is_over = false;
    std::vector<std::thread> threads;
    struct Join {  // also where an assertion returns
        Join(std::atomic<bool>& over, std::vector<std::thread>& all)
            : is_over(over), threads(all) {}
        std::atomic<bool>& is_over;
        std::vector<std::thread>& threads;
        ~Join() {
            is_over = true;
            for (std::thread& thread : threads) thread.join();
        }
    };
    std::optional<Join> join(std::in_place, is_over, threads);
    for (unsigned number = 0; number < 3; ++number) {
        threads.emplace_back([&, number, producer = ring.producer()]() mutable {
            std::minstd_rand random(static_cast<unsigned>(seed) + number);
            while (!is_over) {
                auto record = producer.claim_for(milliseconds(1));
                if (!record) continue;
                record->field<float>(0)[0] = -1;
                // Not counted from a floor above it.
                EXPECT_LT(record->epoch(), std::uint64_t{1} << 32);
                if (random() % 8 == 0) std::this_thread::yield();
                if (record->attempt() == 0 && random() % 32 == 0) continue;  // dropped
                write(*record);
            }
        });
    }
    threads.emplace_back([&] {
        std::minstd_rand random(static_cast<unsigned>(seed));
        while (!is_over) {
            std::this_thread::sleep_for(std::chrono::microseconds(random() % 2000));
            ring.reset();
        }
    });
    std::minstd_rand random(static_cast<unsigned>(seed) + 10);
    std::uint64_t next = 0, place = 0, others = 0;
    for (int mine = 0; mine < 200 || others < 10;) {
        auto record = consumer.get_for(std::chrono::seconds(20));
        if (record.outcome() == Outcome::end_of_epoch) continue;
        ASSERT_TRUE(record) << name_of(record.outcome());
        ASSERT_GE(record->index(), next);
        if (record->index() != next) place = 0, ++others;  // a reset: the order begins anew
        ASSERT_EQ(record->item(), ring.sampler()->item_of(place));
        ASSERT_EQ(record->epoch(), ring.sampler()->epoch_of(place));
        ASSERT_EQ(record->field<float>(0)[0], static_cast<float>(record->item()));
        next = record->index() + 1;
        ++place;
        record->release();
        if (random() % 20 != 0) continue;
        ring.reset();
        ++mine;
        auto first = consumer.get_for(std::chrono::seconds(20));
        ASSERT_TRUE(first) << name_of(first.outcome());
        ASSERT_GE(first->index(), next + kSlots) << "from before the reset";
        ASSERT_EQ(first->item(), ring.sampler()->item_of(0));
        next = first->index() + 1;
        place = 1;
    }
    join.reset();
    consumer.try_get();  // goes along with the last one
    expect_balance(ring.stats());
}

}  // namespace
}  // namespace headrace
