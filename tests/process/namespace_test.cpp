// Signs of life and death across pid namespaces: producers, and trainers, each in namespaces of its
// own, as in containers that share the socket's folder and nothing else. Each says that its pid is
// 1.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <memory>
#include <sstream>

#include "headrace/error.hpp"
#include "process/container.hpp"
#include "process/process_fixture.hpp"
#include "ring/rendezvous.hpp"

namespace headrace {
namespace {

using std::chrono::milliseconds;

class NamespaceTest : public ProcessTest {
  protected:
    void SetUp() override {
        const std::string reason = why_no_containers();
        if (!reason.empty()) GTEST_SKIP() << reason;
    }
    Child start_in(const std::string& host, std::vector<std::string> part = {}) {
        part.insert(part.begin(), {HEADRACE_TEST_ACTOR, "produce", "test", directory_});
        return start_container(std::move(part), {.host = host});
    }
    // A trainer that checks all that it is given; see actor.cpp.
    Child start_trainer(std::vector<std::string> part) {
        part.insert(part.begin(), {HEADRACE_TEST_ACTOR, "consume", "test", directory_});
        return start_container(std::move(part), {.host = "trainer"});
    }
    // Of that trainer's ring, when it is there.
    std::unique_ptr<Observer> observe() {
        std::unique_ptr<Observer> observer;
        EXPECT_TRUE(eventually([&] {
            try {
                observer = std::make_unique<Observer>("test", directory_);
            } catch (const Error&) {
                return false;  // not there yet
            }
            return true;
        }));
        return observer;
    }
    std::string trainers_messages() const {
        std::ostringstream text;
        text << std::ifstream(directory_ + "/messages").rdbuf();
        return text.str();
    }
    // Whether the only producer has published all records before this one, and is writing it.
    static bool holds(std::uint64_t index, const Stats& stats) {
        return stats.ready == index && stats.writing == 1;
    }
    // For an actor that is told to wait.
    void let_go() { std::ofstream(directory_ + "/go"); }

