// What stands for the CUDA device in a build without CUDA.
#include "device/cuda.hpp"
#include "headrace/error.hpp"

namespace headrace::device {

namespace {

[[noreturn]] void refuse(const std::string& wanted) {
    throw UsageError("device " + wanted +
                     ": this build of Headrace has no CUDA; build it with HEADRACE_CUDA=ON, or use "
                     "the device host");
}

}  // namespace

const bool kHasCuda = false;

int count_cuda() noexcept {
    return 0;
}

int find_cuda(int ordinal) {
    refuse("cuda:" + std::to_string(ordinal));
}

int find_cuda(std::string_view uuid) {
    refuse("cuda:" + std::string(uuid));
}

std::shared_ptr<Backend> make_cuda_backend(const std::string& name) {
    refuse(name);
}

}  // namespace headrace::device
