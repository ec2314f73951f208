// CUDA calls that tell where they failed, and the calling thread's current GPU.
#pragma once

#include <cuda_runtime_api.h>

#include <source_location>
#include <string>

namespace headrace::device::cuda {

// Throws DeviceError unless `result` is cudaSuccess: the GPU, the operation, CUDA's word for it and
// the place. `operation` is the call and what it was about: "cudaMalloc of 5 bytes". The error does
// not stay behind for the next cudaGetLastError().
void check(cudaError_t result, int ordinal, const char* operation,
           std::source_location place = std::source_location::current());
void check(cudaError_t result, int ordinal, const std::string& operation,
           std::source_location place = std::source_location::current());

// CUDA's name and words for an error: "cudaErrorNoDevice (no CUDA-capable device is detected)".
std::string text_of(cudaError_t error);

// Makes a GPU the calling thread's current one for a while. The caller's own is there again
// afterwards: we run on trainers' threads too.
class CurrentDevice {
  public:
    explicit CurrentDevice(int ordinal);
    CurrentDevice(const CurrentDevice&) = delete;
    CurrentDevice& operator=(const CurrentDevice&) = delete;
    ~CurrentDevice();

  private:
    int before_ = 0;
    bool changed_ = false;
};

}  // namespace headrace::device::cuda