    // The two producers have made all records between them, and nothing went wrong.
    static void expect_two_at_work(const Stats& stats, std::uint64_t first, std::uint64_t second) {
        ASSERT_EQ(stats.producers.size(), 2u);
        std::vector<std::string> identities;
        std::vector<std::uint64_t> published;
        for (const ProducerStats& producer : stats.producers) {
            EXPECT_EQ(producer.pid, 1);
            EXPECT_EQ(producer.state, ProducerState::finished);
            identities.push_back(producer.identity);
            published.push_back(producer.published);
        }
        std::ranges::sort(identities);
        std::ranges::sort(published);
        EXPECT_EQ(identities, (std::vector<std::string>{"actor@alpha", "actor@beta"}));
        EXPECT_EQ(published, (std::vector{first, second}));
        EXPECT_EQ(stats.delivered, first + second);
        EXPECT_EQ(stats.deaths, 0u);
        EXPECT_EQ(stats.returned, 0u);
        EXPECT_EQ(stats.alarms, 0u) << "no wake-up was lost";
        expect_balance(stats);
    }
};

TEST_F(NamespaceTest, DeliversTheRecordsOfSiblingsInOrder) {
    RingOptions shuffled = options(500);
    shuffled.shuffle_seed = 5;
    Ring ring = Ring::create(shuffled);
    // Neither can do the other's work as well.
    Child alpha = start_in("alpha", {"--most", "200"});
    Child beta = start_in("beta", {"--most", "300"});
    ASSERT_TRUE(eventually([&] { return ring.stats().producers.size() == 2; }));
    Consumer consumer = ring.consumer();
    EXPECT_EQ(drain(consumer), all_items(ring, 500));
    EXPECT_EQ(alpha.wait(), 0);
    EXPECT_EQ(beta.wait(), 0);
    ASSERT_TRUE(eventually([&] {
        return std::ranges::all_of(ring.stats().producers, [](const ProducerStats& producer) {
            return producer.state == ProducerState::finished;
        });
    }));
    expect_two_at_work(ring.stats(), 200, 300);
    EXPECT_EQ(messages(), "");
}

TEST_F(NamespaceTest, DeliversToATrainerThatSeesNoneOfThem) {
    Child trainer = start_trainer({"500", "2"});
    const auto observer = observe();
    ASSERT_NE(observer, nullptr);
    Child alpha = start_in("alpha", {"--most", "200"});
    Child beta = start_in("beta", {"--most", "300"});
    EXPECT_EQ(alpha.wait(), 0);
    EXPECT_EQ(beta.wait(), 0);
    EXPECT_EQ(trainer.wait(), 0) << "all in order, every byte checked";
    expect_two_at_work(observer->snapshot(), 200, 300);
    EXPECT_EQ(trainers_messages(), "");
}

TEST_F(NamespaceTest, HandsTheRecordOfOneKilledFromOutsideToAnother) {
    Ring ring = Ring::create(options(100));
    Child dying = start_in("alpha", {"--at", "9", "wait"});
    ASSERT_TRUE(eventually([&] { return holds(9, ring.stats()); }));
    dying.signal(SIGKILL);
    EXPECT_EQ(dying.wait(), 128 + SIGKILL);
    ASSERT_TRUE(eventually([&] { return ring.stats().deaths == 1; }));
    Child other = start_in("beta");
    Consumer consumer = ring.consumer();
    EXPECT_EQ(drain(consumer), all_items(ring, 100));
    EXPECT_EQ(other.wait(), 0);
    EXPECT_TRUE(said("(actor@alpha, pid 1) died; 1 of its records go to another, 0 are lost"))
        << messages();
    const Stats stats = ring.stats();
    ASSERT_EQ(stats.producers.size(), 2u);
    EXPECT_EQ(stats.producers[0].identity, "actor@alpha");
    EXPECT_EQ(stats.producers[0].state, ProducerState::died);
    EXPECT_EQ(stats.producers[1].identity, "actor@beta");
    EXPECT_EQ(stats.deaths, 1u);
    EXPECT_EQ(stats.returned, 1u);
    EXPECT_EQ(stats.lost, 0u);
    expect_balance(stats);
}

// Of the three, none sees another.
TEST_F(NamespaceTest, ProvesTheDeathOfOneThatItsTrainerDoesNotSee) {
    Child trainer = start_trainer({"100", "2"});
    const auto observer = observe();
    ASSERT_NE(observer, nullptr);
    Child dying = start_in("alpha", {"--at", "9", "wait"});
    ASSERT_TRUE(eventually([&] { return holds(9, observer->snapshot()); }));
    dying.signal(SIGKILL);
    EXPECT_EQ(dying.wait(), 128 + SIGKILL);
    Child other = start_in("beta");
    EXPECT_EQ(trainer.wait(), 0) << "all in order, every byte checked";
    EXPECT_EQ(other.wait(), 0);
    EXPECT_NE(trainers_messages().find("(actor@alpha, pid 1) died; 1 of its records go to another"),
              std::string::npos)
        << trainers_messages();
    EXPECT_EQ(observer->snapshot().deaths, 1u);
    EXPECT_EQ(observer->snapshot().lost, 0u);
}

TEST_F(NamespaceTest, MakesAHoleThatNamesTheDeadWhereNobodyCanWriteItsRecord) {
    RingOptions stream = options(0);
    stream.linger = milliseconds(50);
    Ring ring = Ring::create(stream);
    Child dying = start_in("alpha", {"--at", "5", "wait"});
    ASSERT_TRUE(eventually([&] { return holds(5, ring.stats()); }));
    dying.signal(SIGKILL);
    Consumer consumer = ring.consumer();
    for (int i = 0; i < 5; ++i) ASSERT_TRUE(consumer.get());
    EXPECT_THROW(consumer.get(), IncompleteError);
    EXPECT_EQ(ring.stats().died, 1u);
    EXPECT_TRUE(said("record 5 (item 5) is a hole: died")) << messages();
    EXPECT_TRUE(said("producer 1 (actor@alpha) died writing it")) << messages();
}

TEST_F(NamespaceTest, TellsProducersThatATrainerDiedWhomTheyDoNotSee) {
    Child trainer = start_trainer({"1000", "3"});  // waits for a third, and takes nothing
    const auto observer = observe();
    ASSERT_NE(observer, nullptr);
    Child alpha = start_in("alpha");
    Child beside = start();
    ASSERT_TRUE(eventually([&] {
        const Stats stats = observer->snapshot();
        return stats.producers.size() == 2 && stats.producers[0].waited_s > 0 &&
               stats.producers[1].waited_s > 0;
    }));
    trainer.signal(SIGKILL);
    EXPECT_EQ(alpha.wait(), 3) << "RingAborted";
    EXPECT_EQ(beside.wait(), 3) << "RingAborted";
    EXPECT_EQ(trainer.wait(), 128 + SIGKILL);
    EXPECT_EQ(observer->snapshot().phase, Phase::aborted);
}

TEST_F(NamespaceTest, NamesATrainerOfAnotherNamespaceThatDied) {
    Child trainer = start_trainer({"1000", "2"});
    Producer producer = Producer::attach("test", {.directory = directory_});
    trainer.signal(SIGKILL);
    EXPECT_EQ(trainer.wait(), 128 + SIGKILL);
    const std::string found = error_of([&] {
        while (auto record = producer.claim()) record->publish(0, 0);
    });
    EXPECT_EQ(found, "ring \"test\": the trainer (pid 1 of another pid namespace) died");
}

TEST_F(NamespaceTest, NeverTakesTheSlotOfOneThatIsStopped) {
    RingOptions watched = options(50);
    watched.stall = {.report_after = milliseconds(30), .action = StallPolicy::Action::wait};
    Ring ring = Ring::create(watched);
    Child stopping = start_in("alpha", {"--at", "7", "wait"});
    ASSERT_TRUE(eventually([&] { return holds(7, ring.stats()); }));
    stopping.signal(SIGSTOP);
    ASSERT_TRUE(eventually([&] { return stopping.is_stopped(); }));
    Child other = start_in("beta");
    Consumer consumer = ring.consumer({.stall_timeout = milliseconds(100)});
    for (int i = 0; i < 7; ++i) ASSERT_TRUE(consumer.get());
    EXPECT_EQ(consumer.get().outcome(), Outcome::timed_out);
    EXPECT_TRUE(eventually([&] {
        return said("(actor@alpha, pid 1) holds record 7 (slot 7) for ");
    })) << messages();
    let_go();
    stopping.signal(SIGCONT);
    EXPECT_EQ(drain(consumer).size(), 43u);
    EXPECT_EQ(stopping.wait(), 0);
    EXPECT_EQ(other.wait(), 0);
    EXPECT_EQ(ring.stats().returned, 0u);
    EXPECT_EQ(ring.stats().deaths, 0u);
}

TEST_F(NamespaceTest, SaysThatASiblingThatStallsCannotBeKilledAndWaits) {
    Child trainer = start_trainer({"50", "1", "30"});
    const auto observer = observe();
    ASSERT_NE(observer, nullptr);
    Child stalling = start_in("alpha", {"--at", "7", "wait"});
    const std::string report =
        "; cannot be killed from here: it runs in another pid namespace, kill it by its name or "
        "container; waiting";
    EXPECT_TRUE(eventually([&] { return trainers_messages().find(report) != std::string::npos; }))
        << trainers_messages();
    EXPECT_NE(trainers_messages().find("(actor@alpha, pid 1) holds record 7 (slot 7) for "),
              std::string::npos)
        << trainers_messages();
    let_go();
    EXPECT_EQ(stalling.wait(), 0);
    EXPECT_EQ(trainer.wait(), 0) << "all in order, every byte checked";
    EXPECT_EQ(observer->snapshot().deaths, 0u);
    EXPECT_EQ(observer->snapshot().returned, 0u);
}

// The test's namespace is above the producer's.
TEST_F(NamespaceTest, KillsOneThatStallsBelowTheTrainersNamespace) {
    RingOptions strict = options(50);
    strict.stall = {.report_after = milliseconds(30), .action = StallPolicy::Action::kill};
    Ring ring = Ring::create(strict);
    Child stalling = start_in("alpha", {"--at", "7", "wait"});
    EXPECT_EQ(stalling.wait(), 128 + SIGKILL);
    EXPECT_TRUE(said("(actor@alpha, pid 1) holds record 7")) << messages();
    EXPECT_TRUE(said("; killed, its record is handed on")) << messages();
    let_go();
    Child other = start_in("beta");
    Consumer consumer = ring.consumer();
    EXPECT_EQ(drain(consumer), all_items(ring, 50));
    EXPECT_EQ(ring.stats().deaths, 1u);
}

// Parent and child are both pid 1, each of its own namespace.
TEST_F(NamespaceTest, LetsNoForkedChildFinishItsParentsProducer) {
    Ring ring = Ring::create(options(20));
    Child forking = start_in("alpha", {"--at", "3", "fork-pid-1"});
    Consumer consumer = ring.consumer();
    EXPECT_EQ(drain(consumer), all_items(ring, 20));
    EXPECT_EQ(forking.wait(), 0);
    EXPECT_EQ(ring.stats().returned, 0u);
    EXPECT_EQ(messages(), "");
}

class UserTest : public NamespaceTest {
  protected:
    static constexpr uid_t kOther = 12345;

