// The shape of a launch: how many blocks, of how many threads.
#pragma once

#include <cstdint>

#include "kernels/host_device.hpp"
#include "kernels/tiles.hpp"

namespace headrace::kernels {

inline constexpr unsigned kBlockThreads = 256;
// At least so many blocks fit a multiprocessor at one time: many warps hide the time that looking
// up takes. Four hold a thread to 64 registers; compiled for other devices (nvcc 13.0) the kernels
// would then spill.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900 && __CUDA_ARCH__ < 1200
inline constexpr unsigned kResidentBlocks = 4;
#else
inline constexpr unsigned kResidentBlocks = 3;
#endif
inline constexpr unsigned kMostBlocks = 0x7fffffff;  // that a grid may have

// As many as give each of `tiles` a warp, `max_blocks` at the most and 1 at the least.
constexpr unsigned blocks_for(std::uint64_t tiles, unsigned max_blocks) {
    constexpr std::uint64_t kWarps = kBlockThreads / kLanes;
    const std::uint64_t wanted = tiles / kWarps + (tiles % kWarps != 0 ? 1 : 0);
    const std::uint64_t most = smaller(max_blocks, kMostBlocks);
    const std::uint64_t blocks = smaller(wanted, most);
    return blocks == 0 ? 1 : static_cast<unsigned>(blocks);
}

}  // namespace headrace::kernels
