// CUDA calls that tell where they failed, and the calling thread's current GPU.
#pragma once

#include <cuda_runtime_api.h>

#include <string>

namespace headrace::device::cuda {

// Where a call was made. std::source_location would be it, which clang 14 does not take from
// libstdc++ 12.
struct Place {
    const char* file = nullptr;
    int line = 0;
    static Place here(const char* file = __builtin_FILE(), int line = __builtin_LINE()) noexcept {
        return {file, line};
    }
};

// Throws DeviceError unless `result` is cudaSuccess: the GPU, the operation, CUDA's word for it and
// the place. `operation` is the call and what it was about: "cudaMalloc of 5 bytes". The error does
// not stay behind for the next cudaGetLastError().
void check(cudaError_t result, int ordinal, const char* operation, Place place = Place::here());
void check(cudaError_t result, int ordinal, const std::string& operation,
           Place place = Place::here());

// Lets the failure of a call that gives something back pass: CUDA, or the GPU, has gone before us.
// It does not stay behind either.
void pass_over(cudaError_t result) noexcept;

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
