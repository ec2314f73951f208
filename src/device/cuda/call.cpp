#include "device/cuda/call.hpp"

#include <string_view>

#include "headrace/error.hpp"

namespace headrace::device::cuda {

namespace {

// From "src" on: the place in the repository, wherever that was built.
std::string_view file_of(Place place) {
    const std::string_view path = place.file;
    const std::size_t source = path.rfind("src/");
    return source == std::string_view::npos ? path : path.substr(source);
}

[[noreturn]] void fail(cudaError_t error, int ordinal, const std::string& operation, Place place) {
    static_cast<void>(cudaGetLastError());  // not for the trainer's next look
    throw DeviceError("device cuda:" + std::to_string(ordinal) + ": " + operation + ": " +
                      text_of(error) + ", at " + std::string(file_of(place)) + ":" +
                      std::to_string(place.line));
}

}  // namespace

std::string text_of(cudaError_t error) {
    return std::string(cudaGetErrorName(error)) + " (" + cudaGetErrorString(error) + ")";
}

void check(cudaError_t result, int ordinal, const char* operation, Place place) {
    if (result != cudaSuccess) fail(result, ordinal, operation, place);
}

void check(cudaError_t result, int ordinal, const std::string& operation, Place place) {
    if (result != cudaSuccess) fail(result, ordinal, operation, place);
}

void pass_over(cudaError_t result) noexcept {
    if (result != cudaSuccess) static_cast<void>(cudaGetLastError());
}

CurrentDevice::CurrentDevice(int ordinal) {
    check(cudaGetDevice(&before_), ordinal, "cudaGetDevice");
    if (before_ == ordinal) return;
    check(cudaSetDevice(ordinal), ordinal, "cudaSetDevice");
    changed_ = true;
}

CurrentDevice::~CurrentDevice() {
    if (changed_) pass_over(cudaSetDevice(before_));
}

}  // namespace headrace::device::cuda
