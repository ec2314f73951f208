// Where batches live, by name.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace headrace {

namespace device {
class Backend;
}

/// A stream of the device's own kind, lent by the caller (`cudaStream_t` for CUDA). The host device
/// has none: everything is complete when a call returns.
struct StreamRef {
    void* native = nullptr;
};

/// Names a device; makes nothing until a loader asks for it. A value; thread-safe.
class Device {
  public:
    /// Batches in ordinary memory.
    static Device host();
    /// The best there is: the host, in a build without a GPU device.
    static Device best();
    /// "host", or "best". Throws UsageError that lists what this build knows.
    static Device parse(std::string_view text);
    /// A backend of the caller's own (src/device/backend.hpp); tests use it to simulate devices.
    static Device custom(std::shared_ptr<device::Backend> backend);

    const std::string& name() const noexcept { return name_; }
    /// The backend that carries out batch plans; for `custom` the one given, else a new one at
    /// each call.
    std::shared_ptr<device::Backend> backend() const;

  private:
    explicit Device(std::string name) : name_(std::move(name)) {}
    std::string name_;
    std::shared_ptr<device::Backend> backend_;
};

}  // namespace headrace
