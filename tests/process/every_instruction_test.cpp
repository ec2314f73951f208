// A producer killed, and stopped, after every single instruction between its claim and the end of
// what it does with the record, while a consumer sleeps for that record and another producer for a
// free slot or for the end.
#include <gtest/gtest.h>

#include "gtest/seed.hpp"
#include "gtest/temporary_folder.hpp"
#include "process/every_instruction.hpp"
#include "process/single_step.hpp"

namespace headrace {
namespace {

// Nothing of what is stepped here takes as few instructions.
constexpr std::uint64_t kFewest = 80;

// One lap: the victim's is the last record that is missing, and others wait for the end. More than
// two: they wait for a free slot.
constexpr std::uint64_t kOneLap = Scene::kSlots, kLaps = 2 * Scene::kSlots + 1;

// What is stepped: claiming, or what is done with a record that was claimed at full speed.
struct Part {
    std::string name;  // claim, or as headrace_test_stepped has it
    std::uint64_t records;
    bool is_claim() const { return name == "claim"; }
    std::string text() const { return name + " one of " + std::to_string(records) + " records,"; }
};

class EveryInstructionTest : public testing::Test {
  protected:
    void SetUp() override {
        if (const std::string why = obstacle_to_stepping(); !why.empty()) GTEST_SKIP() << why;
    }

    // Takes the victim so many instructions into its part, which begins with a consumer that
    // sleeps and, where the record was claimed before, a survivor that does. False when the part is
    // over before that.
    static bool take_steps(const Part& part, SteppedChild& victim, Scene& scene,
                           std::uint64_t steps) {
        victim.run_to_its_stop();
        scene.await_sleeping_consumer();
        if (!part.is_claim()) {
            victim.run_to_its_stop();
            scene.release_survivor();
        }
        const int end = part.is_claim() ? Marks::claimed : Marks::done;
        for (std::uint64_t step = 0; step < steps && victim.place() != end; ++step) victim.step();
        return victim.place() != end;
    }

    // Who wrote the first record when the victim does not go on from here.
    static signed_record::Writer writer_after(const Part& part, Scene::First first) {
        if (first != Scene::First::settled || part.name == "drop") return signed_record::survivor;
        return part.name == "skip" ? signed_record::nobody : signed_record::victim;
    }

    SteppedChild start(const Part& part) {
        return SteppedChild({part.is_claim() ? "publish" : part.name, "test", folder()});
    }

    Scene::Judgement kill_after(const Part& part, std::uint64_t steps, bool& goes_on) try {
        Scene scene(folder(), part.records);
        const OneCore core;
        SteppedChild victim = start(part);
        goes_on = take_steps(part, victim, scene, steps);
        const Scene::First first = scene.first();
        scene.release_survivor();
        victim.kill();
        return scene.judge({.first = writer_after(part, first), .deaths = 1});
    } catch (const std::exception& error) {
        return {error.what()};
    }

    void kill_everywhere(const Part& part) {
        const std::uint64_t seed = test_seed();
        SCOPED_TRACE(seed_note(seed));
        Places places("killed while it is to " + part.text());
        bool goes_on = true;
        for (std::uint64_t steps = seed % kStride; goes_on && !places.is_enough();
             steps += kStride) {
            places.try_at(steps, [&] { return kill_after(part, steps, goes_on); });
        }
        places.report(kFewest / kStride, "1 of " + std::to_string(kStride));
    }

    // The others go on as far as they can, then the victim does.
    Scene::Judgement stop_after(const Part& part, std::uint64_t steps, bool& goes_on) try {
        Scene scene(folder(), part.records);
        const OneCore core;
        SteppedChild victim = start(part);
        goes_on = take_steps(part, victim, scene, steps);
        Scene::First first = scene.first();
        victim.stop();
        scene.release_survivor();
        if (first == Scene::First::held_by_victim) {
            scene.await_all_but_first();
            if (scene.survivor_took_first() != 0) return {"the record was handed on"};
        } else {
            scene.await_end();
        }
        const int code = victim.continue_free();
        if (code != 0) return {"the victim ended with " + std::to_string(code)};
        if (first == Scene::First::held_by_victim) first = Scene::First::settled;  // by now
        // Whoever is stopped between publishing and waking leaves the others to their alarm.
        return {scene.judge({.first = writer_after(part, first), .deaths = 0}).wrong};
    } catch (const std::exception& error) {
        return {error.what()};
    }

    void stop_everywhere(const Part& part) {
        constexpr std::uint64_t kEvery = 4 * kStride;
        const std::uint64_t seed = test_seed();
        SCOPED_TRACE(seed_note(seed));
        Places places("stopped while it is to " + part.text());
        bool goes_on = true;
        for (std::uint64_t steps = seed % kEvery; goes_on && !places.is_enough(); steps += kEvery) {
            places.try_at(steps, [&] { return stop_after(part, steps, goes_on); });
        }
        places.report(kFewest / kEvery, "1 of " + std::to_string(kEvery));
    }

    std::string folder() const { return folder_.path().string(); }
    TemporaryFolder folder_;
};

TEST_F(EveryInstructionTest, LosesNothingWhereAClaimerDies) {
    kill_everywhere({"claim", kOneLap});
}

TEST_F(EveryInstructionTest, LosesNothingWhereAClaimerDiesInAFullRing) {
    kill_everywhere({"claim", kLaps});
}

TEST_F(EveryInstructionTest, LosesNothingWhereAPublisherDies) {
    kill_everywhere({"publish", kOneLap});
}

TEST_F(EveryInstructionTest, LosesNothingWhereAPublisherDiesInAFullRing) {
    kill_everywhere({"publish", kLaps});
}

TEST_F(EveryInstructionTest, LosesNothingWhereOneThatSkipsDies) {
    kill_everywhere({"skip", kOneLap});
}

TEST_F(EveryInstructionTest, LosesNothingWhereOneThatSkipsDiesInAFullRing) {
    kill_everywhere({"skip", kLaps});
}

TEST_F(EveryInstructionTest, LosesNothingWhereOneThatDropsDies) {
    kill_everywhere({"drop", kOneLap});
}

TEST_F(EveryInstructionTest, LosesNothingWhereOneThatDropsDiesInAFullRing) {
    kill_everywhere({"drop", kLaps});
}

TEST_F(EveryInstructionTest, KeepsTheRecordOfAClaimerThatIsStopped) {
    stop_everywhere({"claim", kLaps});
}

TEST_F(EveryInstructionTest, KeepsTheRecordOfAPublisherThatIsStopped) {
    stop_everywhere({"publish", kLaps});
}

TEST_F(EveryInstructionTest, KeepsTheRecordOfOneThatIsStoppedWhileItSkips) {
    stop_everywhere({"skip", kOneLap});
}

TEST_F(EveryInstructionTest, KeepsTheRecordOfOneThatIsStoppedWhileItDrops) {
    stop_everywhere({"drop", kLaps});
}

}  // namespace
}  // namespace headrace
