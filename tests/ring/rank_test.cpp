#include "headrace/rank.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <optional>
#include <string>

#include "gtest/error_text.hpp"
#include "headrace/error.hpp"

namespace headrace {
namespace {

// The environment without any of the variables that find_rank() knows; afterwards as it was.
class RankTest : public testing::Test {
  protected:
    RankTest() {
        for (const char* const name :
             {"RANK", "WORLD_SIZE", "LOCAL_RANK", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE",
              "OMPI_COMM_WORLD_LOCAL_RANK", "SLURM_PROCID", "SLURM_NTASKS", "SLURM_STEP_NUM_TASKS",
              "SLURM_STEP_ID", "SLURM_LOCALID", "PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID"}) {
            const char* const value = std::getenv(name);
            before_[name] = value == nullptr ? std::nullopt : std::optional<std::string>(value);
            unsetenv(name);
        }
    }
    ~RankTest() override {
        for (const auto& [name, value] : before_) {
            if (value) {
                setenv(name.c_str(), value->c_str(), 1);
            } else {
                unsetenv(name.c_str());
            }
        }
    }
    void set(const std::map<std::string, std::string>& variables) {
        for (const auto& [name, value] : variables) {
            ASSERT_TRUE(before_.contains(name)) << name << " is not put back";
            setenv(name.c_str(), value.c_str(), 1);
        }
    }
    static std::string refusal(const RankOptions& options = {}) {
        return error_text<UsageError>([&] { find_rank(options); });
    }

