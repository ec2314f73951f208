// The device that --device names. Header-only, so that only programs with LibTorch need it: those
// that are linked with headrace_torch.
#pragma once

#include <torch/cuda.h>

#include <string>

#include "headrace/device.hpp"
#include "headrace/error.hpp"
#include "headrace/torch/device.hpp"
#include "launch/options.hpp"

namespace samples {

/// As headrace::Device::parse(), but "best" is a GPU only where LibTorch can use it as well. Throws
/// OptionError that says what is wrong with the device, or that this LibTorch has no CUDA.
inline headrace::Device find_torch_device(const std::string& name) {
    const bool has_gpu = HEADRACE_TORCH_CUDA != 0 && torch::cuda::is_available();
    if (name == "best" && !has_gpu) return headrace::Device::host();
    try {
        headrace::Device device = headrace::Device::parse(name);
        headrace::torch::device_of(device);
        return device;
    } catch (const headrace::Error& error) {
        throw OptionError("--device: " + std::string(error.what()));
    }
}

}  // namespace samples
