#include "device/cuda/owners.hpp"

#include <algorithm>
#include <string>

#include "device/cuda/call.hpp"

namespace headrace::device::cuda {

Stream make_stream(int ordinal) {
    const CurrentDevice current(ordinal);
    int lowest = 0, highest = 0;
    check(cudaDeviceGetStreamPriorityRange(&lowest, &highest), ordinal,
          "cudaDeviceGetStreamPriorityRange");
    cudaStream_t stream = nullptr;
    check(cudaStreamCreateWithPriority(&stream, cudaStreamNonBlocking, highest), ordinal,
          "cudaStreamCreateWithPriority");
    return Stream(stream);
}

OwnedEvent make_event(int ordinal) {
    const CurrentDevice current(ordinal);
    cudaEvent_t event = nullptr;
    check(cudaEventCreateWithFlags(&event, cudaEventBlockingSync), ordinal,
          "cudaEventCreateWithFlags");
    return OwnedEvent(event);
}

DeviceMemory allocate_device(int ordinal, std::size_t bytes) {
    const CurrentDevice current(ordinal);
    void* memory = nullptr;
    check(cudaMalloc(&memory, std::max<std::size_t>(1, bytes)), ordinal,
          "cudaMalloc of " + std::to_string(bytes) + " bytes");
    return DeviceMemory(static_cast<std::byte*>(memory));
}

PinnedMemory allocate_pinned(int ordinal, std::size_t bytes) {
    const CurrentDevice current(ordinal);
    void* memory = nullptr;
    check(cudaHostAlloc(&memory, std::max<std::size_t>(1, bytes),
                        cudaHostAllocPortable | cudaHostAllocMapped),
          ordinal, "cudaHostAlloc of " + std::to_string(bytes) + " bytes");
    return PinnedMemory(static_cast<std::byte*>(memory));
}

}  // namespace headrace::device::cuda
