// How every kernel is launched. For the .cu files of this folder.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "kernels/field_job.hpp"
#include "kernels/grid.hpp"
#include "kernels/tiles.hpp"

namespace headrace::kernels {

// `Work` is what the kernel does, for its tiles. Returns what the launch returned; the runtime also
// remembers it as its last error, which is left there.
template <class Work>
cudaError_t launch_jobs(void (*kernel)(Jobs), const Jobs& jobs, unsigned max_blocks,
                        cudaStream_t stream) {
    const std::uint64_t tiles = all_tiles<Work>(jobs);
    if (tiles == 0) return cudaSuccess;
    Jobs copy = jobs;
    void* arguments[] = {&copy};
    return cudaLaunchKernel(reinterpret_cast<const void*>(kernel),
                            dim3(blocks_for(tiles, max_blocks)), dim3(kBlockThreads), arguments, 0,
                            stream);
}

// Asking for a kernel's attributes loads it.
inline cudaError_t load_kernel(void (*kernel)(Jobs)) {
    cudaFuncAttributes attributes{};
    return cudaFuncGetAttributes(&attributes, reinterpret_cast<const void*>(kernel));
}

// Of the other files, for load_kernels().
cudaError_t load_strip();
cudaError_t load_gather();

// The number of the calling thread in its grid, and the number of threads.
__device__ inline std::uint64_t thread_of_grid() {
    return std::uint64_t{blockIdx.x} * blockDim.x + threadIdx.x;
}
__device__ inline std::uint64_t threads_of_grid() {
    return std::uint64_t{gridDim.x} * blockDim.x;
}

}  // namespace headrace::kernels
