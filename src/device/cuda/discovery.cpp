// Which GPUs there are. Asking makes no context on any of them.
#include <cuda_runtime_api.h>

#include <cstdio>
#include <string>
#include <vector>

#include "device/cuda.hpp"
#include "device/cuda/call.hpp"
#include "headrace/error.hpp"

namespace headrace::device {

namespace {

// Throws DeviceError that says what `wanted` is not there for.
int count_or_throw(const std::string& wanted) {
    int count = 0;
    const cudaError_t error = cudaGetDeviceCount(&count);
    if (error == cudaSuccess && count > 0) return count;
    static_cast<void>(cudaGetLastError());
    const std::string why = error == cudaSuccess ? "CUDA shows none" : cuda::text_of(error);
    throw DeviceError("device " + wanted + ": no GPU can be used: " + why +
                      "; look at nvidia-smi and CUDA_VISIBLE_DEVICES, or use the device host");
}

// As nvidia-smi shows it.
std::string uuid_of(int ordinal) {
    cudaDeviceProp properties{};
    cuda::check(cudaGetDeviceProperties(&properties, ordinal), ordinal, "cudaGetDeviceProperties");
    std::string text = "GPU-";
    for (int i = 0; i < 16; ++i) {
        if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
        char digits[3];
        std::snprintf(digits, sizeof digits, "%02x",
                      static_cast<unsigned>(static_cast<unsigned char>(properties.uuid.bytes[i])));
        text += digits;
    }
    return text;
}

}  // namespace

const bool kHasCuda = true;

int count_cuda() noexcept {
    int count = 0;
    if (cudaGetDeviceCount(&count) == cudaSuccess) return count;
    static_cast<void>(cudaGetLastError());
    return 0;
}

int find_cuda(int ordinal) {
    const std::string wanted = "cuda:" + std::to_string(ordinal);
    const int count = count_or_throw(wanted);
    if (ordinal >= 0 && ordinal < count) return ordinal;
    throw DeviceError("device " + wanted + ": there are " + std::to_string(count) +
                      " GPUs, wanted a number from 0 to " + std::to_string(count - 1));
}

int find_cuda(std::string_view uuid) {
    const std::string wanted = "cuda:" + std::string(uuid);
    const int count = count_or_throw(wanted);
    std::string known;
    std::vector<int> found;
    for (int ordinal = 0; ordinal < count; ++ordinal) {
        const std::string one = uuid_of(ordinal);
        known += (ordinal == 0 ? "" : ", ") + one;
        if (one.starts_with(uuid)) found.push_back(ordinal);
    }
    if (found.size() == 1) return found.front();
    throw DeviceError("device " + wanted + ": " +
                      (found.empty() ? "no GPU has this UUID" : "more than one GPU begins so") +
                      "; there are: " + known);
}

}  // namespace headrace::device
