// Owners of what CUDA hands out; each gives it back when it dies. A failure to do so is passed
// over: it means that CUDA, or the GPU, has gone before us.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <memory>

#include "device/cuda/call.hpp"

namespace headrace::device::cuda {

struct StreamDeleter {
    using pointer = cudaStream_t;
    void operator()(cudaStream_t stream) const noexcept { pass_over(cudaStreamDestroy(stream)); }
};
using Stream = std::unique_ptr<cudaStream_t, StreamDeleter>;

struct EventDeleter {
    using pointer = cudaEvent_t;
    void operator()(cudaEvent_t event) const noexcept { pass_over(cudaEventDestroy(event)); }
};
using OwnedEvent = std::unique_ptr<cudaEvent_t, EventDeleter>;

struct DeviceMemoryDeleter {
    void operator()(std::byte* memory) const noexcept { pass_over(cudaFree(memory)); }
};
using DeviceMemory = std::unique_ptr<std::byte, DeviceMemoryDeleter>;

struct PinnedMemoryDeleter {
    void operator()(std::byte* memory) const noexcept { pass_over(cudaFreeHost(memory)); }
};
using PinnedMemory = std::unique_ptr<std::byte, PinnedMemoryDeleter>;

// The GPU `ordinal` is made current for the call. Throw DeviceError.
Stream make_stream(int ordinal);  // non-blocking, of the highest priority
// Waiting for it does not spin, and it tells the time.
OwnedEvent make_event(int ordinal);
// For no bytes a place of their own all the same.
DeviceMemory allocate_device(int ordinal, std::size_t bytes);
PinnedMemory allocate_pinned(int ordinal, std::size_t bytes);  // mapped for the GPU too

}  // namespace headrace::device::cuda
