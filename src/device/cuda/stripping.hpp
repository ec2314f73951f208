// Stripping on a GPU: how large the grids are, and a batch that goes into memory of the trainer's.
#pragma once

#include <cuda_runtime_api.h>

#include "device/backend.hpp"

namespace headrace::device::cuda {

// Blocks at the most of a kernel that reads and writes the GPU's own memory. Throws DeviceError.
unsigned strip_blocks(int ordinal);

// Enqueues on a stream of the trainer's, from whichever thread: one launch for all fields that lie
// in rows, and copies of what is packed. Throws DeviceError.
void strip(int ordinal, const StripPlan& plan, cudaStream_t stream);

}  // namespace headrace::device::cuda
