#include "headrace/rank.hpp"

#include <charconv>
#include <cstdlib>
#include <string_view>
#include <utility>

#include "headrace/error.hpp"

namespace headrace {

namespace {

// A variable of the environment. Set to nothing is the same as not set: that is how scripts and
// container files take one back.
struct Variable {
    explicit Variable(const char* its_name) : name(its_name) {
        if (const char* const text = std::getenv(its_name)) value = text;
    }
    bool is_set() const { return !value.empty(); }
    // As an error shows it.
    std::string text() const { return name + " is \"" + value + "\""; }

    std::string name, value;
};

std::optional<std::uint32_t> whole_number(std::string_view text) {
    std::uint32_t number = 0;
    const char* const last = text.data() + text.size();
    const auto [end, error] = std::from_chars(text.data(), last, number);
    if (error != std::errc{} || end != last) return std::nullopt;
    return number;
}

std::uint32_t number_of(const Variable& variable) {
    if (const auto number = whole_number(variable.value)) return *number;
    throw UsageError("rank: " + variable.text() +
                     ", wanted a whole number from 0 to 4294967295; correct or unset it");
}

void expect_below(const std::string& name, std::uint32_t number, const std::string& size_name,
                  std::uint32_t size) {
    if (size == 0) throw UsageError("rank: " + size_name + " is 0, wanted 1 or more");
    if (number < size) return;
    throw UsageError("rank: " + name + " is " + std::to_string(number) + ", wanted less than " +
                     size_name + ", which is " + std::to_string(size));
}

struct Family {
    const char* source;
    Variable rank, size, local;

    bool is_there() const { return rank.is_set() || size.is_set() || local.is_set(); }
};

// Every part of it must be there but for the local rank.
Rank rank_of(const Family& family) {
    std::string found, missing;
    for (const Variable* const variable : {&family.rank, &family.size, &family.local}) {
        if (variable->is_set()) {
            found += (found.empty() ? "" : ", ") + variable->text();
        } else if (variable != &family.local) {
            missing += (missing.empty() ? "" : " and ") + variable->name;
        }
    }
    if (!missing.empty()) {
        throw UsageError("rank: " + found + ", without " + missing + "; wanted both " +
                         family.rank.name + " and " + family.size.name + ", or nothing of them");
    }
    Rank rank{.rank = number_of(family.rank),
              .world_size = number_of(family.size),
              .local_rank = number_of(family.local.is_set() ? family.local : family.rank),
              .source = family.source};
    expect_below(family.rank.name, rank.rank, family.size.name, rank.world_size);
    expect_below(family.local.name, rank.local_rank, family.size.name, rank.world_size);
    return rank;
}

// Whether srun started this process as a task of a step. A batch script and the shell of `salloc`
// have SLURM_NTASKS, and even a SLURM_PROCID of 0, though they run alone: only a step has
// SLURM_STEP_ID (srun(1), "Output environment variables"; Lightning-AI/pytorch-lightning#21712).
// The shell that salloc puts on a node of the allocation has it as well, with one of the numbers
// that are kept for steps of no ranks (SLURM_MAX_NORMAL_STEP_ID and SLURM_INTERACTIVE_STEP in
// slurm.h).
bool is_in_slurm_step() {
    constexpr std::uint32_t kLastStepOfTasks = 0xfffffff0;
    const auto step = whole_number(Variable("SLURM_STEP_ID").value);
    return step && *step <= kLastStepOfTasks;
}

Family slurm() {
    // In a step SLURM_NTASKS may still be that of the whole allocation (`srun --preserve-env`).
    Variable size("SLURM_STEP_NUM_TASKS");
    if (!size.is_set()) size = Variable("SLURM_NTASKS");
    return {"SLURM", Variable("SLURM_PROCID"), std::move(size), Variable("SLURM_LOCALID")};
}

// MPICH's mpiexec starts one helper a node with `srun -N nodes -n nodes`, and those the ranks,
// which so have the numbers of a helper (HYDT_bscd_slurm_launch_procs in MPICH's slurm_launch.c).
// Where srun itself serves PMI the two agree.
bool is_overruled_by(const Family& pmi, const Rank& slurm_rank) {
    if (!pmi.rank.is_set() || !pmi.size.is_set()) return false;
    const Rank rank = rank_of(pmi);
    return rank.rank != slurm_rank.rank || rank.world_size != slurm_rank.world_size;
}

Rank rank_in_environment() {
    const Family torchrun{"RANK", Variable("RANK"), Variable("WORLD_SIZE"), Variable("LOCAL_RANK")};
    if (torchrun.is_there()) return rank_of(torchrun);

    const Family open_mpi{"Open MPI", Variable("OMPI_COMM_WORLD_RANK"),
                          Variable("OMPI_COMM_WORLD_SIZE"), Variable("OMPI_COMM_WORLD_LOCAL_RANK")};
    if (open_mpi.is_there()) return rank_of(open_mpi);

    const Family pmi{"PMI", Variable("PMI_RANK"), Variable("PMI_SIZE"),
                     Variable("MPI_LOCALRANKID")};
    if (is_in_slurm_step()) {
        const Family step = slurm();
        if (step.is_there()) {
            Rank rank = rank_of(step);
            if (!is_overruled_by(pmi, rank)) return rank;
        }
    }
    if (pmi.is_there()) return rank_of(pmi);
    return {.source = "alone"};
}

}  // namespace

Rank find_rank(const RankOptions& options) {
    if (options.rank.has_value() != options.world_size.has_value()) {
        const bool has_rank = options.rank.has_value();
        throw UsageError(std::string("rank: RankOptions::") + (has_rank ? "rank" : "world_size") +
                         " is " + std::to_string(has_rank ? *options.rank : *options.world_size) +
                         ", but RankOptions::" + (has_rank ? "world_size" : "rank") +
                         " is not given; wanted both, or neither");
    }
    if (!options.rank) {
        Rank rank = rank_in_environment();
        if (options.local_rank) rank.local_rank = *options.local_rank;
        return rank;
    }
    expect_below("RankOptions::rank", *options.rank, "RankOptions::world_size",
                 *options.world_size);
    return {.rank = *options.rank,
            .world_size = *options.world_size,
            .local_rank = options.local_rank.value_or(*options.rank),
            .source = "options"};
}

}  // namespace headrace
