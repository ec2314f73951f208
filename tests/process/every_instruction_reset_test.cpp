// A ring that is reset while a producer stands after any instruction of its claim, or of what it
// does with the record: it goes on, or is killed there, and no record of the new order is wrong,
// lost or doubled for it.
#include <gtest/gtest.h>

#include <future>
#include <optional>
#include <stdexcept>

#include "gtest/seed.hpp"
#include "gtest/temporary_folder.hpp"
#include "headrace/error.hpp"
#include "process/every_instruction.hpp"
#include "process/single_step.hpp"
#include "ring/ring_core.hpp"

namespace headrace {
namespace {

constexpr std::uint64_t kFewest = 80;  // as in EveryInstructionTest
constexpr std::uint64_t kRecords = 6;  // of an epoch, the only one
constexpr std::uint32_t kSlots = 4;
// The victim's record. Something must have been claimed before, or a reset has nothing to do.
constexpr std::uint64_t kFirst = 2;

// When the consumer passes over what a reset has discarded: before the victim goes on, as far as it
// can, or when the victim can do nothing more without that.
enum class Passing { at_once, late };

struct Part {
    std::string name;  // claim, or as headrace_test_stepped has it
    Passing passing = Passing::at_once;
    bool is_killed = false;
    bool is_claim() const { return name == "claim"; }
};

// What came of a place.
struct Came {
    bool goes_on = true;      // the part was not over yet
    bool is_claimed = false;  // the victim had swapped itself in
    bool is_anew = false;     // it has written a record of the new order
};

struct Counts {
    std::uint64_t anew = 0;    // places that left the victim a record of the new order
    std::uint64_t undone = 0;  // of these, those where it had claimed one of the old
};

// The ring, its consumer and the survivor, all in this thread.
class ResetScene {
  public:
    explicit ResetScene(const std::string& directory)
        : ring_(Ring::create({.name = "test",
                              .schema = signed_record::schema(),
                              .slots = kSlots,
                              .epoch_records = kRecords,
                              .epochs = 1,
                              .directory = directory})),
          consumer_(ring_.consumer({.stall_timeout = kDeadline})),
          survivor_(ring_.producer("survivor")) {
        for (std::uint64_t i = 0; i < kFirst; ++i) {
            auto record = survivor_.claim();
            signed_record::publish(*record, signed_record::survivor);
        }
        consumer_.get();
    }

    void reset(Passing passing) {
        ring_.reset();
        if (passing == Passing::at_once && consumer_.try_get()) {
            throw std::runtime_error("a record from before the reset");
        }
    }
    // Whether the victim has swapped itself in; the survivor's records are others.
    bool is_claimed() const {
        const std::uint64_t word = ring_.shared_core()->protocol().word_at(kFirst % kSlots);
        return ring::distance(word, kFirst) == 0 &&
               ring::state_of(word) == ring::SlotState::writing;
    }
    // The victim has ended or, after a claim that was undone, waits for the consumer.
    void await_victim() {
        await("a victim that waits or has ended", [this] {
            const ProducerStats victim = ring_.stats().producers.at(1);
            return victim.state != ProducerState::attached || victim.waited_s > 0;
        });
    }
    // Has all of the new order come, by whomever; what is wrong with it, as text. `is_victims`:
    // whether the victim wrote some of it.
    std::string judge(bool is_killed, bool& is_victims) {
        std::string wrong;
        for (std::uint64_t place = 0; place < kRecords; ++place) {
            const RecordLease record = next();
            const auto writer = signed_record::writer_of(record);
            if (writer == signed_record::nobody) wrong += "torn; ";
            if (writer == signed_record::victim) is_victims = true;
            if (record.item() != place) {
                wrong += "item " + std::to_string(record.item()) + " for " + std::to_string(place) +
                         "; ";
            }
        }
        if (consumer_.get().outcome() != Outcome::end_of_epoch) wrong += "no end of the epoch; ";
        if (consumer_.get().outcome() != Outcome::end) wrong += "no end; ";
        if (survivor_.claim_for(kDeadline).outcome() != Outcome::end) wrong += "work is left; ";
        await("the victim's end in the books",
              [this] { return ring_.stats().producers.at(1).state != ProducerState::attached; });
        return wrong + wrong_books(is_killed);
    }

