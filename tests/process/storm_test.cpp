// The short form of the process storm: producers that are killed, stopped, continued and restarted
// while records flow. tests/storm is the long one.
#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>
#include <string>

#include "gtest/seed.hpp"
#include "process/storm_round.hpp"

namespace headrace::process_storm {
namespace {

// With a sanitizer a process takes many times as long to start, and as much memory.
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr std::uint64_t kKills = 50;
constexpr std::uint32_t kSlowness = 8;
#else
constexpr std::uint64_t kKills = 200;
constexpr std::uint32_t kSlowness = 1;
#endif
constexpr std::uint64_t kMostRounds = 8;

class ProcessStormTest : public testing::Test {
  protected:
    // Rounds of seeds that follow each other until enough were killed.
    void storm(Place place) {
        const std::uint64_t first = test_seed();
        Balance balance;
        const auto is_enough = [&balance] {
            return balance.tally.deaths() >= kKills && balance.delivered != 0;
        };
        while (!is_enough() && balance.rounds < kMostRounds) {
            const std::uint64_t seed = first + balance.rounds;
            Plan plan = Plan::of(seed);
            plan.place = place;
            plan.milliseconds = 300;
            plan.kill_gap_us *= kSlowness;
            plan.spare_bytes *= kSlowness;
            // What is left when the time is over is made in peace, which is not what this is for.
            if (plan.ending == Ending::by_itself && plan.epoch_records != 0) {
                plan.epoch_records = std::min<std::uint64_t>(plan.epoch_records, 1'000);
                plan.epochs = std::min<std::uint64_t>(plan.epochs, 1 + 1'000 / plan.epoch_records);
            }
            std::string why_not;
            const std::string wrong = harness_.run(plan, balance, why_not);
            if (!why_not.empty()) GTEST_SKIP() << why_not;
            ASSERT_EQ(wrong, "") << plan.describe() << "\n" << seed_note(seed);
        }
        std::cout << balance.rounds << " rounds from seed " << first << ": " << balance.describe()
                  << "\n";
        EXPECT_GT(balance.tally.deaths(), 0u);
        EXPECT_GT(balance.delivered, 0u);
        EXPECT_EQ(balance.claimed,
                  balance.delivered + balance.in_ring + balance.lost + balance.discarded);
    }

    Harness harness_;
};

TEST_F(ProcessStormTest, LosesNothingWhoeverDies) {
    storm(Place::ordinary);
}
TEST_F(ProcessStormTest, LosesNothingOnOneProcessor) {
    storm(Place::one_cpu);
}
TEST_F(ProcessStormTest, LosesNothingWhenHalfOfItIsFrozen) {
    storm(Place::frozen);
}
TEST_F(ProcessStormTest, LosesNothingWhereMemoryIsShort) {
    storm(Place::tight_memory);
}

}  // namespace
}  // namespace headrace::process_storm
