// A trainer killed while it takes a record, and after every single instruction from then until it
// has given it back, while its producer sleeps before a full ring.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <future>
#include <set>

#include "gtest/seed.hpp"
#include "gtest/temporary_folder.hpp"
#include "headrace/error.hpp"
#include "process/every_instruction.hpp"
#include "process/single_step.hpp"

namespace headrace {
namespace {

// Publishes until the ring ends. "" when it ended as it must: with the news of the trainer's death.
std::string produce_until_aborted(const std::string& name, const std::string& directory) try {
    Producer producer = Producer::attach(name, {.directory = directory});
    for (;;) {
        auto record = producer.claim_for(kDeadline);
        if (!record) return "the claim came to: " + std::string(name_of(record.outcome()));
        signed_record::publish(*record, signed_record::survivor);
    }
} catch (const RingAborted& aborted) {
    return std::string(aborted.what()).ends_with("died") ? "" : aborted.what();
} catch (const Error& error) {
    return error.what();
}

class EveryInstructionTrainerTest : public testing::Test {
  protected:
    void SetUp() override {
        if (const std::string why = obstacle_to_stepping(); !why.empty()) GTEST_SKIP() << why;
    }

    // A producer learns of such a death by its alarm alone; meanwhile the next trainers are killed.
    struct Orphan {
        std::uint64_t place;
        std::string ring;
        std::future<std::string> end;
    };

    // So many instructions after it came to `from`. False when it had come to `to` before.
    bool kill_after(std::uint64_t steps, Marks::Place from, Marks::Place to,
                    std::vector<Orphan>& orphans) {
        const std::string ring = "ring" + std::to_string(steps);
        orphans.push_back(
            {steps, ring, std::async(std::launch::async, produce_until_aborted, ring, folder())});
        const OneCore core;
        SteppedChild trainer({"train", ring, folder()});
        while (trainer.place() != from) trainer.run_to_its_stop();
        for (std::uint64_t step = 0; step < steps && trainer.place() != to; ++step) trainer.step();
        const bool goes_on = trainer.place() != to;
        trainer.kill();
        return goes_on;
    }

    // At every so many-th place, from a first one that a seed picks.
    void kill_between(const std::string& what, Marks::Place from, Marks::Place to,
                      std::uint64_t every) {
        constexpr std::size_t kAtATime = 100;
        const std::uint64_t seed = test_seed();
        SCOPED_TRACE(seed_note(seed));
        Places places("a trainer killed while it " + what);
        std::vector<Orphan> orphans;
        bool goes_on = true;
        for (std::uint64_t steps = seed % every; goes_on && !places.is_enough(); steps += every) {
            try {
                goes_on = kill_after(steps, from, to, orphans);
            } catch (const std::exception& error) {
                FAIL() << "place " << steps << ": " << error.what();
            }
            if (orphans.size() == kAtATime) bury(orphans, places);
        }
        bury(orphans, places);
        places.report(80 / every, "1 of " + std::to_string(every));
    }

    // All that is left of them is the file of the socket, which the next ring replaces.
    void bury(std::vector<Orphan>& orphans, Places& places) {
        std::set<std::string> wanted, found;
        for (Orphan& orphan : orphans) {
            places.note(orphan.place, orphan.end.get());
            wanted.insert(orphan.ring + ".sock");
        }
        for (const auto& entry : std::filesystem::directory_iterator(folder_.path())) {
            found.insert(entry.path().filename().string());
        }
        EXPECT_EQ(found, wanted);
        EXPECT_EQ(rings_in_memory(), "");
        for (const Orphan& orphan : orphans) {
            const Ring next = Ring::create({.name = orphan.ring,
                                            .schema = signed_record::schema(),
                                            .slots = 4,
                                            .directory = folder()});
        }
        EXPECT_TRUE(std::filesystem::is_empty(folder_.path()));
        orphans.clear();
    }

    static std::string rings_in_memory() {
        std::ifstream maps("/proc/self/maps");
        std::string found;
        for (std::string line; std::getline(maps, line);) {
            if (line.find("memfd:headrace:") != std::string::npos) found += line + "\n";
        }
        return found;
    }

    std::string folder() const { return folder_.path().string(); }
    TemporaryFolder folder_;
};

TEST_F(EveryInstructionTrainerTest, LeavesNothingAndNobodyBehindWhereItDiesTaking) {
    kill_between("takes a record", Marks::begun, Marks::claimed, 8 * kStride);
}

TEST_F(EveryInstructionTrainerTest, LeavesNothingAndNobodyBehindWhereItDiesWithARecord) {
    kill_between("reads a record and gives it back", Marks::claimed, Marks::done, kStride);
}

}  // namespace
}  // namespace headrace
