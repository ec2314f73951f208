#include "headrace/device.hpp"

#include <charconv>

#include "device/backend.hpp"
#include "device/cuda.hpp"
#include "headrace/error.hpp"

namespace headrace {

namespace {

constexpr std::string_view kCuda = "cuda:";

// A whole number of at least 0, and nothing else.
std::optional<int> ordinal_of(std::string_view text) {
    int ordinal = 0;
    const auto [end, error] = std::from_chars(text.begin(), text.end(), ordinal);
    if (error != std::errc{} || end != text.end() || ordinal < 0) return std::nullopt;
    return ordinal;
}

}  // namespace

Device Device::host() {
    return Device("host");
}

Device Device::cuda(int ordinal) {
    return Device("cuda:" + std::to_string(device::find_cuda(ordinal)));
}

Device Device::cuda(std::string_view uuid) {
    return Device("cuda:" + std::to_string(device::find_cuda(uuid)));
}

Device Device::best() {
    return device::count_cuda() > 0 ? cuda(0) : host();
}

bool Device::has_cuda() noexcept {
    return device::kHasCuda;
}

Device Device::parse(std::string_view text) {
    if (text == "host") return host();
    if (text == "best") return best();
    if (text == "cuda") return cuda(0);
    if (text.starts_with(kCuda)) {
        const std::string_view which = text.substr(kCuda.size());
        if (which.starts_with("GPU-")) return cuda(which);
        if (const std::optional<int> ordinal = ordinal_of(which)) return cuda(*ordinal);
    }
    throw UsageError("device \"" + std::string(text) +
                     "\", wanted host, best, cuda, cuda:N or cuda:GPU-UUID" +
                     (has_cuda() ? "" : " (this build has no CUDA)"));
}

Device Device::custom(std::shared_ptr<device::Backend> backend) {
    if (!backend) throw UsageError("Device::custom of no backend");
    Device device(backend->name());
    device.backend_ = std::move(backend);
    return device;
}

std::optional<int> Device::cuda_ordinal() const noexcept {
    const std::string_view name = name_;
    if (!name.starts_with(kCuda)) return std::nullopt;
    return ordinal_of(name.substr(kCuda.size()));
}

std::shared_ptr<device::Backend> Device::backend() const {
    if (backend_) return backend_;
    if (name_ == "host") return device::make_host_backend();
    return device::make_cuda_backend(name_);
}

}  // namespace headrace
