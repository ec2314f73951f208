// The CUDA device, as the rest of this room sees it: in a build without CUDA it is cuda_absent.cpp.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "device/backend.hpp"

namespace headrace::device {

extern const bool kHasCuda;

// GPUs that can be used; 0 where there is no driver. Never throws.
int count_cuda() noexcept;
// The number of a GPU. Throw DeviceError when there is no such one, UsageError without CUDA.
int find_cuda(int ordinal);
int find_cuda(std::string_view uuid);
// `name` is "cuda:N" of a GPU that was found.
std::shared_ptr<Backend> make_cuda_backend(const std::string& name);

}  // namespace headrace::device
