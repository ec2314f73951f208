// A consumer killed, and stopped, after every single instruction between its call for a record, or
// for two, and the end of giving back, while a producer sleeps before a full ring and another
// consumer, which shares the ring, for the same slots or for the end.
#include <gtest/gtest.h>

#include "gtest/seed.hpp"
#include "gtest/temporary_folder.hpp"
#include "process/every_instruction.hpp"
#include "process/shared_scene.hpp"
#include "process/single_step.hpp"

namespace headrace {
namespace {

// Nothing of what is stepped here takes as few instructions.
constexpr std::uint64_t kFewest = 200;

// One lap: all there is lies in the ring, and the other waits at the end for what may come back.
// More than two: it waits for the slot.
constexpr std::uint64_t kOneLap = SharedScene::kSlots, kLaps = 2 * SharedScene::kSlots + 1;

// What is stepped: taking one, two, or one behind a hole; or giving that back, taken at full speed.
struct Part {
    std::string name;  // as headrace_test_stepped has it
    bool gives_back = false;
    std::uint64_t records = kLaps;
    bool hole = false;
    // What the victim takes, as bits of indices.
    std::uint64_t taken() const {
        if (hole) return 0b11;
        return name == "take" ? 0b1 : 0b11;
    }
    std::string text() const {
        return std::string(gives_back ? "give back what it took to " : "") + name +
               (hole ? " behind a hole" : "") + " of " + std::to_string(records) + " records,";
    }
};

class EveryInstructionConsumerTest : public testing::Test {
  protected:
    void SetUp() override {
        if (const std::string why = obstacle_to_stepping(); !why.empty()) GTEST_SKIP() << why;
    }

    // So many instructions into its part, which begins with a full ring and, where the record was
    // taken before, another consumer that sleeps. False when the part is over before that.
    static bool take_steps(const Part& part, SteppedChild& victim, SharedScene& scene,
                           std::uint64_t steps) {
        victim.run_to_its_stop();
        if (part.gives_back) {
            victim.run_to_its_stop();
            scene.release_other();
        }
        const int end = part.gives_back ? Marks::done : Marks::claimed;
        for (std::uint64_t step = 0; step < steps && victim.place() != end; ++step) victim.step();
        return victim.place() != end;
    }

    Scene::Judgement kill_after(const Part& part, std::uint64_t steps, bool& goes_on) try {
        SharedScene scene(folder(), part.records, part.hole);
        scene.await_full_ring();
        const OneCore core;
        SteppedChild victim({part.name, "test", folder()});
        goes_on = take_steps(part, victim, scene, steps);
        const SharedScene::Hands hands = scene.victims_hands();
        // What the other is given while the victim holds the first of them is the other's.
        const std::uint64_t victims = part.taken() & hands.let_go;
        scene.release_other();
        victim.kill();
        return scene.judge({.by_other = scene.all_records() & ~victims,
                            .again = hands.held,
                            .deaths = 1,
                            .redelivered = number_of(hands.held)});
    } catch (const std::exception& error) {
        return {error.what()};
    }

    // The other goes on as far as it can, then the victim does.
    Scene::Judgement stop_after(const Part& part, std::uint64_t steps, bool& goes_on) try {
        SharedScene scene(folder(), part.records, part.hole);
        scene.await_full_ring();
        const OneCore core;
        SteppedChild victim({part.name, "test", folder()});
        goes_on = take_steps(part, victim, scene, steps);
        const SharedScene::Hands hands = scene.victims_hands();
        victim.stop();
        scene.release_other();
        if ((scene.given_to_other() & hands.held) != 0) return {"the record was handed on"};
        if (hands.held == 0 && !hands.is_hole_held) scene.await_end();
        const int code = victim.continue_free();
        if (code != 0) {
            return {"the victim ended with " + std::to_string(code) + " " + victim.error()};
        }
        // Whoever is stopped between settling and waking leaves the others to their alarm.
        return {scene.judge({.by_other = scene.all_records() & ~victim.given()}).wrong};
    } catch (const std::exception& error) {
        return {error.what()};
    }

