// The kernels `spin` and `read_all`.
#include <cuda_runtime.h>

#include "device/cuda/ceilings_kernels.hpp"

namespace headrace::device::cuda {

namespace {

// A part of each multiprocessor that it runs on: what else has work finds room beside it.
constexpr unsigned kSpinThreads = 256;

__device__ std::uint64_t now_ns() {
    std::uint64_t now;
    asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(now));
    return now;
}

__global__ void __launch_bounds__(kSpinThreads) spin(std::uint64_t nanoseconds) {
    const std::uint64_t begin = now_ns();
    while (now_ns() - begin < nanoseconds) {
    }
}

constexpr unsigned kReadThreads = 256;
// Loads that a thread has under way: the link answers after some microseconds.
constexpr unsigned kInFlight = 8;

__global__ void __launch_bounds__(kReadThreads)
    read_all(const uint4* from, std::uint64_t vectors, std::uint32_t* combined) {
    const std::uint64_t threads = std::uint64_t{gridDim.x} * kReadThreads;
    std::uint64_t at = std::uint64_t{blockIdx.x} * kReadThreads + threadIdx.x;
    std::uint32_t mine = 0;
    for (; at < vectors; at += kInFlight * threads) {
        uint4 value[kInFlight];
#pragma unroll
        for (unsigned i = 0; i < kInFlight; ++i) {
            value[i] = at + i * threads < vectors ? from[at + i * threads] : make_uint4(0, 0, 0, 0);
        }
#pragma unroll
        for (unsigned i = 0; i < kInFlight; ++i) {
            mine ^= value[i].x ^ value[i].y ^ value[i].z ^ value[i].w;
        }
    }
    for (unsigned half = 16; half > 0; half /= 2) mine ^= __shfl_xor_sync(0xffffffff, mine, half);
    if (threadIdx.x % 32 == 0) atomicXor(combined, mine);
}

}  // namespace

cudaError_t launch_spin(std::uint64_t nanoseconds, unsigned blocks, cudaStream_t stream) {
    spin<<<blocks, kSpinThreads, 0, stream>>>(nanoseconds);
    return cudaGetLastError();
}

cudaError_t launch_read(const std::byte* from, std::size_t bytes, unsigned blocks,
                        std::uint32_t* combined, cudaStream_t stream) {
    read_all<<<blocks, kReadThreads, 0, stream>>>(reinterpret_cast<const uint4*>(from),
                                                  bytes / sizeof(uint4), combined);
    return cudaGetLastError();
}

}  // namespace headrace::device::cuda