  private:
    std::map<std::string, std::optional<std::string>> before_;
};

void expect_rank(const Rank& found, std::uint32_t rank, std::uint32_t world_size,
                 std::uint32_t local_rank, const std::string& source) {
    EXPECT_EQ(found.rank, rank);
    EXPECT_EQ(found.world_size, world_size);
    EXPECT_EQ(found.local_rank, local_rank);
    EXPECT_EQ(found.source, source);
}

TEST_F(RankTest, IsAloneWithoutAnyWord) {
    expect_rank(find_rank(), 0, 1, 0, "alone");
}

TEST_F(RankTest, ReadsTheVariablesOfTorchrun) {
    set({{"RANK", "5"}, {"WORLD_SIZE", "8"}, {"LOCAL_RANK", "1"}});
    expect_rank(find_rank(), 5, 8, 1, "RANK");
}

TEST_F(RankTest, ReadsTheVariablesOfOpenMpi) {
    set({{"OMPI_COMM_WORLD_RANK", "2"},
         {"OMPI_COMM_WORLD_SIZE", "3"},
         {"OMPI_COMM_WORLD_LOCAL_RANK", "0"}});
    expect_rank(find_rank(), 2, 3, 0, "Open MPI");
}

TEST_F(RankTest, ReadsTheVariablesOfAStepOfSrun) {
    set({{"SLURM_STEP_ID", "0"},
         {"SLURM_PROCID", "3"},
         {"SLURM_NTASKS", "4"},
         {"SLURM_LOCALID", "1"}});
    expect_rank(find_rank(), 3, 4, 1, "SLURM");
    set({{"SLURM_STEP_NUM_TASKS", "6"}});
    expect_rank(find_rank(), 3, 6, 1, "SLURM");
}

TEST_F(RankTest, ReadsTheVariablesOfPmi) {
    set({{"PMI_RANK", "1"}, {"PMI_SIZE", "2"}, {"MPI_LOCALRANKID", "0"}});
    expect_rank(find_rank(), 1, 2, 0, "PMI");
}

// Each one that is added goes before those that are there.
TEST_F(RankTest, TakesTheFamiliesInTheirOrder) {
    set({{"PMI_RANK", "0"}, {"PMI_SIZE", "2"}});
    EXPECT_EQ(find_rank().source, "PMI");
    set({{"SLURM_STEP_ID", "7"}, {"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "2"}});
    EXPECT_EQ(find_rank().source, "SLURM");
    set({{"OMPI_COMM_WORLD_RANK", "0"}, {"OMPI_COMM_WORLD_SIZE", "3"}});
    EXPECT_EQ(find_rank().source, "Open MPI");
    set({{"RANK", "0"}, {"WORLD_SIZE", "4"}});
    EXPECT_EQ(find_rank().source, "RANK");
    EXPECT_EQ(find_rank({.rank = 0, .world_size = 5}).source, "options");
}

// What a batch script sees: a rank and a number of tasks, though it runs alone.
TEST_F(RankTest, IsAloneInABatchScript) {
    set({{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "4"}, {"SLURM_LOCALID", "0"}});
    expect_rank(find_rank(), 0, 1, 0, "alone");
    set({{"SLURM_PROCID", "no number"}});
    expect_rank(find_rank(), 0, 1, 0, "alone");
}

// The shell that salloc starts on a node is a step, but not one of ranks.
TEST_F(RankTest, IsAloneInTheShellOfAnAllocation) {
    set({{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "4"}});
    for (const char* const step : {"4294967290", "4294967291", "4294967292", "batch", "extern"}) {
        set({{"SLURM_STEP_ID", step}});
        EXPECT_EQ(find_rank().source, "alone") << step;
    }
    set({{"SLURM_STEP_ID", "4294967280"}});
    EXPECT_EQ(find_rank().source, "SLURM") << "the last number that a step of tasks can have";
}

// mpiexec starts its helpers, one a node, with srun: each rank has the numbers of its helper.
TEST_F(RankTest, BelievesPmiWhereSrunStartedOnlyTheHelpers) {
    set({{"SLURM_STEP_ID", "0"},
         {"SLURM_PROCID", "0"},
         {"SLURM_NTASKS", "1"},
         {"SLURM_LOCALID", "0"},
         {"PMI_RANK", "3"},
         {"PMI_SIZE", "4"},
         {"MPI_LOCALRANKID", "3"}});
    expect_rank(find_rank(), 3, 4, 3, "PMI");
    set({{"PMI_RANK", "0"}, {"MPI_LOCALRANKID", "0"}});
    expect_rank(find_rank(), 0, 4, 0, "PMI");
    set({{"PMI_SIZE", "1"}});
    expect_rank(find_rank(), 0, 1, 0, "SLURM");
    set({{"PMI_RANK", ""}, {"PMI_SIZE", "4"}});
    expect_rank(find_rank(), 0, 1, 0, "SLURM");
}

TEST_F(RankTest, TakesVariablesThatAreSetToNothingAsNotSet) {
    set({{"RANK", ""},
         {"WORLD_SIZE", ""},
         {"LOCAL_RANK", ""},
         {"SLURM_STEP_ID", ""},
         {"SLURM_PROCID", "1"},
         {"PMI_RANK", "1"},
         {"PMI_SIZE", "2"},
         {"MPI_LOCALRANKID", ""}});
    expect_rank(find_rank(), 1, 2, 1, "PMI");
}

TEST_F(RankTest, TakesTheRankForTheLocalRankThatNobodyTells) {
    set({{"RANK", "2"}, {"WORLD_SIZE", "3"}});
    expect_rank(find_rank(), 2, 3, 2, "RANK");
    expect_rank(find_rank({.rank = 4, .world_size = 6}), 4, 6, 4, "options");
}

TEST_F(RankTest, LetsOptionsWin) {
    set({{"RANK", "2"}, {"WORLD_SIZE", "3"}, {"LOCAL_RANK", "2"}});
    expect_rank(find_rank({.rank = 0, .world_size = 2, .local_rank = 5}), 0, 2, 5, "options");
    expect_rank(find_rank({.local_rank = 7}), 2, 3, 7, "RANK");
    set({{"RANK", "nonsense"}});
    expect_rank(find_rank({.rank = 1, .world_size = 2}), 1, 2, 1, "options");
}

TEST_F(RankTest, RefusesHalfOfTheOptions) {
    set({{"RANK", "2"}, {"WORLD_SIZE", "3"}});
    EXPECT_EQ(refusal({.rank = 1}),
              "rank: RankOptions::rank is 1, but RankOptions::world_size is not given; wanted "
              "both, or neither");
    EXPECT_EQ(refusal({.world_size = 4, .local_rank = 0}),
              "rank: RankOptions::world_size is 4, but RankOptions::rank is not given; wanted "
              "both, or neither");
}

TEST_F(RankTest, RefusesHalfAFamilyByName) {
    set({{"RANK", "1"}});
    EXPECT_EQ(refusal(),
              "rank: RANK is \"1\", without WORLD_SIZE; wanted both RANK and WORLD_SIZE, or "
              "nothing of them");
    set({{"RANK", ""}, {"LOCAL_RANK", "1"}, {"WORLD_SIZE", "2"}});
    EXPECT_TRUE(contains(refusal(), "WORLD_SIZE is \"2\", LOCAL_RANK is \"1\", without RANK"));
    set({{"WORLD_SIZE", ""}});
    EXPECT_TRUE(contains(refusal(), "LOCAL_RANK is \"1\", without RANK and WORLD_SIZE"));
    set({{"LOCAL_RANK", ""}, {"OMPI_COMM_WORLD_SIZE", "2"}});
    EXPECT_TRUE(contains(refusal(), "OMPI_COMM_WORLD_SIZE is \"2\", without OMPI_COMM_WORLD_RANK"));
    set({{"OMPI_COMM_WORLD_SIZE", ""}, {"SLURM_STEP_ID", "0"}, {"SLURM_STEP_NUM_TASKS", "2"}});
    EXPECT_TRUE(contains(refusal(), "SLURM_STEP_NUM_TASKS is \"2\", without SLURM_PROCID"));
    set({{"SLURM_STEP_NUM_TASKS", ""}, {"SLURM_PROCID", "0"}});
    EXPECT_TRUE(contains(refusal(), "SLURM_PROCID is \"0\", without SLURM_NTASKS"));
    set({{"SLURM_PROCID", ""}, {"PMI_RANK", "0"}});
    EXPECT_TRUE(contains(refusal(), "PMI_RANK is \"0\", without PMI_SIZE"));
}

TEST_F(RankTest, RefusesNumbersThatAreNone) {
    for (const std::string bad : {"-1", "+1", " 1", "1 ", "1.0", "0x1", "one", "4294967296"}) {
        set({{"RANK", bad}, {"WORLD_SIZE", "2"}, {"LOCAL_RANK", ""}});
        EXPECT_EQ(refusal(), "rank: RANK is \"" + bad +
                                 "\", wanted a whole number from 0 to 4294967295; correct or "
                                 "unset it");
        set({{"RANK", "0"}, {"WORLD_SIZE", bad}});
        EXPECT_TRUE(contains(refusal(), "rank: WORLD_SIZE is \"" + bad + "\""));
        set({{"WORLD_SIZE", "2"}, {"LOCAL_RANK", bad}});
        EXPECT_TRUE(contains(refusal(), "rank: LOCAL_RANK is \"" + bad + "\""));
    }
}

TEST_F(RankTest, RefusesARankThatIsNotBelowTheWorldSize) {
    set({{"OMPI_COMM_WORLD_RANK", "3"}, {"OMPI_COMM_WORLD_SIZE", "3"}});
    EXPECT_EQ(refusal(),
              "rank: OMPI_COMM_WORLD_RANK is 3, wanted less than OMPI_COMM_WORLD_SIZE, which is 3");
    set({{"OMPI_COMM_WORLD_RANK", "2"}, {"OMPI_COMM_WORLD_LOCAL_RANK", "3"}});
    EXPECT_TRUE(contains(refusal(), "OMPI_COMM_WORLD_LOCAL_RANK is 3, wanted less than"));
    set({{"OMPI_COMM_WORLD_SIZE", "0"}});
    EXPECT_EQ(refusal(), "rank: OMPI_COMM_WORLD_SIZE is 0, wanted 1 or more");
    EXPECT_EQ(refusal({.rank = 2, .world_size = 2}),
              "rank: RankOptions::rank is 2, wanted less than RankOptions::world_size, which is 2");
    EXPECT_EQ(refusal({.rank = 0, .world_size = 0}),
              "rank: RankOptions::world_size is 0, wanted 1 or more");
}

TEST_F(RankTest, HoldsTheLargestNumbers) {
    set({{"RANK", "4294967294"}, {"WORLD_SIZE", "4294967295"}, {"LOCAL_RANK", "0"}});
    expect_rank(find_rank(), 4294967294u, 4294967295u, 0, "RANK");
}

}  // namespace
}  // namespace headrace
