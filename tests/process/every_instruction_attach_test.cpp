// A producer killed while it attaches, and while it finishes and detaches with a record in its
// hands: after every system call, and at places in between that a seed picks.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <random>

#include "gtest/seed.hpp"
#include "gtest/temporary_folder.hpp"
#include "process/every_instruction.hpp"
#include "process/single_step.hpp"

namespace headrace {
namespace {

std::size_t open_files() {
    namespace fs = std::filesystem;
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator("/proc/self/fd"), fs::directory_iterator()));
}

// A place: so many system calls on, at full speed, and so many instructions after that.
struct Spot {
    std::uint64_t system_calls = 0;
    std::uint64_t steps = 0;
};

class EverySystemCallTest : public testing::Test {
  protected:
    void SetUp() override {
        if (const std::string why = obstacle_to_stepping(); !why.empty()) GTEST_SKIP() << why;
    }

    // Brings the victim to where its part begins. One that finishes has the first record then.
    static void begin(const std::string& part, SteppedChild& victim, Scene& scene) {
        victim.run_to_its_stop();
        scene.await_sleeping_consumer();
        if (part == "finish") scene.release_survivor();
    }

    // How many instructions there are up to the end of each system call, and in all.
    std::vector<std::uint64_t> measure(const std::string& part) {
        Scene scene(folder(), Scene::kSlots);
        const OneCore core;
        SteppedChild victim({part, "test", folder()});
        begin(part, victim, scene);
        std::vector<std::uint64_t> ends{0};
        std::uint64_t step = 0;
        while (victim.place() != Marks::done) {
            const bool is_system_call = victim.is_at_system_call();
            victim.step();
            ++step;
            if (is_system_call) ends.push_back(step);
        }
        ends.push_back(step);
        return ends;
    }

    Scene::Judgement kill_at(const std::string& part, const Spot& spot, bool& goes_on) try {
        Scene scene(folder(), Scene::kSlots);
        const std::size_t files_before = open_files();
        {
            const OneCore core;
            SteppedChild victim({part, "test", folder()});
            begin(part, victim, scene);
            goes_on = true;
            for (std::uint64_t call = 0; goes_on && call < spot.system_calls; ++call) {
                goes_on = victim.run_through_system_call();
            }
            for (std::uint64_t step = 0; goes_on && step < spot.steps; ++step) {
                if (victim.place() == Marks::done) break;
                victim.step();
            }
            scene.release_survivor();
            victim.kill();
        }
        // By then the trainer has heard whoever had knocked before.
        { const Observer observer("test", folder()); }
        const Scene::Judgement judgement = scene.judge({.first = signed_record::survivor});
        await("no file left open", [&] { return open_files() == files_before; });
        return judgement;
    } catch (const std::exception& error) {
        return {error.what()};
    }

    void kill_after_every_system_call(const std::string& part) {
        const std::vector<std::uint64_t> ends = measure(part);
        Places places("killed while it is to " + part + ", after every system call,");
        bool goes_on = true;
        for (std::uint64_t calls = 0; goes_on && !places.is_enough(); ++calls) {
            places.try_at(calls, [&] { return kill_at(part, {calls, 0}, goes_on); });
        }
        // Some calls depend on the machine.
        places.report(ends.size() / 2, "1 of 1");
    }

    void kill_in_between(const std::string& part) {
        constexpr int kPlaces = 32;
        const std::uint64_t seed = test_seed();
        SCOPED_TRACE(seed_note(seed));
        std::mt19937_64 random(seed);
        const std::vector<std::uint64_t> ends = measure(part);
        Places places("killed while it is to " + part + ", after some instruction,");
        for (int i = 0; i < kPlaces && !places.is_enough(); ++i) {
            const std::uint64_t place = random() % ends.back();
            const auto passed = std::upper_bound(ends.begin(), ends.end(), place) - 1;
            const Spot spot{static_cast<std::uint64_t>(passed - ends.begin()), place - *passed};
            bool goes_on = true;
            places.try_at(place, [&] { return kill_at(part, spot, goes_on); });
        }
        places.report(kPlaces, "of " + std::to_string(ends.back()));
    }

    std::string folder() const { return folder_.path().string(); }
    TemporaryFolder folder_;
};

TEST_F(EverySystemCallTest, LosesNothingWhereOneThatAttachesDies) {
    kill_after_every_system_call("attach");
}

TEST_F(EverySystemCallTest, LosesNothingWhereOneThatAttachesDiesInBetween) {
    kill_in_between("attach");
}

TEST_F(EverySystemCallTest, LosesNothingWhereOneThatFinishesDies) {
    kill_after_every_system_call("finish");
}

TEST_F(EverySystemCallTest, LosesNothingWhereOneThatFinishesDiesInBetween) {
    kill_in_between("finish");
}

}  // namespace
}  // namespace headrace
