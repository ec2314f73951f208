// Tens of thousands of small runs of the real loader over the simulated device, each from its seed.
//
//   HEADRACE_STORM_SEEDS=N  so many seeds
//   HEADRACE_STORM_SEED=N   this one only, over and over for as many
#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <thread>

#include "gtest/seed.hpp"
#include "loader/storm_run.hpp"

namespace headrace {
namespace {

using Sabotage = device::SimulatedBackend::Sabotage;

#if defined(__SANITIZE_THREAD__)
constexpr std::uint64_t kSeeds = 1'000;
constexpr bool kToleratesRaces = false;
#elif defined(__SANITIZE_ADDRESS__)
constexpr std::uint64_t kSeeds = 2'000;
constexpr bool kToleratesRaces = true;
#else
constexpr std::uint64_t kSeeds = 20'000;
constexpr bool kToleratesRaces = true;
#endif

std::optional<std::uint64_t> from_environment(const char* name) {
    const char* const text = std::getenv(name);
    if (text == nullptr) return std::nullopt;
    return std::strtoull(text, nullptr, 10);
}

// Ends the program with the seed when a run takes too long: it hangs.
class Watchdog {
  public:
    explicit Watchdog(storm::World& world) : world_(world), thread_([this] { watch(); }) {}
    Watchdog(const Watchdog&) = delete;
    Watchdog& operator=(const Watchdog&) = delete;
    ~Watchdog() {
        begin({});
        thread_.join();
    }

    // Of a run; without a text, of the end.
    void begin(std::string text) {
        {
            const std::lock_guard lock(mutex_);
            text_ = std::move(text);
            ++turn_;
        }
        changed_.notify_all();
    }

  private:
    void watch() {
        constexpr std::chrono::seconds kPatience{60};
        std::unique_lock lock(mutex_);
        while (!text_.empty() || turn_ == 0) {
            const std::uint64_t turn = turn_;
            if (changed_.wait_for(lock, kPatience, [&] { return turn_ != turn; })) continue;
            std::fprintf(stderr, "it hangs: %s\n%s", text_.c_str(),
                         world_.device().simulator()->describe().c_str());
            std::abort();
        }
    }

    storm::World& world_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::string text_;
    std::uint64_t turn_ = 0;
    std::thread thread_;
};

class StormTest : public testing::Test {
  protected:
    StormTest() {
        std::string pattern = testing::TempDir() + "headrace-XXXXXX";
        directory_ = mkdtemp(pattern.data());
        world_.emplace(directory_);
        watchdog_.emplace(*world_);
    }
    ~StormTest() override {
        watchdog_.reset();
        world_.reset();
        std::filesystem::remove_all(directory_);
    }

    // "" or what was wrong.
    std::string run(const storm::Plan& plan, Sabotage sabotage = Sabotage::none) {
        watchdog_->begin(plan.describe());
        world_->device().start_again(plan.seed);
        world_->device().sabotage(sabotage);
        std::string wrong = storm::Run(*world_, plan).run();
        if (!wrong.empty()) wrong += "\n" + plan.describe();
        return wrong;
    }

    std::string directory_;
    std::optional<storm::World> world_;
    std::optional<Watchdog> watchdog_;
};

TEST_F(StormTest, DeliversEveryRecordWhateverTheOrder) {
    const std::uint64_t seeds = from_environment("HEADRACE_STORM_SEEDS").value_or(kSeeds);
    const auto one = from_environment("HEADRACE_STORM_SEED");
    const std::uint64_t first = test_seed();
    for (std::uint64_t i = 0; i < seeds; ++i) {
        const storm::Plan plan = storm::Plan::of(one.value_or(first + i));
        const std::string wrong = run(plan);
        ASSERT_EQ(wrong, "") << "run again with HEADRACE_STORM_SEED=" << plan.seed;
    }
}

class SabotageTest : public StormTest, public testing::WithParamInterface<int> {};

// A device that breaks the rules is noticed, and so would a loader be: by what is in the batches,
// not only by what is counted.
TEST_P(SabotageTest, IsNoticed) {
    if (!kToleratesRaces) GTEST_SKIP() << "a sabotage is a data race";
    constexpr std::uint64_t kMost = 2'000;
    const auto sabotage = static_cast<Sabotage>(GetParam());
    const std::string evidence =
        sabotage == Sabotage::ends_before_its_copies ? "freed early" : "batch of ";
    const std::uint64_t first = test_seed();
    SCOPED_TRACE(seed_note(first));
    for (std::uint64_t i = 0; i < kMost; ++i) {
        const std::string wrong = run(storm::Plan::of(first + i), sabotage);
        if (wrong.find(evidence) == std::string::npos) continue;
        RecordProperty("seeds", static_cast<int>(i + 1));
        return;
    }
    FAIL() << "nothing was noticed in " << kMost << " seeds";
}

INSTANTIATE_TEST_SUITE_P(Each, SabotageTest,
                         testing::Range(1, device::SimulatedBackend::kSabotages));

}  // namespace
}  // namespace headrace
