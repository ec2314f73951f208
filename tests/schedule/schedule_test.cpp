// A hundred thousand schedules of the ring's real code, each from its seed.
//
//   HEADRACE_SCHEDULES=N      so many in all
//   HEADRACE_SCHEDULE_SEED=N  this one only
//   HEADRACE_SCHEDULE_STEPS=N  how many of its last steps are told
#include <gtest/gtest.h>

#include <cstdlib>
#include <optional>

#include "gtest/seed.hpp"
#include "schedule/trial.hpp"

#if defined(__SANITIZE_ADDRESS__)
// Who is killed frees nothing, neither the text that it was about to write. Declared by no header.
extern "C" const char* __asan_default_options();
extern "C" const char* __asan_default_options() {
    return "detect_leaks=0";
}
#endif

namespace headrace::ring::schedule {
namespace {

#if defined(__SANITIZE_THREAD__)
#    define HEADRACE_NO_FIBERS 1
#elif defined(__has_feature)
#    if __has_feature(thread_sanitizer)
#        define HEADRACE_NO_FIBERS 1
#    endif
#endif

#if defined(__SANITIZE_ADDRESS__)
constexpr std::uint64_t kSchedules = 10'000;
#elif defined(__OPTIMIZE__)
constexpr std::uint64_t kSchedules = 100'000;
#else
constexpr std::uint64_t kSchedules = 20'000;
#endif

std::optional<std::uint64_t> from_environment(const char* name) {
    const char* const text = std::getenv(name);
    if (text == nullptr) return std::nullopt;
    return std::strtoull(text, nullptr, 10);
}

class ScheduleTest : public testing::Test {
  protected:
    void carry_out(Family family) {
#if defined(HEADRACE_NO_FIBERS)
        (void)family;
        GTEST_SKIP() << "stacks are changed in a way that the thread sanitizer does not follow";
#else
        if (const auto seed = from_environment("HEADRACE_SCHEDULE_SEED")) {
            if (Plan::family_of(*seed) != family) GTEST_SKIP() << "another test's seed";
            const std::uint64_t steps = from_environment("HEADRACE_SCHEDULE_STEPS").value_or(60);
            const std::string wrong = trial_.carry_out(Plan(*seed, family), steps);
            EXPECT_TRUE(wrong.empty()) << wrong;
            return;
        }
        const std::uint64_t count =
            from_environment("HEADRACE_SCHEDULES").value_or(kSchedules) / kFamilies;
        const std::uint64_t first = test_seed() >> 8;
        std::uint64_t steps = 0, longest = 0;
        for (std::uint64_t i = 0; i < count; ++i) {
            const Plan plan(Plan::seed_of(family, first + i), family);
            const std::string wrong = trial_.carry_out(plan);
            ASSERT_TRUE(wrong.empty()) << wrong << "after " << i << " schedules";
            steps += trial_.steps();
            longest = std::max(longest, trial_.steps());
        }
        RecordProperty("schedules", std::to_string(count));
        RecordProperty("steps", std::to_string(steps));
        RecordProperty("longest", std::to_string(longest));
#endif
    }

    Trial trial_;
};

TEST_F(ScheduleTest, RingWithASamplerComesToItsEnd) {
    carry_out(Family::sampler);
}

TEST_F(ScheduleTest, StreamEndsWithItsProducers) {
    carry_out(Family::stream);
}

TEST_F(ScheduleTest, RingIsEndedAtAnyMoment) {
    carry_out(Family::ended);
}

TEST_F(ScheduleTest, ConsumersShareTheRing) {
    carry_out(Family::shared);
}

}  // namespace
}  // namespace headrace::ring::schedule
