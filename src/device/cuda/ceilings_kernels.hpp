// The kernels that the ceilings are measured with, as functions that a C++ compiler can call. Each
// enqueues on `stream` and returns at once, without allocating.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

namespace headrace::device::cuda {

// One block for each of `blocks` that does nothing for so long.
cudaError_t launch_spin(std::uint64_t nanoseconds, unsigned blocks, cudaStream_t stream);

// Reads `bytes`, a multiple of 16, and combines all words of them into *combined by exclusive or.
cudaError_t launch_read(const std::byte* from, std::size_t bytes, unsigned blocks,
                        std::uint32_t* combined, cudaStream_t stream);

// Rows of 32-bit words, all on the device.
struct PaddedRows {
    const std::uint32_t* rows = nullptr;
    std::uint64_t row_words = 0;
    const std::int32_t* offsets = nullptr;  // [records + 1] words
    std::uint32_t records = 0;
    std::uint64_t total = 0;  // words: offsets[records]
    std::uint32_t* packed = nullptr;
};

// With no `temporary` it enqueues nothing, and says how many bytes of it are wanted.
cudaError_t pack_by_cub(void* temporary, std::size_t& temporary_bytes, const PaddedRows& rows,
                        cudaStream_t stream);
cudaError_t pack_by_thrust(const PaddedRows& rows, cudaStream_t stream);

}  // namespace headrace::device::cuda
