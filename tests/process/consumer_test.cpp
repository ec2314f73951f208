// Real consumer processes that share a ring: each record goes to one of them, and what one of them
// held when it died goes to another.
#include <gtest/gtest.h>

#include <iterator>
#include <list>
#include <random>

#include "gtest/seed.hpp"
#include "process/consumer_fixture.hpp"
#include "ring/ring_core.hpp"

namespace headrace {
namespace {

using namespace std::chrono_literals;
using Lines = std::vector<std::string>;

TEST_F(ConsumerProcessTest, GivesEachRecordToOneOfThem) {
    constexpr std::uint64_t kRecords = 5000;
    Ring ring = Ring::create(options(kRecords));
    std::vector<Child> children;
    for (const char* const name : {"a", "b", "c"}) children.push_back(take(name));
    await_waiting(ring, 3);
    children.push_back(start());
    children.push_back(start());
    for (Child& child : children) EXPECT_EQ(child.wait(), 0);
    EXPECT_EQ(given(), each_once(kRecords));
    for (const char* const name : {"a", "b", "c"}) {
        EXPECT_TRUE(was_given(name, "end of epoch"));
        EXPECT_TRUE(was_given(name, "end"));
    }
    expect_books(ring, kRecords, 0, 0, 0);
    EXPECT_EQ(messages(), "");
}

TEST_F(ConsumerProcessTest, GivesAnotherWhatADeadOneHeld) {
    Ring ring = Ring::create(options(100));
    Child producer = start();
    await_ready(ring, 16);
    Child dying = take("dying", {"--lease", "3", "--at", "1", "kill"});
    EXPECT_EQ(dying.wait(), 128 + SIGKILL);
    ASSERT_TRUE(eventually([&] { return ring.stats().redelivered == 3; }));
    expect_balance(ring.stats());
    EXPECT_EQ(ring.stats().ready, 16u);
    // One that comes when it is all over finds it.
    Child other = take("other");
    EXPECT_EQ(other.wait(), 0);
    EXPECT_EQ(producer.wait(), 0);
    EXPECT_EQ(said_of_given_by("dying"), (Lines{"0 0", "1 0", "2 0"}));
    const Lines lines = said_of_given_by("other");
    EXPECT_EQ(Lines(lines.begin(), lines.begin() + 4), (Lines{"0 1", "1 1", "2 1", "3 0"}));
    EXPECT_EQ(lines.size(), 102u);
    expect_books(ring, 100, 0, 1, 3);
    EXPECT_TRUE(said("consumer 2 (dying, pid ")) << messages();
    EXPECT_TRUE(said(") died; 3 of its records go to another, 0 are lost")) << messages();
    const Stats stats = ring.stats();
    EXPECT_EQ(stats.consumers[0].state, ProducerState::died);
    EXPECT_EQ(stats.consumers[1].state, ProducerState::finished);
}

TEST_F(ConsumerProcessTest, TakesOneThatExitsWithoutAWordForDead) {
    Ring ring = Ring::create(options(20, 8));
    Child producer = start();
    await_ready(ring, 8);
    Child leaving = take("leaving", {"--lease", "2", "--at", "3", "exit"});
    EXPECT_EQ(leaving.wait(), 7);
    ASSERT_TRUE(eventually([&] { return ring.stats().redelivered == 2; }));
    Child other = take("other");
    EXPECT_EQ(other.wait(), 0);
    EXPECT_EQ(said_of_given_by("other").front(), "2 1");
    expect_books(ring, 20, 0, 1, 2);
}

// An exception takes a lease down like the end of a block: what was in it was delivered.
TEST_F(ConsumerProcessTest, CountsWhatOneThatThrowsHeldAsDelivered) {
    Ring ring = Ring::create(options(20, 8));
    Child producer = start();
    await_ready(ring, 8);
    Child leaving = take("leaving", {"--lease", "2", "--at", "3", "throw"});
    EXPECT_EQ(leaving.wait(), 1);
    ASSERT_TRUE(
        eventually([&] { return ring.stats().consumers.at(0).state == ProducerState::finished; }));
    Child other = take("other");
    EXPECT_EQ(other.wait(), 0);
    EXPECT_EQ(given(), each_once(20));
    expect_books(ring, 20, 0, 0, 0);
}

TEST_F(ConsumerProcessTest, MakesAHoleOfARecordThatThreeDiedWith) {
    Ring ring = Ring::create(options(20, 8));
    Child producer = start();
    std::string last;
    for (const char* const name : {"first", "second", "third"}) {
        Child dying = take(name, {"--at", "5", "kill"});
        last = "(pid " + std::to_string(dying.pid()) + ")";
        EXPECT_EQ(dying.wait(), 128 + SIGKILL);
    }
    ASSERT_TRUE(eventually([&] { return ring.stats().deaths == 3; }));
    Child other = take("other", {"--lease", "4"});
    EXPECT_EQ(other.wait(), 0);
    EXPECT_EQ(given()[5], (Deaths{0, 1, 2}));
    // Ids go round: the producer's, and the dead ones', and this one's, in the order in which they
    // came.
    const Stats stats = ring.stats();
    const std::string who = "consumer " + std::to_string(stats.consumers.at(2).id) + " " + last;
    EXPECT_TRUE(was_given("other", "hole 5 died: the third consumer that died with it: " + who))
        << said_of_given_by("other").front();
    EXPECT_EQ(stats.died, 1u);
    expect_books(ring, 20, 1, 3, 2);
}

TEST_F(ConsumerProcessTest, PassesOverHolesOnceAmongThemAll) {
    Ring ring = Ring::create(options(400, 8));
    std::vector<std::string> part;
    for (int index = 0; index < 400; index += 4) {
        part.insert(part.end(), {"--at", std::to_string(index), "skip"});
    }
    std::vector<Child> children;
    for (const char* const name : {"a", "b", "c"}) children.push_back(take(name, {"--lease", "3"}));
    await_waiting(ring, 3);
    children.push_back(start(part));
    for (Child& child : children) EXPECT_EQ(child.wait(), 0);
    std::map<std::string, int> holes;
    for (const std::string& line : said_of_given()) {
        const auto hole = line.find(" hole ");
        if (hole != std::string::npos) ++holes[line.substr(hole + 1)];
    }
    EXPECT_EQ(holes.size(), 100u);
    for (const auto& [hole, times] : holes) EXPECT_EQ(times, 1) << hole;
    EXPECT_EQ(holes.count("hole 396 skipped: told to"), 1u);
    expect_books(ring, 400, 100, 0, 0);
}

TEST_F(ConsumerProcessTest, LeavesOneThatIsStoppedWhatItHolds) {
    Ring ring = Ring::create(options(40, 8));
    Child producer = start();
    await_ready(ring, 8);
    Child stopping = take("stopping", {"--lease", "2", "--at", "0", "stop"});
    ASSERT_TRUE(eventually([&] { return stopping.is_stopped(); }));
    Child other = take("other");
    // All but the two, up to the lap that needs their slots.
    ASSERT_TRUE(eventually([&] { return said_of_given_by("other").size() == 6; }));
    await_waiting(ring, 1);
    const Stats stats = ring.stats();
    EXPECT_EQ(stats.leased, 2u);
    EXPECT_EQ(stats.delivered, 6u);
    expect_balance(stats);
    stopping.signal(SIGCONT);
    EXPECT_EQ(stopping.wait(), 0);
    EXPECT_EQ(other.wait(), 0);
    EXPECT_EQ(producer.wait(), 0);
    EXPECT_EQ(given(), each_once(40));
    const Stats end = at_rest(ring);
    EXPECT_EQ(end.delivered, 40u);
    EXPECT_EQ(end.deaths, 0u);
    EXPECT_EQ(end.redelivered, 0u);
}

TEST_F(ConsumerProcessTest, KeepsWhatOneHoldsWhoseContactIsLostUntilItDies) {
    Ring ring = Ring::create(options(8, 8));
    Child producer = start();
    await_ready(ring, 8);
    Child changing = take("changing", {"--lease", "2", "--at", "0", "exec"});
    ASSERT_TRUE(eventually([&] { return said("contact lost"); })) << messages();
    EXPECT_EQ(ring.stats().consumers.at(0).state, ProducerState::contact_lost);
    Consumer consumer = ring.consumer();
    for (int i = 0; i < 6; ++i) ASSERT_TRUE(consumer.get());
    EXPECT_EQ(consumer.get_for(50ms).outcome(), Outcome::timed_out) << "not the end";
    changing.signal(SIGKILL);
    for (const std::uint64_t index : {0u, 1u}) {
        const auto record = consumer.get();
        ASSERT_TRUE(record);
        EXPECT_EQ(record->index(), index);
        EXPECT_EQ(record->deaths(), 1u);
    }
    EXPECT_EQ(consumer.get().outcome(), Outcome::end_of_epoch);
    EXPECT_EQ(consumer.get().outcome(), Outcome::end);
    EXPECT_EQ(ring.stats().delivered, 8u);
    EXPECT_EQ(ring.stats().deaths, 1u);
}

TEST_F(ConsumerProcessTest, LetsNoForkedChildGiveBackItsParentsRecords) {
    Ring ring = Ring::create(options(20, 8));
    Child producer = start();
    Child forking = take("forking", {"--lease", "3", "--at", "4", "fork"});
    EXPECT_EQ(forking.wait(), 0);
    EXPECT_EQ(given(), each_once(20));
    expect_books(ring, 20, 0, 0, 0);
    EXPECT_EQ(messages(), "");
}

// Three slots are free, a quarter is not: the producer sleeps on while somebody may take more.
TEST_F(ConsumerProcessTest, WakesProducersWhereOneGoesAwayWithNothing) {
    Ring ring = Ring::create(options(20));
    const ring::Control& control = ring.shared_core()->protocol().control();
    Child producer = start();
    ASSERT_TRUE(eventually([&] { return control.producers_asleep.load() != 0; }));
    Consumer consumer = ring.consumer();
    auto three = consumer.take(3);
    Child holding = take("holding", {"--lease", "13", "--at", "3", "stop"});
    ASSERT_TRUE(eventually([&] { return holding.is_stopped(); }));
    three->release();
    const std::uint32_t bell = control.space_bell.load();
    auto next = consumer.try_get();
    if (!next) {  // or else half a second was over, and the producer looked for itself
        EXPECT_NE(control.space_bell.load(), bell);
        next = consumer.get();
    }
    EXPECT_EQ(next->index(), 16u);
    next->release();
    holding.signal(SIGCONT);
    EXPECT_EQ(holding.wait(), 0);
}

TEST_F(ConsumerProcessTest, LosesAndDoublesNothingWhoeverIsKilled) {
    constexpr std::uint64_t kRecords = 3000;
    const std::uint64_t seed = test_seed();
    SCOPED_TRACE(seed_note(seed));
    std::mt19937_64 random(seed);
    Ring ring = Ring::create(options(kRecords, 16));
    std::vector<Child> producers;
    std::list<Child> takers;
    for (int i = 0; i < 2; ++i) producers.push_back(start());
    const auto one_more = [&] {
        const std::string lease = std::to_string(1 + random() % 4);
        takers.push_back(take("taker", {"--lease", lease, "--sleep-us", "50"}));
    };
    for (int i = 0; i < 3; ++i) one_more();
    std::uint64_t killed = 0;
    while (ring.stats().delivered < kRecords / 2) {
        std::this_thread::sleep_for(std::chrono::milliseconds(random() % 20));
        const auto victim =
            std::next(takers.begin(), static_cast<std::ptrdiff_t>(random() % takers.size()));
        victim->signal(SIGKILL);
        EXPECT_EQ(victim->wait(), 128 + SIGKILL);
        takers.erase(victim);
        ++killed;
        one_more();
    }
    for (Child& child : takers) EXPECT_EQ(child.wait(), 0);
    for (Child& child : producers) EXPECT_EQ(child.wait(), 0);
    // One that is killed before it is let in is no death in the books.
    const Stats stats = at_rest(ring);
    EXPECT_LE(stats.deaths, killed);
    EXPECT_EQ(stats.claimed, kRecords);
    EXPECT_EQ(stats.delivered + stats.died, kRecords);
    EXPECT_EQ(stats.in_ring, 0u);
    const auto all = given();
    std::uint64_t missing = 0;
    for (std::uint64_t index = 0; index < kRecords; ++index) {
        // Killed before it could say so, it had it nevertheless.
        if (!all.contains(index)) {
            ++missing;
            continue;
        }
        Deaths deaths = all.at(index);
        EXPECT_EQ(std::ranges::adjacent_find(deaths, std::ranges::greater_equal()), deaths.end())
            << "record " << index << " went to two";
    }
    EXPECT_LE(missing, stats.died) << "only a hole went to nobody";
}

}  // namespace
}  // namespace headrace
