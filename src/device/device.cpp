#include "headrace/device.hpp"

#include "device/backend.hpp"
#include "headrace/error.hpp"

namespace headrace {

Device Device::host() {
    return Device("host");
}

Device Device::best() {
    return host();
}

Device Device::parse(std::string_view text) {
    if (text == "host") return host();
    if (text == "best") return best();
    throw UsageError("device \"" + std::string(text) +
                     "\", wanted host or best: this build has no GPU device");
}

Device Device::custom(std::shared_ptr<device::Backend> backend) {
    if (!backend) throw UsageError("Device::custom of no backend");
    Device device(backend->name());
    device.backend_ = std::move(backend);
    return device;
}

std::shared_ptr<device::Backend> Device::backend() const {
    return backend_ ? backend_ : device::make_host_backend();
}

}  // namespace headrace
