// Memory that a GPU reaches, for tests: each owner gives back what it took.
#pragma once

#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <memory>
#include <new>
#include <span>
#include <stdexcept>
#include <string>

namespace headrace {

// Throws, which fails a test, with the operation and what the runtime says.
inline void check_cuda(cudaError_t status, const char* operation) {
    if (status == cudaSuccess) return;
    throw std::runtime_error(std::string(operation) + ": " + cudaGetErrorString(status));
}

// Empty, or why tests on a GPU cannot run here.
inline std::string no_gpu() {
    int devices = 0;
    const cudaError_t status = cudaGetDeviceCount(&devices);
    if (status != cudaSuccess) {
        return std::string("no GPU: cudaGetDeviceCount says \"") + cudaGetErrorString(status) +
               "\"";
    }
    return devices == 0 ? "no GPU: cudaGetDeviceCount finds none" : "";
}

struct CudaFree {
    void operator()(std::byte* memory) const { cudaFree(memory); }
};
using DeviceMemory = std::unique_ptr<std::byte, CudaFree>;

inline DeviceMemory allocate_on_device(std::size_t bytes) {
    void* memory = nullptr;
    check_cuda(cudaMalloc(&memory, bytes == 0 ? 1 : bytes), "cudaMalloc");
    return DeviceMemory(static_cast<std::byte*>(memory));
}

inline DeviceMemory copy_to_device(std::span<const std::byte> bytes) {
    DeviceMemory memory = allocate_on_device(bytes.size());
    check_cuda(cudaMemcpy(memory.get(), bytes.data(), bytes.size(), cudaMemcpyHostToDevice),
               "cudaMemcpy to the device");
    return memory;
}

struct StreamDestroy {
    using pointer = cudaStream_t;
    void operator()(cudaStream_t stream) const { cudaStreamDestroy(stream); }
};
using OwnedStream = std::unique_ptr<cudaStream_t, StreamDestroy>;

inline OwnedStream make_stream() {
    cudaStream_t stream = nullptr;
    check_cuda(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreate");
    return OwnedStream(stream);
}

// Memory of the host that a kernel reads over the link: registered as the ring's is or, where that
// is refused (some containers), allocated by CUDA, which says so.
class MappedMemory {
  public:
    explicit MappedMemory(std::span<const std::byte> contents)
        : bytes_((contents.size() / kPage + 1) * kPage),
          own_(static_cast<std::byte*>(::operator new (bytes_, std::align_val_t{kPage}))) {
        std::byte* memory = own_.get();
        const cudaError_t status =
            cudaHostRegister(memory, bytes_, cudaHostRegisterPortable | cudaHostRegisterMapped);
        registered_.reset(status == cudaSuccess ? memory : nullptr);
        if (status != cudaSuccess) {
            std::fprintf(stderr, "cudaHostRegister: %s; the test takes cudaHostAlloc\n",
                         cudaGetErrorString(status));
            cudaGetLastError();  // it stays behind otherwise
            void* allocated = nullptr;
            check_cuda(
                cudaHostAlloc(&allocated, bytes_, cudaHostAllocPortable | cudaHostAllocMapped),
                "cudaHostAlloc");
            memory = static_cast<std::byte*>(allocated);
            allocated_.reset(memory);
        }
        std::copy(contents.begin(), contents.end(), memory);
        void* address = nullptr;
        check_cuda(cudaHostGetDevicePointer(&address, memory, 0), "cudaHostGetDevicePointer");
        on_device_ = static_cast<const std::byte*>(address);
    }
    const std::byte* on_device() const { return on_device_; }

  private:
    static constexpr std::size_t kPage = 4096;
    struct Delete {
        void operator()(std::byte* memory) const {
            ::operator delete (memory, std::align_val_t{kPage});
        }
    };
    struct Unregister {
        void operator()(std::byte* memory) const { cudaHostUnregister(memory); }
    };
    struct FreeHost {
        void operator()(std::byte* memory) const { cudaFreeHost(memory); }
    };

    std::size_t bytes_;
    std::unique_ptr<std::byte, Delete> own_;
    std::unique_ptr<std::byte, Unregister> registered_;  // dies before own_, whose memory it is
    std::unique_ptr<std::byte, FreeHost> allocated_;
    const std::byte* on_device_ = nullptr;
};

}  // namespace headrace
