// How fast this machine's link is, found out at start-up by moving what lies in the ring.
#pragma once

#include <cuda_runtime_api.h>

#include "device/cuda/pinned_ring.hpp"
#include "device/link_cost.hpp"

namespace headrace::device::cuda {

// Blocks of the gather kernel: enough to fill a PCIe 5 link, and few enough to leave the
// multiprocessors to the trainer (64 blocks reached 51 GB/s of 55; without a cap a kernel running
// beside it took 1.6 times as long; tokenspeed#150, #439).
inline constexpr unsigned kGatherBlocks = 64;
// Blocks of the kernels that read and write the GPU's own memory, for each multiprocessor: three or
// four are resident at one time (kernels/grid.hpp); some more even out how long they take.
inline constexpr unsigned kStripBlocksPerProcessor = 8;

// Takes some hundred copies of 16 MiB at the most (expected: hundredths of a second), device memory
// of 32 MiB at the most for that time, and waits for the stream. Reads the ring, whatever it holds,
// and writes nothing there. Throws DeviceError.
LinkRates measure_link(int ordinal, cudaStream_t stream, const PinnedRing& ring,
                       unsigned strip_blocks);

}  // namespace headrace::device::cuda
