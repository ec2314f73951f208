// Where batches live, by name.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "headrace/export.hpp"

namespace headrace {

namespace device {
class Backend;
}

/// A stream of the device's own kind, lent by the caller: a `cudaStream_t` converts to it, and
/// without a value it is CUDA's default stream. The host device has none: everything is complete
/// when a call returns.
struct StreamRef {
    StreamRef() = default;  ///< CUDA's default stream
    /// That stream; it stays the caller's.
    // NOLINTNEXTLINE(google-explicit-constructor): so that `loader.epoch(stream)` takes one
    StreamRef(void* stream) noexcept : native(stream) {}
    void* native = nullptr;  ///< the `cudaStream_t`
};

/// Names a device; makes nothing until a loader asks for it. A value; thread-safe.
class HEADRACE_EXPORT Device {
  public:
    /// Batches in ordinary memory.
    static Device host();
    /// Batches on a GPU, by its number among those that CUDA shows to this process
    /// (CUDA_VISIBLE_DEVICES counts), from 0. Throws DeviceError when there is no such GPU, or no
    /// driver, and UsageError in a build without CUDA.
    static Device cuda(int ordinal = 0);
    /// The same by the GPU's UUID as `nvidia-smi -L` shows it: "GPU-5c2f0d1e-...". The beginning is
    /// enough where only one GPU has it.
    static Device cuda(std::string_view uuid);
    /// The best there is: the GPU that CUDA counts first, else the host.
    static Device best();
    /// "host", "best", "cuda" (the first GPU), "cuda:1" or "cuda:GPU-5c2f0d1e". Throws UsageError
    /// that lists what this build knows, and as cuda() does.
    static Device parse(std::string_view text);
    /// Whether this build can use GPUs at all.
    static bool has_cuda() noexcept;
    /// A backend of the caller's own (src/device/backend.hpp); tests use it to simulate devices.
    static Device custom(std::shared_ptr<device::Backend> backend);

    /// "host", "cuda:0".
    const std::string& name() const noexcept { return name_; }
    /// N of "cuda:N": the GPU's number as CUDA counts. Empty for any other device.
    std::optional<int> cuda_ordinal() const noexcept;
    /// The backend that carries out batch plans; for `custom` the one given, else a new one at
    /// each call.
    std::shared_ptr<device::Backend> backend() const;

  private:
    explicit Device(std::string name) : name_(std::move(name)) {}
    std::string name_;
    std::shared_ptr<device::Backend> backend_;
};

}  // namespace headrace
