// Ring::reset() while producers in processes of their own run, stand still, and die.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <optional>
#include <random>

#include "gtest/seed.hpp"
#include "process/child.hpp"
#include "process/pattern.hpp"
#include "process/process_fixture.hpp"

namespace headrace {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class ResetProcessTest : public ProcessTest {
  protected:
    RingOptions shuffled(std::uint64_t records, std::uint64_t epochs = 1) {
        RingOptions result = options(records);
        result.epochs = epochs;
        result.shuffle_seed = 11;
        return result;
    }
};

TEST_F(ResetProcessTest, TakesProducersAlong) {
    Ring ring = Ring::create(shuffled(60));
    Child children[] = {start({"--sleep-us", "100"}), start({"--sleep-us", "100"}), start()};
    Consumer consumer = ring.consumer();
    for (int turn = 0; turn < 5; ++turn) {
        for (int i = 0; i < 10; ++i) ASSERT_TRUE(consumer.get());
        ring.reset();
    }
    EXPECT_EQ(drain(consumer), all_items(ring, 60));
    for (Child& child : children) EXPECT_EQ(child.wait(), 0);
    const Stats stats = ring.stats();
    EXPECT_EQ(stats.delivered, 110u);
    EXPECT_EQ(stats.lost, 0u);
    EXPECT_EQ(stats.alarms, 0u) << "no wake-up was lost";
    expect_balance(stats);
}

TEST_F(ResetProcessTest, WaitsForOneThatIsStopped) {
    Ring ring = Ring::create(shuffled(40));
    Child stopping = start({"--at", "7", "stop"});
    Consumer consumer = ring.consumer();
    for (int i = 0; i < 7; ++i) ASSERT_TRUE(consumer.get());
    ASSERT_TRUE(eventually([&] { return stopping.is_stopped(); }));
    Child other = start();
    ring.reset();
    EXPECT_EQ(consumer.get_for(milliseconds(50)).outcome(), Outcome::timed_out);
    EXPECT_EQ(ring.stats().writing, 1u) << "the slot stays its own";
    stopping.signal(SIGCONT);
    EXPECT_EQ(drain(consumer), all_items(ring, 40));
    EXPECT_EQ(stopping.wait(), 0);
    EXPECT_EQ(other.wait(), 0);
    EXPECT_EQ(ring.stats().lost, 0u);
    expect_balance(ring.stats());
}

TEST_F(ResetProcessTest, GoesOnWhenOneIsDeadThatHeldARecord) {
    Ring ring = Ring::create(shuffled(40));
    Child stopping = start({"--at", "7", "stop"});
    Consumer consumer = ring.consumer();
    for (int i = 0; i < 7; ++i) ASSERT_TRUE(consumer.get());
    ASSERT_TRUE(eventually([&] { return stopping.is_stopped(); }));
    Child other = start();
    ring.reset();
    EXPECT_EQ(consumer.get_for(milliseconds(50)).outcome(), Outcome::timed_out);
    stopping.signal(SIGKILL);
    EXPECT_EQ(drain(consumer), all_items(ring, 40));
    EXPECT_EQ(other.wait(), 0);
    const Stats stats = ring.stats();
    EXPECT_EQ(stats.deaths, 1u);
    EXPECT_EQ(stats.lost, 0u) << "it was discarded";
    EXPECT_EQ(stats.alarms, 0u);
    expect_balance(stats);
}

// In a stream a death makes a hole, below the floor of a reset as anywhere.
TEST_F(ResetProcessTest, PassesOverTheHoleOfOneThatDiedInAStream) {
    Ring ring = Ring::create(options(0));
    Child stopping = start({"--at", "3", "stop"});
    ASSERT_TRUE(eventually([&] { return stopping.is_stopped(); }));
    ring.reset();
    Consumer consumer = ring.consumer();
    EXPECT_EQ(consumer.get_for(milliseconds(20)).outcome(), Outcome::timed_out);
    stopping.signal(SIGKILL);
    ASSERT_TRUE(eventually([&] { return ring.stats().deaths == 1; }));
    Child other = start({"--most", "20"});
    EXPECT_EQ(drain(consumer).size(), 20u);
    EXPECT_EQ(other.wait(), 0);
    EXPECT_EQ(ring.stats().lost, 0u);
    expect_balance(ring.stats());
}

// Whoever is stopped, killed or started in between: after a reset the order begins anew, and every
// byte is its record's own.
TEST_F(ResetProcessTest, BreaksNothingWhileProducersStopAndDie) {
    const std::uint64_t seed = test_seed();
    SCOPED_TRACE(seed_note(seed));
    std::minstd_rand random(static_cast<unsigned>(seed));
    Ring ring = Ring::create(shuffled(25, 0));
    Consumer consumer = ring.consumer();
    std::array<std::optional<Child>, 3> children;
    for (auto& child : children) child.emplace(start({"--sleep-us", "30"}));
    std::uint64_t next = 0, place = 0;
    const auto take = [&](std::uint64_t records) {
        for (; records > 0; --records) {
            auto record = consumer.get_for(seconds(20));
            if (record.outcome() == Outcome::end_of_epoch) record = consumer.get_for(seconds(20));
            ASSERT_TRUE(record) << name_of(record.outcome());
            ASSERT_GE(record->index(), next);
            if (place != 0) {
                ASSERT_EQ(record->index(), next) << "nothing is left out";
            }
            ASSERT_EQ(record->item(), ring.sampler()->item_of(place));
            ASSERT_TRUE(pattern::matches(record->item(), record->field<float>(0), kCapacity));
            next = record->index() + 1;
            ++place;
        }
    };
    for (int turn = 0; turn < 60; ++turn) {
        SCOPED_TRACE("turn " + std::to_string(turn));
        take(random() % 40);
        if (HasFatalFailure()) return;
        std::optional<Child>& one = children[random() % children.size()];
        const bool dies = random() % 3 == 0, is_stopped = !dies || random() % 2 == 0;
        if (is_stopped) one->signal(SIGSTOP);
        ring.reset();
        if (place != 0) next += ring.slots();  // else nobody may have claimed anything in between
        place = 0;
        if (random() % 2 == 0) {  // the consumer comes as far as the one that stands still
            if (auto record = consumer.try_get()) {
                ASSERT_EQ(record->item(), ring.sampler()->item_of(place++));
                ASSERT_GE(record->index(), next);
                next = record->index() + 1;
            }
        }
        if (dies) {
            one->signal(SIGKILL);
            ASSERT_EQ(one->wait(), 128 + SIGKILL);
            one.emplace(start({"--sleep-us", "30"}));
        } else {
            one->signal(SIGCONT);
        }
    }
    take(60);
    ASSERT_TRUE(eventually([&] {
        const Stats stats = ring.stats();
        return std::ranges::count(stats.producers, ProducerState::attached,
                                  &ProducerStats::state) == 3;
    })) << "all that were started are there";
    ring.close();
    for (auto& child : children) EXPECT_EQ(child->wait(), 0);
    EXPECT_GE(ring.stats().deaths, 1u);
    EXPECT_EQ(ring.stats().lost, 0u);
    expect_balance(ring.stats());
}

}  // namespace
}  // namespace headrace