    void SetUp() override {
        if (geteuid() != 0) GTEST_SKIP() << "becoming another user wants root";
    }
    // What the ring says to another user, who connects and wants to attach.
    std::string refusal_of_another_user() {
        namespace fs = std::filesystem;
        const std::string path = directory_ + "/test.sock";
        fs::permissions(directory_, fs::perms::all);  // the trainer decides, not the folder
        fs::permissions(path, fs::perms::all);
        int error = 0;
        if (seteuid(kOther) != 0) return "cannot become another user";
        const ring::UniqueFd socket = ring::connect_to(path, error);
        if (seteuid(0) != 0 || !socket) return "cannot connect: " + std::to_string(error);
        return refusal_of(socket.get(), proper_hello());
    }
};

TEST_F(UserTest, IsRefused) {
    Ring ring = Ring::create(options(10));
    EXPECT_EQ(refusal_of_another_user(), "user 12345 may not attach to a ring of user 0");
}

TEST_F(UserTest, IsRefusedWithAHintWhereTheTrainersNamespaceDoesNotMapIt) {
    const ContainerOptions apart{.host = "trainer", .own_users = true};
    const std::string reason = why_no_containers(apart);
    if (!reason.empty()) GTEST_SKIP() << reason;
    Child trainer =
        start_container({HEADRACE_TEST_ACTOR, "consume", "test", directory_, "10", "1"}, apart);
    ASSERT_NE(observe(), nullptr);
    const std::string refusal = refusal_of_another_user();
    EXPECT_TRUE(refusal.starts_with("user 65534 may not attach to a ring of user 0; 65534 is how"))
        << refusal;
    EXPECT_TRUE(refusal.ends_with("run both in the same one")) << refusal;
}

TEST_F(UserTest, IsRefusedByATrainerThatCouldTakeItForItself) {
    const ContainerOptions apart{.host = "trainer", .own_users = true, .user = ring::kUnmappedUser};
    const std::string reason = why_no_containers(apart);
    if (!reason.empty()) GTEST_SKIP() << reason;
    Child trainer =
        start_container({HEADRACE_TEST_ACTOR, "consume", "test", directory_, "10", "1"}, apart);
    ASSERT_TRUE(eventually([&] { return std::filesystem::exists(directory_ + "/test.sock"); }));
    const std::string refusal = refusal_of_another_user();
    EXPECT_TRUE(refusal.starts_with("user 65534 may not attach to a ring of user 65534; 65534 is"))
        << refusal;
}

}  // namespace
}  // namespace headrace
