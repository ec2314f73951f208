#include "device/slot_runs.hpp"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "gtest/seed.hpp"

namespace headrace::device {
namespace {

using Slots = std::vector<std::uint32_t>;

// As {first record, first slot, records}.
std::vector<std::vector<std::size_t>> runs_of(const Slots& slots) {
    std::vector<std::vector<std::size_t>> runs;
    for_each_run(slots, [&](const SlotRun& run) {
        runs.push_back({run.first_record, run.first_slot, run.records});
    });
    EXPECT_EQ(count_runs(slots), runs.size());
    return runs;
}
using Runs = std::vector<std::vector<std::size_t>>;

TEST(SlotRunsTest, FindsNoneInNoSlots) {
    EXPECT_EQ(runs_of({}), Runs{});
}

TEST(SlotRunsTest, FindsOneInConsecutiveSlots) {
    EXPECT_EQ(runs_of({7}), (Runs{{0, 7, 1}}));
    EXPECT_EQ(runs_of({3, 4, 5, 6}), (Runs{{0, 3, 4}}));
}

TEST(SlotRunsTest, EndsARunAtTheEndOfTheRingAndAtAHole) {
    EXPECT_EQ(runs_of({6, 7, 0, 1, 2}), (Runs{{0, 6, 2}, {2, 0, 3}}));
    EXPECT_EQ(runs_of({1, 2, 4, 5, 9}), (Runs{{0, 1, 2}, {2, 4, 2}, {4, 9, 1}}));
}

TEST(SlotRunsTest, DoesNotTakeTheSameSlotTwiceOrBackwards) {
    EXPECT_EQ(runs_of({5, 5}), (Runs{{0, 5, 1}, {1, 5, 1}}));
    EXPECT_EQ(runs_of({5, 4, 3}).size(), 3u);
}

TEST(SlotRunsTest, CoversEachRecordOnceInOrder) {
    const std::uint64_t seed = test_seed();
    SCOPED_TRACE(seed_note(seed));
    std::mt19937_64 random(seed);
    for (int round = 0; round < 200; ++round) {
        const auto ring = static_cast<std::uint32_t>(1 + random() % 20);
        Slots slots;
        auto at = static_cast<std::uint32_t>(random() % ring);
        for (std::size_t i = random() % 30; i > 0; --i) {
            slots.push_back(at % ring);
            at += random() % 4 == 0 ? 2u : 1u;
        }
        Slots covered;
        std::size_t next = 0;
        for_each_run(slots, [&](const SlotRun& run) {
            EXPECT_EQ(run.first_record, next);
            EXPECT_NE(run.records, 0u);
            if (!covered.empty()) {
                EXPECT_NE(covered.back() + 1, run.first_slot) << "a run too many";
            }
            for (std::uint32_t i = 0; i < run.records; ++i) covered.push_back(run.first_slot + i);
            next += run.records;
        });
        EXPECT_EQ(covered, slots);
    }
}

}  // namespace
}  // namespace headrace::device
