// Checked CUDA calls, and owners of what they make.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <memory>
#include <stdexcept>
#include <string>

/// Throws std::runtime_error with the call and its place when it fails.
#define CUDA_LOOP_CHECK(call) ::cuda_loop::check((call), #call, __FILE__, __LINE__)

namespace cuda_loop {

inline void check(cudaError_t error, const char* call, const char* file, int line) {
    if (error == cudaSuccess) return;
    throw std::runtime_error(std::string(file) + ":" + std::to_string(line) + ": " + call + ": " +
                             cudaGetErrorName(error) + ": " + cudaGetErrorString(error));
}

struct FreeOnDevice {
    void operator()(void* memory) const noexcept { cudaFree(memory); }
};
struct FreeOnHost {
    void operator()(void* memory) const noexcept { cudaFreeHost(memory); }
};
struct DestroyStream {
    using pointer = cudaStream_t;
    void operator()(cudaStream_t stream) const noexcept { cudaStreamDestroy(stream); }
};

template <class T>
using DeviceArray = std::unique_ptr<T[], FreeOnDevice>;
template <class T>
using PinnedArray = std::unique_ptr<T[], FreeOnHost>;
using Stream = std::unique_ptr<cudaStream_t, DestroyStream>;

/// Uninitialised, as is the next.
template <class T>
DeviceArray<T> make_device_array(std::size_t count) {
    void* memory = nullptr;
    CUDA_LOOP_CHECK(cudaMalloc(&memory, count * sizeof(T)));
    return DeviceArray<T>(static_cast<T*>(memory));
}

template <class T>
PinnedArray<T> make_pinned_array(std::size_t count) {
    void* memory = nullptr;
    CUDA_LOOP_CHECK(cudaMallocHost(&memory, count * sizeof(T)));
    return PinnedArray<T>(static_cast<T*>(memory));
}

/// Does not wait for the default stream, nor does that wait for it.
inline Stream make_stream() {
    cudaStream_t stream = nullptr;
    CUDA_LOOP_CHECK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    return Stream(stream);
}

}  // namespace cuda_loop
