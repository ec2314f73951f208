// Batches on a GPU. Knows CUDA's runtime, and the kernels by their launching functions.
#include <cuda_runtime_api.h>

#if __has_include(<nvtx3/nvToolsExt.h>)
#    include <nvtx3/nvToolsExt.h>
#    define HEADRACE_HAS_NVTX 1
#else
#    define HEADRACE_HAS_NVTX 0
#endif

#include <charconv>
#include <mutex>

#include "device/cuda.hpp"
#include "device/cuda/call.hpp"
#include "device/cuda/copy_stream.hpp"
#include "device/cuda/owners.hpp"
#include "device/cuda/pinned_ring.hpp"
#include "device/cuda/stripping.hpp"
#include "headrace/error.hpp"

namespace headrace::device {

namespace cuda {

namespace {

class DeviceBuffer final : public Buffer {
  public:
    explicit DeviceBuffer(DeviceMemory memory) : memory_(std::move(memory)) {}
    std::byte* data() const noexcept override { return memory_.get(); }

  private:
    DeviceMemory memory_;
};

class PinnedBuffer final : public Buffer {
  public:
    explicit PinnedBuffer(PinnedMemory memory) : memory_(std::move(memory)) {}
    std::byte* data() const noexcept override { return memory_.get(); }

  private:
    PinnedMemory memory_;
};

cudaStream_t stream_of(StreamRef stream) noexcept {
    return static_cast<cudaStream_t>(stream.native);
}

class CudaBackend final : public Backend {
  public:
    CudaBackend(std::string name, int ordinal) : name_(std::move(name)), ordinal_(ordinal) {}

    std::string name() const override { return name_; }
    bool has_streams() const noexcept override { return true; }

    std::unique_ptr<Registration> register_host(std::span<std::byte> memory) override {
        return std::make_unique<PinnedRing>(ordinal_, memory);
    }
    std::unique_ptr<Buffer> allocate(std::size_t bytes) override {
        return std::make_unique<DeviceBuffer>(allocate_device(ordinal_, bytes));
    }
    std::unique_ptr<Buffer> allocate_host(std::size_t bytes) override {
        return std::make_unique<PinnedBuffer>(allocate_pinned(ordinal_, bytes));
    }
    std::unique_ptr<Event> make_event() override {
        return std::make_unique<CudaEvent>(cuda::make_event(ordinal_));
    }
    std::unique_ptr<CopyStream> make_copy_stream(const CopyForm& form,
                                                 Registration* registration) override {
        return std::make_unique<CudaCopyStream>(ordinal_, form,
                                                *static_cast<PinnedRing*>(registration));
    }

    void synchronize(Event& event) override {
        const CurrentDevice current(ordinal_);
        check(cudaEventSynchronize(event_of(event)), ordinal_, "cudaEventSynchronize");
    }
    bool is_complete(Event& event) override {
        // To ask is not allowed on a thread that captures a graph, be it on another stream.
        cudaStreamCaptureMode mode = cudaStreamCaptureModeRelaxed;
        pass_over(cudaThreadExchangeStreamCaptureMode(&mode));
        const cudaError_t error = cudaEventQuery(event_of(event));
        if (error == cudaErrorNotReady) static_cast<void>(cudaGetLastError());
        pass_over(cudaThreadExchangeStreamCaptureMode(&mode));
        if (error == cudaErrorNotReady) return false;
        check(error, ordinal_, "cudaEventQuery");
        return true;
    }
    void expect_usable(StreamRef stream) override {
        const std::string device = "device " + name_ + ": ";
        if (stream_of(stream) == cudaStreamPerThread) {
            throw UsageError(device +
                             "cudaStreamPerThread is another stream on each thread, and batches "
                             "may be given back on any; use a stream of your own");
        }
        cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
        // A stream that cannot be asked says what is wrong when it is used.
        pass_over(cudaStreamIsCapturing(stream_of(stream), &status));
        if (status != cudaStreamCaptureStatusNone) {
            throw UsageError(device +
                             "the stream is being captured into a graph; take batches and give "
                             "them back outside of the capture");
        }
    }
    void record(Event& event, StreamRef stream) override {
        std::optional<CurrentDevice> current;
        if (is_default(stream)) current.emplace(ordinal_);
        check(cudaEventRecord(event_of(event), stream_of(stream)), ordinal_,
              "cudaEventRecord on the trainer's stream");
    }
    void wait(StreamRef stream, Event& event) override {
        std::optional<CurrentDevice> current;
        if (is_default(stream)) current.emplace(ordinal_);
        check(cudaStreamWaitEvent(stream_of(stream), event_of(event), 0), ordinal_,
              "cudaStreamWaitEvent of the trainer's stream");
    }
    void strip(const StripPlan& plan, StreamRef stream) override {
        cuda::strip(ordinal_, plan, stream_of(stream));
    }
    std::optional<double> seconds_between(Event& from, Event& to) override {
        float milliseconds = 0;
        const cudaError_t error = cudaEventElapsedTime(&milliseconds, event_of(from), event_of(to));
        if (error == cudaErrorNotReady) {
            static_cast<void>(cudaGetLastError());
            return std::nullopt;
        }
        check(error, ordinal_, "cudaEventElapsedTime");
        return static_cast<double>(milliseconds) / 1e3;
    }

    // For good: a thread that went back to GPU 0 after each call would make a context there, with
    // all the memory that this takes, for nothing.
    void enter_thread() override {
        check(cudaSetDevice(ordinal_), ordinal_, "cudaSetDevice of the loader's thread");
        // A trainer that captures a graph must not mind what our threads do meanwhile, nor we.
        cudaStreamCaptureMode mode = cudaStreamCaptureModeRelaxed;
        check(cudaThreadExchangeStreamCaptureMode(&mode), ordinal_,
              "cudaThreadExchangeStreamCaptureMode of the loader's thread");
    }
    void begin_stage([[maybe_unused]] const char* name) noexcept override {
#if HEADRACE_HAS_NVTX
        nvtxRangePushA(name);
#endif
    }
    void end_stage() noexcept override {
#if HEADRACE_HAS_NVTX
        nvtxRangePop();
#endif
    }

  private:
    // CUDA's default stream is one of the current GPU's; any other knows its own.
    static bool is_default(StreamRef stream) noexcept {
        return stream.native == nullptr || stream_of(stream) == cudaStreamLegacy;
    }

    std::string name_;
    int ordinal_;
};

}  // namespace

}  // namespace cuda

std::shared_ptr<Backend> make_cuda_backend(const std::string& name) {
    constexpr std::string_view kPrefix = "cuda:";
    int ordinal = 0;
    std::from_chars(name.data() + kPrefix.size(), name.data() + name.size(), ordinal);
#if HEADRACE_HAS_NVTX
    // Before there are threads that use it: left to its first use it would be a race between them.
    static std::once_flag initialized;
    std::call_once(initialized, [] { nvtxInitialize(nullptr); });
#endif
    return std::make_shared<cuda::CudaBackend>(name, ordinal);
}

}  // namespace headrace::device
