// The ranks of a run, joined by one of LibTorch's own process groups: Gloo on the CPU, NCCL on
// GPUs.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>

#include "headrace/device.hpp"
#include "headrace/rank.hpp"

namespace distributed {

/// What all ranks do together. Every rank makes the same calls in the same order; one thread.
class ProcessGroup {
  public:
    virtual ~ProcessGroup() = default;
    /// Afterwards `values` holds, on every rank, the sum over all ranks. Contiguous. On a GPU
    /// LibTorch's current stream waits for it, the host does not.
    virtual void sum(at::Tensor& values) = 0;
    /// Afterwards `values` holds what rank 0 had.
    virtual void broadcast(at::Tensor& values) = 0;
};

/// Whether this program can join ranks on GPUs: it was built with NCCL.
bool has_nccl() noexcept;

/// Joins the ranks; returns when all have come. They find each other
/// - in the file `store`, where one is given: one that all ranks see and no earlier run has left;
/// - else at MASTER_ADDR:MASTER_PORT, where both are set: by torchrun, or by hand;
/// - else in the folder that Open MPI's mpirun makes for its job, where all run on this machine.
/// Throws UsageError that says what is missing, and what LibTorch throws when ranks do not come.
std::unique_ptr<ProcessGroup> join(const headrace::Rank& rank, const headrace::Device& device,
                                   const std::string& store);

}  // namespace distributed
