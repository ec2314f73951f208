// Devices and streams under LibTorch's names. The one place of the adapter that knows LibTorch's
// CUDA part: HEADRACE_TORCH_CUDA is 1 where a program is compiled and linked with it, which the
// CMake target headrace::torch sees to.
#pragma once

#include <c10/core/Device.h>
#include <c10/core/Stream.h>

#include <string>

#include "headrace/device.hpp"
#include "headrace/error.hpp"

#ifndef HEADRACE_TORCH_CUDA
#    define HEADRACE_TORCH_CUDA 0
#endif
#if HEADRACE_TORCH_CUDA
#    include <c10/cuda/CUDAStream.h>
#endif

namespace headrace::torch {

/// LibTorch's name of a device: "cuda:1" is c10::Device(kCUDA, 1), for both count the GPUs that
/// CUDA shows to the process. Whatever is no GPU is LibTorch's CPU. Calls nothing of CUDA. Throws
/// UsageError for a GPU in a program that is compiled without LibTorch's CUDA part.
inline c10::Device device_of(const Device& device) {
    const auto ordinal = device.cuda_ordinal();
    if (!ordinal) return c10::Device(c10::DeviceType::CPU);
    if (HEADRACE_TORCH_CUDA == 0) {
        throw UsageError("device " + device.name() +
                         ": this program is compiled without LibTorch's CUDA part (a LibTorch for "
                         "the CPU, or no CUDA headers: HEADRACE_TORCH_CUDA is 0), wanted with it, "
                         "or Device::host()");
    }
    return {c10::DeviceType::CUDA, static_cast<c10::DeviceIndex>(*ordinal)};
}

/// What LibTorch enqueues on just now, on this thread and this device: what Loader::next() and
/// Loader::epoch() want. Without meaning on the host, where they take it all the same. Throws as
/// device_of().
inline StreamRef current_stream(const Device& device) {
    const c10::Device there = device_of(device);
    if (!there.is_cuda()) return {};
#if HEADRACE_TORCH_CUDA
    return {c10::cuda::getCurrentCUDAStream(there.index()).stream()};
#else
    return {};
#endif
}

/// One of LibTorch's streams. Without meaning on the host.
inline StreamRef stream_of(const c10::Stream& stream) {
    if (stream.device_type() != c10::DeviceType::CUDA) return {};
#if HEADRACE_TORCH_CUDA
    return {c10::cuda::CUDAStream(stream).stream()};
#else
    throw UsageError(
        "a stream of LibTorch's CUDA part, which this program is compiled without "
        "(HEADRACE_TORCH_CUDA is 0)");
#endif
}

namespace detail {

// The other way round, for LibTorch's allocator. `device` is a GPU.
inline c10::Stream stream_of(StreamRef stream, [[maybe_unused]] c10::Device device) {
#if HEADRACE_TORCH_CUDA
    const auto native = static_cast<cudaStream_t>(stream.native);
    // Names of the default stream that LibTorch would take for streams of their own.
    if (native == nullptr || native == cudaStreamLegacy) {
        return c10::cuda::getDefaultCUDAStream(device.index()).unwrap();
    }
    return c10::cuda::getStreamFromExternal(native, device.index()).unwrap();
#else
    static_cast<void>(stream);
    return c10::Stream(c10::Stream::DEFAULT, device);
#endif
}

}  // namespace detail

}  // namespace headrace::torch
