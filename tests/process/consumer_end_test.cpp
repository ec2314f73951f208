// Consumer processes that share a ring when something ends: the trainer, the data, an epoch, or
// what went before a reset.
#include <gtest/gtest.h>

#include "headrace/error.hpp"
#include "process/consumer_fixture.hpp"
#include "ring/ring_core.hpp"

namespace headrace {
namespace {

using namespace std::chrono_literals;
using Lines = std::vector<std::string>;

TEST_F(ConsumerProcessTest, TellsConsumersThatSleepThatTheTrainerDied) {
    Child trainer({HEADRACE_TEST_ACTOR, "train", "test", directory_, "shared"});
    Child first = take("first"), second = take("second");
    const auto both_wait = [&] {
        try {
            const Stats stats = Observer("test", directory_).snapshot();
            return stats.consumers.size() == 2 && stats.consumers[0].waited_s > 0 &&
                   stats.consumers[1].waited_s > 0;
        } catch (const Error&) {
            return false;  // not there yet
        }
    };
    ASSERT_TRUE(eventually(both_wait));
    trainer.signal(SIGKILL);
    EXPECT_EQ(first.wait(), 3) << "RingAborted";
    EXPECT_EQ(second.wait(), 3) << "RingAborted";
}

TEST_F(ConsumerProcessTest, TellsThoseAtWorkThatTheTrainerDied) {
    Child trainer({HEADRACE_TEST_ACTOR, "train", "test", directory_, "shared"});
    std::vector<Child> children;
    children.push_back(take("slower", {"--sleep-us", "200"}));
    children.push_back(take("faster"));
    children.push_back(start());
    ASSERT_TRUE(eventually([&] {
        return said_of_given_by("slower").size() > 100 && said_of_given_by("faster").size() > 100;
    }));
    trainer.signal(SIGKILL);
    for (Child& child : children) EXPECT_EQ(child.wait(), 3) << "RingAborted";
}

TEST_F(ConsumerProcessTest, GivesOneThatWaitsAtTheEndWhatCameBack) {
    Ring ring = Ring::create(options(8, 8));
    Child producer = start();
    await_ready(ring, 8);
    Child stopping = take("stopping", {"--lease", "3", "--at", "2", "stop"});
    ASSERT_TRUE(eventually([&] { return stopping.is_stopped(); }));
    Child other = take("other");
    ASSERT_TRUE(eventually([&] { return said_of_given_by("other").size() == 5; }));
    await_waiting(ring, 1);
    stopping.signal(SIGKILL);
    EXPECT_EQ(other.wait(), 0);
    EXPECT_EQ(said_of_given_by("other"), (Lines{"3 0", "4 0", "5 0", "6 0", "7 0", "0 1", "1 1",
                                                "2 1", "end of epoch", "end"}));
    expect_books(ring, 8, 0, 1, 3);
}

TEST_F(ConsumerProcessTest, DrainsAStreamToItsEnd) {
    RingOptions stream = options(0, 8);
    stream.producers = 2;
    Ring ring = Ring::create(stream);
    std::vector<Child> children;
    Child dying = take("dying", {"--at", "5", "kill"});
    await_waiting(ring, 1);
    children.push_back(start({"--most", "300"}));
    EXPECT_EQ(dying.wait(), 128 + SIGKILL);
    children.push_back(take("a"));
    children.push_back(take("b"));
    children.push_back(start({"--most", "200"}));
    for (Child& child : children) EXPECT_EQ(child.wait(), 0);
    auto wanted = each_once(500);
    wanted[5] = {0, 1};
    EXPECT_EQ(given(), wanted);
    EXPECT_EQ(ring.stats().phase, Phase::drain);
    EXPECT_FALSE(ring.stats().incomplete);
    expect_books(ring, 500, 0, 1, 1);
}

// Those who leave in order when an epoch is over have nothing of the next one.
TEST_F(ConsumerProcessTest, LosesNothingToThoseWhoLeaveWhenAnEpochIsOver) {
    RingOptions two = options(4, 8);
    two.epochs = 2;
    Ring ring = Ring::create(two);
    Producer producer = ring.producer();
    const auto publish = [&producer] {
        auto record = producer.claim();
        ASSERT_TRUE(record);
        const std::size_t length = pattern::length_of(record->item(), kCapacity);
        pattern::write(record->item(), record->field<float>(0).first(length));
        record->field<std::int32_t>(1)[0] = static_cast<std::int32_t>(record->item());
        record->publish(length, 1);
    };
    // They sleep until the epoch's last record is there, and are stopped meanwhile; it is gone, and
    // the next epoch's first one is there, when they look.
    std::vector<Child> leaving;
    for (const char* const name : {"first", "second", "third"}) {
        leaving.push_back(take(name, {"--epochs", "1"}));
    }
    await_waiting(ring, 3);
    for (const Child& child : leaving) {
        child.signal(SIGSTOP);
        ASSERT_TRUE(eventually([&] { return child.is_stopped(); }));
    }
    Consumer consumer = ring.consumer();
    for (std::uint64_t index = 0; index < 4; ++index) {
        publish();
        ASSERT_EQ(consumer.get()->index(), index);
    }
    for (Child& child : leaving) {
        publish();
        child.signal(SIGCONT);
        EXPECT_EQ(child.wait(), 0);
    }
    publish();
    for (const std::string name : {"first", "second", "third"}) {
        EXPECT_EQ(said_of_given_by(name), Lines{"end of epoch"});
    }
    ASSERT_TRUE(eventually([&] { return waiting_consumers(ring) == 0; }));
    EXPECT_EQ(consumer.get().outcome(), Outcome::end_of_epoch);
    for (std::uint64_t index = 4; index < 8; ++index) {
        const auto record = consumer.get();
        ASSERT_TRUE(record);
        EXPECT_EQ(record->index(), index);
        EXPECT_EQ(record->deaths(), 0u) << "nobody had it before";
    }
    EXPECT_EQ(ring.stats().lost, 0u);
    EXPECT_EQ(ring.stats().redelivered, 0u);
}

// The slot of the next lap's first record is held, so whoever is to pass over that waits.
TEST_F(ConsumerProcessTest, WakesThoseWhoPassOverRecordsWhenAnotherGivesBack) {
    Ring ring = Ring::create(options(100, 4));
    const ring::Control& control = ring.shared_core()->protocol().control();
    Child producer = start();
    await_ready(ring, 4);
    Child holding = take("holding", {"--at", "0", "wait", "--most", "1", "--stay"});
    ASSERT_TRUE(eventually([&] { return was_given("holding", "0 0"); }));
    ring.reset();
    Child sleeping = take("sleeping");
    ASSERT_TRUE(eventually([&] {
        return ring.stats().discarded == 3 && control.consumers_asleep.load() != 0;
    })) << "1, 2 and 3 are behind it";
    // It does not see for itself, and nobody else rings.
    sleeping.signal(SIGSTOP);
    ASSERT_TRUE(eventually([&] { return sleeping.is_stopped(); }));
    const std::uint32_t bell = control.ready_bell.load();
    std::ofstream(directory_ + "/go");
    EXPECT_TRUE(eventually([&] { return control.ready_bell.load() != bell; }))
        << "delivered " << ring.stats().delivered;
    sleeping.signal(SIGCONT);
    EXPECT_EQ(sleeping.wait(), 0);
    EXPECT_EQ(producer.wait(), 0);
    std::ofstream(directory_ + "/leave");
    EXPECT_EQ(holding.wait(), 0);
    const Lines lines = said_of_given_by("sleeping");
    EXPECT_EQ(lines.front(), "8 0") << "a lap above all that was claimed";
    EXPECT_EQ(lines.size(), 100u + 2u);
    const Stats stats = at_rest(ring);
    EXPECT_EQ(stats.delivered, 101u);
    EXPECT_EQ(stats.discarded, 7u);
    EXPECT_EQ(stats.in_ring, 0u);
}

TEST_F(ConsumerProcessTest, PassesOverWhatADeadOneHeldAtAReset) {
    Ring ring = Ring::create(options(100, 8));
    Child producer = start();
    await_ready(ring, 8);
    Child dying = take("dying", {"--lease", "3", "--at", "1", "stop"});
    ASSERT_TRUE(eventually([&] { return dying.is_stopped(); }));
    Child other = take("other");
    ASSERT_TRUE(eventually([&] { return said_of_given_by("other").size() == 5; }));
    await_waiting(ring, 1);
    ring.reset();
    dying.signal(SIGKILL);
    EXPECT_EQ(other.wait(), 0);
    EXPECT_EQ(producer.wait(), 0);
    for (const std::uint64_t index : {0u, 1u, 2u}) EXPECT_EQ(given()[index], Deaths{0});
    EXPECT_EQ(said_of_given_by("other").size(), 5u + 100u + 2u);
    const Stats stats = at_rest(ring);
    EXPECT_EQ(stats.delivered, 105u);
    EXPECT_EQ(stats.discarded, 3u + 8u);
    EXPECT_EQ(stats.lost, 0u);
    EXPECT_EQ(stats.alarms, 0u) << "no wake-up was lost";
}

}  // namespace
}  // namespace headrace