    // A third takes two records and goes with one, while the victim is in the middle of its call:
    // it is the only one left to find that.
    Scene::Judgement find_after(const Part& part, std::uint64_t steps, bool& goes_on) try {
        SharedScene scene(folder(), part.records, part.hole);
        scene.await_full_ring();
        const OneCore core;
        SteppedChild victim({part.name, "test", folder()});
        goes_on = take_steps(part, victim, scene, steps);
        const std::uint64_t thirds = scene.take_and_go();
        const int code = victim.run_free();
        if (code != 0) {
            return {"the victim ended with " + std::to_string(code) + " " + victim.error()};
        }
        if (victim.given() != (scene.all_records() & ~thirds)) {
            return {"the victim was not given all"};
        }
        return scene.judge({.redelivered = 1});
    } catch (const std::exception& error) {
        return {error.what()};
    }

    using Attempt = Scene::Judgement (EveryInstructionConsumerTest::*)(const Part&, std::uint64_t,
                                                                       bool&);
    // At every so many-th place, from a first one that a seed picks.
    void try_everywhere(const std::string& what, const Part& part, Attempt attempt,
                        std::uint64_t every) {
        const std::uint64_t seed = test_seed();
        SCOPED_TRACE(seed_note(seed));
        Places places(what + part.text());
        bool goes_on = true;
        for (std::uint64_t steps = seed % every; goes_on && !places.is_enough(); steps += every) {
            places.try_at(steps, [&] { return (this->*attempt)(part, steps, goes_on); });
        }
        places.report(kFewest / every, "1 of " + std::to_string(every));
    }
    // Where there are thousands of places every other one, or third, will do: the time goes by
    // their square.
    void kill_everywhere(const Part& part, std::uint64_t every = 1) {
        try_everywhere("killed while it is to ", part, &EveryInstructionConsumerTest::kill_after,
                       every * kStride);
    }
    void stop_everywhere(const Part& part) {
        try_everywhere("stopped while it is to ", part, &EveryInstructionConsumerTest::stop_after,
                       4 * kStride);
    }

    void find_everywhere(const Part& part) {
        try_everywhere("another goes with a record while it is to ", part,
                       &EveryInstructionConsumerTest::find_after, kStride);
    }

    static std::uint64_t number_of(std::uint64_t bits) {
        return static_cast<std::uint64_t>(__builtin_popcountll(bits));
    }
    std::string folder() const { return folder_.path().string(); }
    TemporaryFolder folder_;
};

TEST_F(EveryInstructionConsumerTest, HandsOnWhatATakerHeldWhereItDies) {
    kill_everywhere({.name = "take"});
}

TEST_F(EveryInstructionConsumerTest, HandsOnWhatATakerHeldWhereItDiesAtTheEnd) {
    kill_everywhere({.name = "take", .records = kOneLap});
}

TEST_F(EveryInstructionConsumerTest, HandsOnBothWhereATakerOfTwoDies) {
    kill_everywhere({.name = "take two"}, 2);
}

TEST_F(EveryInstructionConsumerTest, CountsTheHoleOnceWhereATakerDiesPassingOverIt) {
    kill_everywhere({.name = "take", .hole = true}, 3);
}

TEST_F(EveryInstructionConsumerTest, CountsWhatWasGivenBackWhereOneDiesGivingBack) {
    kill_everywhere({.name = "take", .gives_back = true});
}

TEST_F(EveryInstructionConsumerTest, CountsWhatWasGivenBackWhereOneDiesGivingBackAtTheEnd) {
    kill_everywhere({.name = "take", .gives_back = true, .records = kOneLap});
}

TEST_F(EveryInstructionConsumerTest, CountsWhatWasGivenBackWhereOneDiesGivingBackTwo) {
    kill_everywhere({.name = "take two", .gives_back = true});
}

TEST_F(EveryInstructionConsumerTest, LeavesATakerThatIsStoppedItsRecord) {
    stop_everywhere({.name = "take"});
}

TEST_F(EveryInstructionConsumerTest, LeavesATakerThatIsStoppedItsRecordAtTheEnd) {
    stop_everywhere({.name = "take", .records = kOneLap});
}

TEST_F(EveryInstructionConsumerTest, LeavesATakerThatIsStoppedItsHole) {
    stop_everywhere({.name = "take", .hole = true});
}

TEST_F(EveryInstructionConsumerTest, LeavesOneThatIsStoppedWhileItGivesBackItsRecords) {
    stop_everywhere({.name = "take two", .gives_back = true});
}

TEST_F(EveryInstructionConsumerTest, FindsWhatCameBackWhereverItsTakerIs) {
    find_everywhere({.name = "take", .records = kOneLap});
}

}  // namespace
}  // namespace headrace
