#include "device/ceilings.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <fstream>
#include <string_view>
#include <vector>

#include "device/cuda/ceilings_kernels.hpp"
#include "device/cuda/ceilings_parts.hpp"
#include "headrace/error.hpp"

namespace headrace::device {

namespace cuda {

double seconds_between(int ordinal, cudaEvent_t from, cudaEvent_t to) {
    float milliseconds = 0;
    check(cudaEventElapsedTime(&milliseconds, from, to), ordinal, "cudaEventElapsedTime");
    return static_cast<double>(milliseconds) / 1e3;
}

namespace {

int attribute(int ordinal, cudaDeviceAttr which) {
    int value = 0;
    check(cudaDeviceGetAttribute(&value, which, ordinal), ordinal, "cudaDeviceGetAttribute");
    return value;
}

}  // namespace

int processors_of(int ordinal) {
    return attribute(ordinal, cudaDevAttrMultiProcessorCount);
}

namespace {

// 0 where CUDA does not tell.
double clock_hz(int ordinal, cudaDeviceAttr which) {
    int khz = 0;
    const cudaError_t error = cudaDeviceGetAttribute(&khz, which, ordinal);
    pass_over(error);
    return error == cudaSuccess ? 1e3 * khz : 0;
}

// 13000 is 13.0.
std::string version_text(int version) {
    return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

// The word behind "Module" in what the kernel's module says of itself: a dotted number.
std::string kernel_driver() {
    std::ifstream file("/proc/driver/nvidia/version");
    for (std::string word; file >> word;) {
        const bool is_number = word.find_first_not_of("0123456789.") == std::string::npos;
        if (is_number && word.find('.') != std::string::npos) return word;
    }
    return {};
}

std::string uuid_text(const cudaUUID_t& uuid) {
    static constexpr char kDigits[] = "0123456789abcdef";
    std::string text = "GPU-";
    for (int i = 0; i < 16; ++i) {
        if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
        const auto byte = static_cast<unsigned char>(uuid.bytes[i]);
        text += {kDigits[byte / 16], kDigits[byte % 16]};
    }
    return text;
}

// All words combined by exclusive or: what launch_read() makes of them.
std::uint32_t combined_words(std::span<const std::byte> bytes) {
    std::uint64_t combined = 0;
    for (std::size_t at = 0; at + 8 <= bytes.size(); at += 8) {
        std::uint64_t word = 0;
        std::memcpy(&word, bytes.data() + at, sizeof word);
        combined ^= word;
    }
    return static_cast<std::uint32_t>(combined ^ (combined >> 32));
}

class CudaCeilings final : public Ceilings {
  public:
    explicit CudaCeilings(int ordinal)
        : ordinal_(ordinal),
          stream_(ordinal),
          combined_(allocate_device(ordinal, sizeof(std::uint32_t))) {}

    DeviceDescription describe() override {
        cudaDeviceProp properties{};
        check(cudaGetDeviceProperties(&properties, ordinal_), ordinal_, "cudaGetDeviceProperties");
        int driver = 0, runtime = 0;
        check(cudaDriverGetVersion(&driver), ordinal_, "cudaDriverGetVersion");
        check(cudaRuntimeGetVersion(&runtime), ordinal_, "cudaRuntimeGetVersion");
        DeviceDescription about;
        about.name = properties.name;
        about.uuid = uuid_text(properties.uuid);
        about.driver = kernel_driver();
        about.cuda_driver = version_text(driver);
        about.cuda_runtime = version_text(runtime);
        about.compute_capability =
            std::to_string(properties.major) + "." + std::to_string(properties.minor);
        about.multiprocessors = static_cast<unsigned>(properties.multiProcessorCount);
        about.memory_bytes = properties.totalGlobalMem;
        about.l2_bytes = static_cast<std::uint64_t>(properties.l2CacheSize);
        about.clock_hz = clock_hz(ordinal_, cudaDevAttrClockRate);
        about.memory_clock_hz = clock_hz(ordinal_, cudaDevAttrMemoryClockRate);
        return about;
    }

    double copy_s(std::span<const std::byte> host, unsigned times) override {
        const CurrentDevice current(ordinal_);
        if (arrived_bytes_ < host.size()) {
            arrived_.reset();
            arrived_ = allocate_device(ordinal_, host.size());
            arrived_bytes_ = host.size();
        }
        stream_.fill(arrived_.get(), std::byte{0}, host.size());
        const double taken = stream_.seconds(times, [&] {
            stream_.copy(arrived_.get(), host.data(), host.size(), cudaMemcpyHostToDevice);
        });
        check_arrived(host);
        return taken;
    }

    double mapped_read_s(std::span<const std::byte> host, unsigned blocks,
                         unsigned times) override {
        const CurrentDevice current(ordinal_);
        void* mapped = nullptr;
        check(cudaHostGetDevicePointer(&mapped, const_cast<std::byte*>(host.data()), 0), ordinal_,
              "cudaHostGetDevicePointer");
        times += 1 - times % 2;  // twice the same, combined, would be nothing
        stream_.fill(combined_.get(), std::byte{0}, sizeof(std::uint32_t));
        const double taken = stream_.seconds(times, [&] {
            check(launch_read(static_cast<const std::byte*>(mapped), host.size(), blocks,
                              reinterpret_cast<std::uint32_t*>(combined_.get()), stream_.get()),
                  ordinal_, "launch of the kernel read_all");
        });
        std::uint32_t found = 0;
        read(std::as_writable_bytes(std::span(&found, 1)), combined_.get());
        if (found != combined_words(host)) fail_unlike("the kernel read_all");
        return taken;
    }

    std::unique_ptr<PackingCase> make_packing(std::span<const std::byte> rows,
                                              std::uint64_t row_bytes,
                                              std::span<const std::uint32_t> lengths) override {
        return make_packing_case(ordinal_, rows, row_bytes, lengths);
    }
    std::unique_ptr<StepStream> make_step_stream(std::uint64_t most_steps) override {
        return make_spinning_stream(ordinal_, most_steps);
    }

    void fill(std::byte* memory, std::byte value, std::size_t bytes) override {
        const CurrentDevice current(ordinal_);
        stream_.fill(memory, value, bytes);
        stream_.synchronize();
    }
    void read(std::span<std::byte> to, const std::byte* from) override {
        const CurrentDevice current(ordinal_);
        stream_.copy(to.data(), from, to.size(), cudaMemcpyDeviceToHost);
        stream_.synchronize();
    }

  private:
    // The first time that this memory is copied.
    void check_arrived(std::span<const std::byte> host) {
        const auto same = [&](std::span<const std::byte> other) {
            return other.data() == host.data() && other.size() == host.size();
        };
        if (std::any_of(checked_.begin(), checked_.end(), same)) return;
        std::vector<std::byte> back(host.size());
        read(back, arrived_.get());
        if (std::memcmp(back.data(), host.data(), host.size()) != 0) {
            fail_unlike("cudaMemcpyAsync of " + std::to_string(host.size()) + " bytes");
        }
        checked_.push_back(host);
    }
    [[noreturn]] void fail_unlike(const std::string& what) const {
        throw DeviceError("device cuda:" + std::to_string(ordinal_) + ": " + what +
                          ": what arrived is not what was sent");
    }

    int ordinal_;
    TimedStream stream_;
    DeviceMemory combined_;
    DeviceMemory arrived_;  // grows to the largest copy
    std::size_t arrived_bytes_ = 0;
    std::vector<std::span<const std::byte>> checked_;
};

}  // namespace

}  // namespace cuda

std::unique_ptr<Ceilings> make_ceilings(const std::string& device) {
    constexpr std::string_view kPrefix = "cuda:";
    int ordinal = 0;
    std::from_chars(device.data() + kPrefix.size(), device.data() + device.size(), ordinal);
    return std::make_unique<cuda::CudaCeilings>(ordinal);
}

}  // namespace headrace::device
