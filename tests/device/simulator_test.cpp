// The simulator keeps the rules of streams and events, and uses the freedom that they leave.
#include "device/simulator.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <set>
#include <stdexcept>
#include <vector>

#include "gtest/seed.hpp"

namespace headrace {
namespace {

using Kind = Simulator::Kind;
using Memory = Simulator::Memory;

class SimulatorTest : public testing::Test {
  protected:
    // Writes down that it ran.
    Simulator::Work note(int number, std::size_t pieces = 1) {
        return {.run = [this, number](std::size_t) { ran_.push_back(number); }, .pieces = pieces};
    }

    std::uint64_t seed_ = test_seed();
    testing::ScopedTrace trace_{__FILE__, __LINE__, seed_note(seed_)};
    std::vector<int> ran_;  // touched by the simulator's thread only, until that is idle
    Simulator simulator_{seed_};
};

TEST_F(SimulatorTest, KeepsTheOrderOfAStream) {
    Simulator::Stream* const stream = simulator_.make_stream();
    for (int i = 0; i < 100; ++i) simulator_.enqueue(stream, note(i));
    simulator_.synchronize(stream);
    ASSERT_EQ(ran_.size(), 100u);
    for (int i = 0; i < 100; ++i) EXPECT_EQ(ran_[static_cast<std::size_t>(i)], i);
    EXPECT_TRUE(simulator_.is_idle(stream));
    simulator_.destroy(stream);
}

TEST_F(SimulatorTest, RunsStreamsInAnyOrder) {
    std::set<std::vector<int>> orders;
    for (std::uint64_t run = 0; run < 200; ++run) {
        simulator_.reseed(seed_ + run);
        ran_.clear();
        Simulator::Stream* const streams[] = {simulator_.make_stream(), simulator_.make_stream()};
        for (Simulator::Stream* const stream : streams) simulator_.hold(stream);
        simulator_.enqueue(streams[0], note(0, 2));
        simulator_.enqueue(streams[1], note(1, 2));
        for (Simulator::Stream* const stream : streams) simulator_.let_go(stream);
        simulator_.synchronize();
        orders.insert(ran_);
        for (Simulator::Stream* const stream : streams) simulator_.destroy(stream);
    }
    EXPECT_EQ(orders.size(), 6u) << "all ways to mix two operations of two pieces";
}

TEST_F(SimulatorTest, CompletesAnEventAfterAllThatWasBeforeIt) {
    Simulator::Event* const event = simulator_.make_event();
    EXPECT_TRUE(simulator_.is_complete(event)) << "never recorded";
    simulator_.synchronize(event);
    simulator_.hold(Kind::work);
    std::atomic<bool> ran = false;
    simulator_.enqueue(nullptr, {.run = [&](std::size_t) { ran = true; }});
    simulator_.record(event, nullptr);
    simulator_.enqueue(nullptr, note(1));
    EXPECT_FALSE(simulator_.is_complete(event));
    simulator_.let_go(Kind::work, 1);
    simulator_.synchronize(event);
    EXPECT_TRUE(simulator_.is_complete(event));
    EXPECT_TRUE(ran);
    EXPECT_FALSE(simulator_.is_idle(nullptr)) << "what comes after it is still held";
    simulator_.let_go(Kind::work);
    simulator_.synchronize();
    simulator_.destroy(event);
}

// A wait is for the record before it: a later one, on a stream that stands, does not stop it.
TEST_F(SimulatorTest, WaitsForTheLastRecordMadeBefore) {
    Simulator::Stream* const first = simulator_.make_stream();
    Simulator::Stream* const second = simulator_.make_stream();
    Simulator::Event* const event = simulator_.make_event();
    simulator_.wait(second, event);  // never recorded: no wait
    simulator_.hold(first);
    simulator_.enqueue(first, note(0));
    simulator_.record(event, first);
    simulator_.wait(second, event);
    simulator_.enqueue(second, note(1));
    EXPECT_FALSE(simulator_.is_idle(second));
    simulator_.let_go(first);
    simulator_.synchronize(first);
    simulator_.hold(first);
    simulator_.record(event, first);
    simulator_.synchronize(second);
    EXPECT_EQ(ran_, (std::vector<int>{0, 1}));
    EXPECT_FALSE(simulator_.is_complete(event)) << "the second record";
    simulator_.let_go(first);
    simulator_.synchronize(event);
    simulator_.destroy(event);
}

TEST_F(SimulatorTest, ReadsTheSourceOfACopyLate) {
    auto* const to = static_cast<char*>(simulator_.allocate(3, Memory::device));
    char from[] = "old";
    simulator_.hold(Kind::copy);
    simulator_.copy(nullptr, to, from, 3);
    from[1] = 'd';
    simulator_.let_go(Kind::copy);
    simulator_.synchronize();
    EXPECT_EQ(std::string(to, 3), "odd");
    simulator_.free(to);
    EXPECT_EQ(simulator_.mistakes().total(), 0u);
}

TEST_F(SimulatorTest, FindsAMissingEvent) {
    Simulator::Event* const event = simulator_.make_event();
    char memory[16] = {};
    for (const bool waits : {true, false}) {
        for (int run = 0; run < 200 && simulator_.mistakes().out_of_order == 0; ++run) {
            Simulator::Stream* const reader = simulator_.make_stream();
            Simulator::Stream* const writer = simulator_.make_stream();
            simulator_.enqueue(reader,
                               {.run = [](std::size_t) {}, .touches = {{memory, 16, false}}});
            simulator_.record(event, reader);
            if (waits) simulator_.wait(writer, event);
            simulator_.enqueue(writer,
                               {.run = [](std::size_t) {}, .touches = {{memory + 8, 8, true}}});
            simulator_.destroy(reader);
            simulator_.destroy(writer);
        }
        EXPECT_EQ(simulator_.mistakes().out_of_order, waits ? 0u : 1u);
    }
    simulator_.destroy(event);
}

TEST_F(SimulatorTest, CountsMisuseOfMemory) {
    void* const block = simulator_.allocate(64, Memory::pinned);
    std::vector<std::byte> ring(64);
    simulator_.register_host(ring.data(), ring.size());
    EXPECT_EQ(simulator_.memory_of(block, 64), Memory::pinned);
    EXPECT_EQ(simulator_.memory_of(ring.data() + 63), Memory::registered);
    EXPECT_EQ(simulator_.memory_of(ring.data() + 63, 2), std::nullopt);
    EXPECT_EQ(simulator_.allocations(), 2u);
    simulator_.hold(Kind::copy);
    simulator_.copy(nullptr, block, ring.data(), 64);
    simulator_.unregister_host(ring.data());
    simulator_.free(block);
    EXPECT_EQ(simulator_.mistakes().unregistered_early, 1u);
    EXPECT_EQ(simulator_.mistakes().freed_early, 1u);
    simulator_.free(block);
    simulator_.unregister_host(ring.data());
    EXPECT_EQ(simulator_.mistakes().unknown_memory, 2u);
    simulator_.let_go(Kind::copy);
    simulator_.synchronize();
    EXPECT_EQ(simulator_.mistakes().total(), 4u);
    simulator_.forget_mistakes();
    EXPECT_EQ(simulator_.mistakes().total(), 0u);
}

TEST_F(SimulatorTest, TellsTheTimeOfEvents) {
    Simulator::Event* const from = simulator_.make_event();
    Simulator::Event* const to = simulator_.make_event();
    EXPECT_EQ(simulator_.seconds_between(from, to), std::nullopt);
    simulator_.record(from, nullptr);
    simulator_.enqueue(nullptr, {.run = [](std::size_t) {}, .pieces = 3, .seconds = 2});
    simulator_.enqueue(nullptr, {.run = [&](std::size_t) { simulator_.pass(1); }});
    simulator_.record(to, nullptr);
    simulator_.synchronize();
    EXPECT_NEAR(simulator_.seconds_between(from, to).value_or(0), 3, 0.1);
    EXPECT_NEAR(simulator_.seconds_between(to, from).value_or(0), -3, 0.1);
    Simulator::Stream* const stream = simulator_.make_stream();
    simulator_.hold(stream);
    simulator_.record(to, stream);
    EXPECT_EQ(simulator_.mistakes().total(), 0u);
    EXPECT_EQ(simulator_.seconds_between(from, to), std::nullopt);
    EXPECT_EQ(simulator_.mistakes().timed_early, 1u);
    simulator_.let_go(stream);
    simulator_.synchronize();
    simulator_.destroy(from);
    simulator_.destroy(to);
}

TEST_F(SimulatorTest, DoesNothingMoreAfterAFailureAndStillCompletes) {
    simulator_.enqueue(nullptr, {.run = [](std::size_t) { throw std::runtime_error("lost"); }});
    simulator_.enqueue(nullptr, note(1));
    simulator_.synchronize();
    EXPECT_TRUE(ran_.empty());
    ASSERT_TRUE(simulator_.failure());
    EXPECT_THROW(std::rethrow_exception(simulator_.failure()), std::runtime_error);
}

}  // namespace
}  // namespace headrace