  private:
    RecordLease next() {
        std::optional<RecordLease> next;
        await("a record", [&] {
            if (auto record = survivor_.try_claim()) {
                signed_record::publish(*record, signed_record::survivor);
            }
            if (auto record = consumer_.try_get()) next = std::move(*record);
            return next.has_value();
        });
        return std::move(*next);
    }
    std::string wrong_books(bool is_killed) const {
        const Stats stats = ring_.stats();
        std::string wrong;
        const auto compare = [&wrong](const char* what, std::uint64_t found, std::uint64_t right) {
            if (found == right) return;
            wrong += std::string(what) + " " + std::to_string(found) + ", wanted " +
                     std::to_string(right) + "; ";
        };
        compare("delivered", stats.delivered, 1 + kRecords);
        compare("lost", stats.lost, 0);
        compare("in the ring", stats.in_ring, 0);
        compare("deaths", stats.deaths, is_killed ? 1 : 0);
        compare("claimed", stats.claimed, stats.delivered + stats.discarded);
        return wrong;
    }

    Ring ring_;
    Consumer consumer_;
    Producer survivor_;
};

class EveryInstructionResetTest : public testing::Test {
  protected:
    void SetUp() override {
        if (const std::string why = obstacle_to_stepping(); !why.empty()) GTEST_SKIP() << why;
    }

    // The victim so many instructions into its part. False when the part is over before that.
    static bool take_steps(const Part& part, SteppedChild& victim, std::uint64_t steps) {
        victim.run_to_its_stop();
        if (!part.is_claim()) victim.run_to_its_stop();
        const int end = part.is_claim() ? Marks::claimed : Marks::done;
        for (std::uint64_t step = 0; step < steps && victim.place() != end; ++step) victim.step();
        return victim.place() != end;
    }

    std::string reset_after(const Part& part, std::uint64_t steps, Came& came) try {
        const std::string folder = folder_.path().string();
        ResetScene scene(folder);
        const OneCore core;
        SteppedChild victim({part.is_claim() ? "publish" : part.name, "test", folder});
        came.goes_on = take_steps(part, victim, steps);
        came.is_claimed = scene.is_claimed();
        if (part.is_killed) {
            scene.reset(part.passing);
            victim.kill();
            return scene.judge(true, came.is_anew);
        }
        victim.stop();
        scene.reset(part.passing);
        auto judgement = std::async(std::launch::async, [&] {
            scene.await_victim();
            return scene.judge(false, came.is_anew);
        });
        const int code = victim.continue_free();
        const std::string wrong = judgement.get();
        return code == 0 ? wrong : wrong + "the victim ended with " + std::to_string(code);
    } catch (const std::exception& error) {
        return error.what();
    }

    Counts reset_everywhere(const Part& part) {
        // Of a claim every one: few lie between its swap and its look at the floor.
        const std::uint64_t every = part.is_claim() ? kStride : 4 * kStride;
        const std::uint64_t seed = test_seed();
        SCOPED_TRACE(seed_note(seed));
        Places places("reset while one is to " + part.name);
        Counts counts;
        Came came;
        for (std::uint64_t steps = seed % every; came.goes_on && !places.is_enough();
             steps += every) {
            came = {};
            places.note(steps, reset_after(part, steps, came));
            if (came.is_anew) ++counts.anew;
            if (came.is_anew && came.is_claimed) ++counts.undone;
        }
        places.report(kFewest / every, "1 of " + std::to_string(every));
        return counts;
    }

    TemporaryFolder folder_;
};

TEST_F(EveryInstructionResetTest, UndoesTheClaimOfOneThatIsOvertaken) {
    const Counts counts = reset_everywhere({"claim", Passing::at_once});
    EXPECT_GT(counts.anew, counts.undone) << "some had read the tail only";
    EXPECT_GT(counts.undone, 0u) << "others had claimed, but not seen the floor";
}

TEST_F(EveryInstructionResetTest, UndoesAClaimBeforeTheConsumerGoesAlong) {
    const Counts counts = reset_everywhere({"claim", Passing::late});
    EXPECT_GT(counts.anew, counts.undone) << "some had read the tail only";
    EXPECT_GT(counts.undone, 0u) << "others had claimed, but not seen the floor";
}

TEST_F(EveryInstructionResetTest, GoesOnWhereAClaimerDies) {
    EXPECT_EQ(reset_everywhere({"claim", Passing::at_once, true}).anew, 0u);
}

TEST_F(EveryInstructionResetTest, DiscardsWhatIsPublished) {
    EXPECT_EQ(reset_everywhere({"publish", Passing::at_once}).anew, 0u);
}

TEST_F(EveryInstructionResetTest, DiscardsWhatAPublisherLeavesThatDies) {
    EXPECT_EQ(reset_everywhere({"publish", Passing::late, true}).anew, 0u);
}

TEST_F(EveryInstructionResetTest, DiscardsWhatIsSkipped) {
    EXPECT_EQ(reset_everywhere({"skip", Passing::at_once}).anew, 0u);
}

TEST_F(EveryInstructionResetTest, DiscardsWhatIsDropped) {
    EXPECT_EQ(reset_everywhere({"drop", Passing::at_once}).anew, 0u);
}

}  // namespace
}  // namespace headrace
