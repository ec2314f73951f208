// Which of how many processes that train together this one is: what a data-parallel run needs to
// give each of its rings its share of the records.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "headrace/export.hpp"

namespace headrace {

/// One of several processes that train together.
struct Rank {
    std::uint32_t rank = 0;        ///< below world_size
    std::uint32_t world_size = 1;  ///< at least 1
    std::uint32_t local_rank = 0;  ///< among the ranks of this machine: which GPU to take
    std::string source = {};       ///< who said so, see find_rank()
    bool operator==(const Rank&) const = default;
};

/// What is known without asking the environment.
struct RankOptions {
    std::optional<std::uint32_t> rank = {};        ///< below world_size
    std::optional<std::uint32_t> world_size = {};  ///< together with rank
    std::optional<std::uint32_t> local_rank = {};  ///< alone too: instead of the environment's
};

/// Options win. Without `rank` and `world_size` the environment is asked, and the first of these
/// families that is there counts; a variable that is set to nothing is not there.
///
/// | source     | variables                                                                    |
/// |------------|------------------------------------------------------------------------------|
/// | options    |                                                                              |
/// | RANK       | RANK, WORLD_SIZE, LOCAL_RANK: torchrun, or by hand                           |
/// | Open MPI   | OMPI_COMM_WORLD_RANK, OMPI_COMM_WORLD_SIZE, OMPI_COMM_WORLD_LOCAL_RANK       |
/// | SLURM      | SLURM_PROCID, SLURM_STEP_NUM_TASKS or else SLURM_NTASKS, SLURM_LOCALID       |
/// | PMI        | PMI_RANK, PMI_SIZE, MPI_LOCALRANKID: MPICH and its kin                       |
/// | alone      | none: rank 0 of 1                                                            |
///
/// SLURM's count in a step that `srun` started, only: a batch script and the shell of `salloc` see
/// them too, and run alone. In a step in which PMI's say otherwise PMI's count, for there `mpiexec`
/// has started the ranks, and `srun` no more than its helpers.
///
/// Where nothing tells the local rank it is the rank: right on one machine; on several it names a
/// GPU that is not there, which is refused, rather than one that another rank has taken.
///
/// Throws UsageError that names the variable, or the option, what it was found to be and what was
/// wanted: a family or a pair of options of which only a part is there, what is no whole number,
/// and a rank or local rank (other than that of the options) not below the world size.
///
/// Reads the environment (getenv): not while another thread changes it (setenv, putenv). Thread-
/// safe otherwise.
HEADRACE_EXPORT Rank find_rank(const RankOptions& options = {});

}  // namespace headrace
