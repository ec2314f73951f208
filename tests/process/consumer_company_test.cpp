// Who may consume from a ring with others, from where, and how many they may be.
#include <gtest/gtest.h>

#include "gtest/error_text.hpp"
#include "headrace/error.hpp"
#include "process/consumer_fixture.hpp"
#include "process/container.hpp"

namespace headrace {
namespace {

TEST_F(ConsumerProcessTest, IsRefusedWhereItDoesNotBelong) {
    const auto refusal = [](const Ring& ring, std::uint32_t layout_version) {
        int error = 0;
        const ring::UniqueFd socket = ring::connect_to(ring.socket_path(), error);
        ring::Hello hello = proper_hello();
        hello.role = static_cast<std::uint32_t>(ring::Role::consumer);
        hello.layout_version = layout_version;
        return refusal_of(socket.get(), hello);
    };
    {
        const Ring own = Ring::create(ProcessTest::options(5));
        EXPECT_TRUE(contains(refusal(own, ring::kLayoutVersion), "its records are not shared"));
        EXPECT_EQ(take("stranger").wait(), 1);
    }
    const Ring ring = Ring::create(options(5));
    EXPECT_TRUE(contains(refusal(ring, ring::kLayoutVersion + 1), "layout version"));
    EXPECT_TRUE(contains(refusal(ring, ring::kLayoutVersion), "sends a pidfd of itself"));
}

TEST_F(ConsumerProcessTest, IsSeenByAnObserver) {
    Ring ring = Ring::create(options(20, 8));
    Child producer = start();
    await_ready(ring, 8);
    const Observer observer("test", directory_);
    EXPECT_TRUE(observer.snapshot().consumers.empty());
    Child dying = take("dying", {"--at", "2", "kill"});
    EXPECT_EQ(dying.wait(), 128 + SIGKILL);
    ASSERT_TRUE(eventually([&] { return observer.snapshot().redelivered == 1; }));
    const Stats stats = observer.snapshot();
    ASSERT_EQ(stats.consumers.size(), 1u);
    EXPECT_EQ(stats.consumers[0].identity, "dying");
    EXPECT_EQ(stats.consumers[0].state, ProducerState::died);
    EXPECT_EQ(stats.consumers[0].delivered, 2u);
    EXPECT_EQ(stats.deaths, 1u);
}

TEST_F(ConsumerProcessTest, SharesTheIdsWithProducers) {
    Ring ring = Ring::create(options(20));
    std::vector<Producer> producers;
    for (int i = 0; i < 200; ++i) producers.push_back(ring.producer());
    std::vector<Consumer> consumers;
    for (int i = 0; i < 54; ++i) consumers.push_back(ring.consumer());
    Child last = take("last");
    ASSERT_TRUE(eventually([&] { return ring.stats().consumers.size() == 55; }));
    const std::string full = "255 producers and consumers are attached already, which is the most";
    EXPECT_TRUE(contains(error_of([&] { (void)ring.consumer(); }), full));
    EXPECT_TRUE(contains(error_of([&] { (void)ring.producer(); }), full));
    EXPECT_TRUE(
        contains(error_of([&] { Consumer::attach("test", {}, {.directory = directory_}); }), full));
    consumers.pop_back();
    const Producer next = ring.producer();
    EXPECT_EQ(ring.stats().producers.back().id, 254u) << "that of a consumer that went";
    EXPECT_EQ(ring.stats().consumers.size(), 54u);
}

class ConsumerNamespaceTest : public ConsumerProcessTest {
  protected:
    void SetUp() override {
        const std::string reason = why_no_containers();
        if (!reason.empty()) GTEST_SKIP() << reason;
    }
    Child take_in(const std::string& host, const std::string& name,
                  std::vector<std::string> part = {}) {
        return start_container(taker(name, std::move(part)), {.host = host});
    }
};

TEST_F(ConsumerNamespaceTest, GivesASiblingWhatADeadOneHeld) {
    Ring ring = Ring::create(options(30, 8));
    Child producer = start();
    await_ready(ring, 8);
    Child dying = take_in("alpha", "eval", {"--lease", "2", "--at", "1", "wait"});
    ASSERT_TRUE(eventually([&] { return was_given("eval", "1 0"); }));
    dying.signal(SIGKILL);
    EXPECT_EQ(dying.wait(), 128 + SIGKILL);
    ASSERT_TRUE(eventually([&] { return ring.stats().redelivered == 2; }));
    Child other = take_in("beta", "train");
    EXPECT_EQ(other.wait(), 0);
    EXPECT_EQ(said_of_given_by("train").front(), "0 1");
    expect_books(ring, 30, 0, 1, 2);
    const Stats stats = ring.stats();
    EXPECT_EQ(stats.consumers[0].identity, "eval@alpha");
    EXPECT_EQ(stats.consumers[0].pid, 1);
    EXPECT_EQ(stats.consumers[1].identity, "train@beta");
    EXPECT_TRUE(said("consumer 2 (eval@alpha, pid 1) died; 2 of its records go to another"))
        << messages();
}

// Parent and child are both pid 1, each of its own namespace.
TEST_F(ConsumerNamespaceTest, LetsNoForkedChildGiveBackItsParentsRecords) {
    Ring ring = Ring::create(options(20, 8));
    Child producer = start();
    Child forking = take_in("alpha", "forking", {"--lease", "3", "--at", "4", "fork-pid-1"});
    EXPECT_EQ(forking.wait(), 0);
    EXPECT_EQ(given(), each_once(20));
    expect_books(ring, 20, 0, 0, 0);
}

}  // namespace
}  // namespace headrace
