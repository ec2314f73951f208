// Real producer processes that die, stop and go at the worst moments.
#include <gtest/gtest.h>

#include <fstream>
#include <map>

#include "headrace/error.hpp"
#include "headrace/loader.hpp"
#include "process/child.hpp"
#include "process/pattern.hpp"
#include "process/process_fixture.hpp"
#include "ring/rendezvous.hpp"

namespace headrace {
namespace {

using std::chrono::milliseconds;

// What a run of a loader delivers, byte by byte.
struct Delivered {
    std::vector<std::uint64_t> indices, items;
    std::vector<std::size_t> sizes;
    std::vector<float> values;
    bool operator==(const Delivered&) const = default;
};

class OrderTest : public ProcessTest {
  protected:
    Delivered run(const std::vector<std::vector<std::string>>& parts) {
        RingOptions shuffled = options(500, 32);
        shuffled.epochs = 2;
        shuffled.shuffle_seed = 11;
        Ring ring = Ring::create(shuffled);
        std::vector<Child> children;
        for (const auto& part : parts) children.push_back(start(part));
        // The slots are few: nobody gets far before all are here and have their part in it.
        EXPECT_TRUE(eventually([&] { return ring.stats().producers.size() == parts.size(); }));
        Loader loader(ring, {.batch = 12, .device = Device::host()});
        Delivered delivered;
        while (!loader.done()) {
            for (const Batch& batch : loader.epoch()) {
                delivered.sizes.push_back(batch.size());
                delivered.indices.insert(delivered.indices.end(), batch.indices().begin(),
                                         batch.indices().end());
                delivered.items.insert(delivered.items.end(), batch.items().begin(),
                                       batch.items().end());
                const float* values = batch.values<float>("floats");
                delivered.values.insert(delivered.values.end(), values,
                                        values + batch.total("floats"));
            }
        }
        EXPECT_EQ(ring.stats().lost, 0u);
        expect_balance(ring.stats());
        return delivered;
    }
};

TEST_F(OrderTest, IsTheSameForAnyNumberOfProducersAndWithDeaths) {
    const Delivered one = run({{}});
    EXPECT_EQ(one.items.size(), 1000u);
    EXPECT_EQ(one.sizes.size(), 84u) << "42 batches an epoch, the last one of 8";
    EXPECT_EQ(run({{}, {}}), one);
    EXPECT_EQ(run({{}, {}, {}, {}, {}}), one);
    // Whichever of the two comes by these indices first dies of it. On a busy machine the others
    // may have done all the work before it is there: then once more.
    std::vector<std::string> mortal;
    for (int index = 200; index < 800; ++index) {
        mortal.insert(mortal.end(), {"--at", std::to_string(index), "kill"});
    }
    const auto has_died = [this] {
        return said(" died; 1 of its records go to another, 0 are lost");
    };
    for (int attempt = 0; attempt < 20 && !has_died(); ++attempt) {
        EXPECT_EQ(run({{}, mortal, {}, mortal, {}}), one);
    }
    EXPECT_TRUE(has_died()) << messages();
}

TEST_F(ProcessTest, HandsTheRecordOfOneKilledWhileWritingToAnother) {
    Ring ring = Ring::create(options(100));
    Child dying = start({"--at", "9", "kill"});
    EXPECT_EQ(dying.wait(), 128 + SIGKILL);
    Child other = start();
    Consumer consumer = ring.consumer();
    EXPECT_EQ(drain(consumer), all_items(ring, 100));
    EXPECT_EQ(other.wait(), 0);
    const Stats stats = ring.stats();
    EXPECT_EQ(stats.deaths, 1u);
    EXPECT_EQ(stats.returned, 1u);
    EXPECT_EQ(stats.lost, 0u);
    expect_balance(stats);
}

TEST_F(ProcessTest, WakesTheOthersWhenTheLastIndexComesBack) {
    Ring ring = Ring::create(options(10));
    // It stops while it holds the last index; the other one has nothing left to do but wait for it.
    Child dying = start({"--at", "9", "stop", "--sleep-us", "1000"});
    Consumer consumer = ring.consumer();
    for (int i = 0; i < 9; ++i) ASSERT_TRUE(consumer.get());
    ASSERT_TRUE(eventually([&] { return dying.is_stopped(); }));
    Child other = start();
    ASSERT_TRUE(eventually([&] {
        const Stats stats = ring.stats();
        return stats.producers.size() == 2 && stats.producers[1].waited_s > 0;
    }));
    dying.signal(SIGKILL);
    EXPECT_EQ(consumer.get()->index(), 9u);
    EXPECT_EQ(other.wait(), 0) << "and then its claim says that this was the end";
    EXPECT_EQ(consumer.get().outcome(), Outcome::end_of_epoch);
}

TEST_F(ProcessTest, NeverTakesTheSlotOfOneThatIsStopped) {
    RingOptions watched = options(50);
    watched.stall = {.report_after = milliseconds(30), .action = StallPolicy::Action::wait};
    Ring ring = Ring::create(watched);
    Child stopping = start({"--at", "7", "stop"});
    ASSERT_TRUE(eventually([&] { return stopping.is_stopped(); }));
    Child other = start();
    Consumer consumer = ring.consumer({.stall_timeout = milliseconds(100)});
    for (int i = 0; i < 7; ++i) ASSERT_TRUE(consumer.get());
    EXPECT_EQ(consumer.get().outcome(), Outcome::timed_out);
    const std::string report =
        "(actor, pid " + std::to_string(stopping.pid()) + ") holds record 7 (slot 7)";
    EXPECT_TRUE(eventually([&] { return said(report); })) << messages();
    stopping.signal(SIGCONT);
    EXPECT_EQ(drain(consumer).size(), 43u);
    EXPECT_EQ(stopping.wait(), 0);
    EXPECT_EQ(ring.stats().returned, 0u);
}

TEST_F(ProcessTest, KillsOneThatStallsWhereThatIsThePolicy) {
    RingOptions strict = options(50);
    strict.stall = {.report_after = milliseconds(30), .action = StallPolicy::Action::kill};
    Ring ring = Ring::create(strict);
    Child stopping = start({"--at", "7", "stop"});
    EXPECT_EQ(stopping.wait(), 128 + SIGKILL);
    EXPECT_TRUE(said("; killed, its record is handed on")) << messages();
    Child other = start();
    Consumer consumer = ring.consumer();
    EXPECT_EQ(drain(consumer), all_items(ring, 50));
    EXPECT_EQ(ring.stats().deaths, 1u);
}

TEST_F(ProcessTest, WaitsForARingThatIsNotThereYet) {
    Child early = start();
    std::this_thread::sleep_for(milliseconds(50));  // likely to be waiting by now; right either way
    Ring ring = Ring::create(options(30));
    Consumer consumer = ring.consumer();
    EXPECT_EQ(drain(consumer), all_items(ring, 30));
    EXPECT_EQ(early.wait(), 0);
}

TEST_F(ProcessTest, TellsProducersThatTheTrainerDied) {
    Child trainer({HEADRACE_TEST_ACTOR, "train", "test", directory_});
    Child producer = start();
    const std::string socket = directory_ + "/test.sock";
    ASSERT_TRUE(eventually([&] {
        try {
            const Stats stats = Observer("test", directory_).snapshot();
            return stats.producers.size() == 1 && stats.producers[0].waited_s > 0;
        } catch (const Error&) {
            return false;  // not there yet
        }
    }));
    Observer observer("test", directory_);
    trainer.signal(SIGKILL);
    EXPECT_EQ(producer.wait(), 3) << "RingAborted";
    EXPECT_EQ(observer.snapshot().phase, Phase::aborted);
    EXPECT_EQ(trainer.wait(), 128 + SIGKILL);
    // All that is left is the socket's file, and the next start replaces it.
    EXPECT_TRUE(std::filesystem::exists(socket));
    { Ring next = Ring::create(options(10)); }
    EXPECT_TRUE(std::filesystem::is_empty(directory_));
}

TEST_F(ProcessTest, ReportsLostContactAndReclaimsOnlyAfterDeath) {
    Ring ring = Ring::create(options(20));
    Child changing = start({"--at", "3", "exec"});
    ASSERT_TRUE(eventually([&] { return said("contact lost"); })) << messages();
    EXPECT_EQ(ring.stats().producers.at(0).state, ProducerState::contact_lost);
    Child other = start();
    Consumer consumer = ring.consumer();
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(consumer.get());
    EXPECT_EQ(consumer.get_for(milliseconds(50)).outcome(), Outcome::timed_out);
    changing.signal(SIGKILL);
    EXPECT_EQ(drain(consumer).size(), 17u);
}

TEST_F(ProcessTest, LetsNoForkedChildFinishItsParentsProducer) {
    Ring ring = Ring::create(options(20));
    Child forking = start({"--at", "3", "fork"});
    Consumer consumer = ring.consumer();
    EXPECT_EQ(drain(consumer), all_items(ring, 20));
    EXPECT_EQ(forking.wait(), 0);
    EXPECT_EQ(ring.stats().returned, 0u);
    EXPECT_EQ(messages(), "");
}

TEST_F(ProcessTest, LeavesAHoleOfADeathInAStreamAndEndsIncomplete) {
    RingOptions stream = options(0);
    stream.linger = milliseconds(50);
    Ring ring = Ring::create(stream);
    Child dying = start({"--at", "5", "kill"});
    Consumer consumer = ring.consumer();
    for (int i = 0; i < 5; ++i) ASSERT_TRUE(consumer.get());
    EXPECT_THROW(consumer.get(), IncompleteError);
    EXPECT_EQ(ring.stats().died, 1u);
    EXPECT_TRUE(said("record 5 (item 5) is a hole: died")) << messages();
    expect_balance(ring.stats());
}

TEST_F(ProcessTest, EndsAStreamInOrderWhenTheDeadWasReplaced) {
    RingOptions stream = options(0);
    Ring ring = Ring::create(stream);
    Consumer consumer = ring.consumer();
    Child dying = start({"--at", "5", "kill"});
    EXPECT_EQ(dying.wait(), 128 + SIGKILL);
    Child next = start({"--most", "5"});
    EXPECT_EQ(drain(consumer).size(), 10u);
    EXPECT_FALSE(ring.stats().incomplete);
}

TEST_F(ProcessTest, MakesAHoleOfAnIndexThatKillsWhoeverTakesIt) {
    RingOptions short_linger = options(4);
    Ring ring = Ring::create(short_linger);
    Consumer consumer = ring.consumer();
    for (int death = 0; death < 3; ++death) {
        // Holding index 0 in whatever attempt: stopped by us, since the actor spares a second try.
        Child victim = start({"--sleep-us", "60000000"});
        ASSERT_TRUE(eventually([&] { return ring.stats().writing == 1; }));
        victim.signal(SIGKILL);
        victim.wait();
        ASSERT_TRUE(eventually([&] { return ring.stats().writing == 0; }));
    }
    Child other = start();
    auto record = consumer.get();
    EXPECT_EQ(record->index(), 1u);
    EXPECT_TRUE(said("record 0 (item 0) is a hole: died")) << messages();
}

TEST_F(ProcessTest, ContinuesFromTheStateOfAKilledRun) {
    RingOptions shuffled = options(90);
    shuffled.epochs = 2;
    shuffled.shuffle_seed = 3;
    std::vector<std::uint64_t> items;
    std::string saved;
    {
        Ring ring = Ring::create(shuffled);
        Child first = start();
        Loader loader(ring, {.batch = 8, .device = Device::host()});
        for (int i = 0; i < 5; ++i) {
            auto batch = loader.next();
            items.insert(items.end(), batch->items().begin(), batch->items().end());
        }
        saved = loader.state().to_json();
    }
    shuffled.resume = State::from_json(saved);
    EXPECT_EQ(shuffled.resume->index, 40u);
    Ring ring = Ring::create(shuffled);
    Child second = start(), third = start();
    Loader loader(ring, {.batch = 8, .device = Device::host()});
    while (!loader.done()) {
        for (const Batch& batch : loader.epoch()) {
            items.insert(items.end(), batch.items().begin(), batch.items().end());
        }
    }
    EXPECT_EQ(items, all_items(ring, 180));
}

// Producers compute their items by themselves, from what the memory says of the run.
TEST_F(ProcessTest, ContinuesAsOneOfMoreRanks) {
    RingOptions shuffled = options(90);
    shuffled.epochs = 2;
    shuffled.shuffle_seed = 3;
    {
        Ring ring = Ring::create(shuffled);
        Child first = start();
        Loader loader(ring, {.batch = 8, .device = Device::host()});
        for (int i = 0; i < 5; ++i) loader.next();
        shuffled.resume = loader.state();
    }
    const Sampler alone({.epoch_records = 90, .shuffle_seed = 3});
    std::vector<std::uint64_t> wanted;
    for (std::uint64_t place = 40; place < 180; place += 2) {
        wanted.push_back(alone.item_of(place + 1));
    }
    shuffled.rank = 1;
    shuffled.world_size = 2;
    Ring ring = Ring::create(shuffled);
    Child second = start(), third = start();
    Consumer consumer = ring.consumer();
    EXPECT_EQ(drain(consumer), wanted);
}

TEST_F(ProcessTest, RefusesAProducerOfAnotherLayoutVersion) {
    Ring ring = Ring::create(options(5));
    int error = 0;
    const ring::UniqueFd socket = ring::connect_to(ring.socket_path(), error);
    ASSERT_TRUE(socket);
    ring::Hello hello = proper_hello();
    hello.layout_version = ring::kLayoutVersion + 1;
    const std::string refusal = refusal_of(socket.get(), hello);
    const std::string wanted = "layout version " + std::to_string(ring::kLayoutVersion + 1) +
                               ", this trainer has " + std::to_string(ring::kLayoutVersion);
    EXPECT_NE(refusal.find(wanted), std::string::npos) << refusal;
}

TEST_F(ProcessTest, RefusesAMessageOfAnotherRelease) {
    Ring ring = Ring::create(options(5));
    int error = 0;
    const ring::UniqueFd socket = ring::connect_to(ring.socket_path(), error);
    ASSERT_TRUE(socket);
    ring::Hello hello = proper_hello();
    hello.version = ring::kWireVersion - 1;
    const std::string refusal = refusal_of(socket.get(), hello);
    EXPECT_TRUE(refusal.ends_with("build trainer and producer from the same release")) << refusal;
}

TEST_F(ProcessTest, RefusesNonsenseOnTheSocketAndGoesOn) {
    Ring ring = Ring::create(options(20));
    std::vector<ring::UniqueFd> strangers;
    for (int i = 0; i < 100; ++i) {
        int error = 0;
        strangers.push_back(ring::connect_to(ring.socket_path(), error));
        const std::string noise(static_cast<std::size_t>(1 + i * 3), 'x');
        if (i % 2 == 0) {
            ring::send_message(strangers.back().get(), std::as_bytes(std::span(noise)));
        }
    }
    Child producer = start();
    Consumer consumer = ring.consumer();
    EXPECT_EQ(drain(consumer).size(), 20u);
}

TEST_F(ProcessTest, SaysWhereItLookedForARingThatIsNotThere) {
    try {
        Producer::attach("nobody", {.timeout = milliseconds(20), .directory = directory_});
        FAIL() << "attached";
    } catch (const TimeoutError& error) {
        EXPECT_NE(std::string(error.what()).find(directory_ + "/nobody.sock"), std::string::npos);
    }
}

}  // namespace
}  // namespace headrace
