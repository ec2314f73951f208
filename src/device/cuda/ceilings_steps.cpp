// A trainer's stream whose steps spin.
#include <vector>

#include "device/cuda/ceilings_kernels.hpp"
#include "device/cuda/ceilings_parts.hpp"
#include "headrace/error.hpp"

namespace headrace::device::cuda {

namespace {

class SpinningStream final : public StepStream {
  public:
    SpinningStream(int ordinal, std::uint64_t most_steps)
        : ordinal_(ordinal), stream_(make_plain_stream(ordinal)), blocks_(blocks_of(ordinal)) {
        steps_.reserve(most_steps);
        for (std::uint64_t step = 0; step < most_steps; ++step) {
            steps_.push_back({make_event(ordinal), make_event(ordinal)});
        }
    }
    SpinningStream(const SpinningStream&) = delete;
    SpinningStream& operator=(const SpinningStream&) = delete;
    ~SpinningStream() override { pass_over(cudaStreamSynchronize(stream_.get())); }

    StreamRef ref() const noexcept override { return stream_.get(); }
    std::uint64_t steps() const noexcept override { return enqueued_; }

    void enqueue(double seconds) override {
        const CurrentDevice current(ordinal_);
        const Step& step = steps_.at(enqueued_);
        record(step.begun);
        check(launch_spin(static_cast<std::uint64_t>(seconds * 1e9), blocks_, stream_.get()),
              ordinal_, "launch of the kernel spin");
        record(step.ended);
        ++enqueued_;
    }

    void wait(std::uint64_t step) override {
        const CurrentDevice current(ordinal_);
        check(cudaEventSynchronize(steps_.at(step).ended.get()), ordinal_,
              "cudaEventSynchronize of a step");
    }
    double span_s(std::uint64_t first, std::uint64_t last) override {
        return seconds_between(ordinal_, steps_.at(first).begun.get(), steps_.at(last).ended.get());
    }
    double gap_s(std::uint64_t step) override {
        return seconds_between(ordinal_, steps_.at(step - 1).ended.get(),
                               steps_.at(step).begun.get());
    }

    void read(std::span<std::byte> to, const std::byte* from) override {
        const CurrentDevice current(ordinal_);
        check(cudaMemcpyAsync(to.data(), from, to.size(), cudaMemcpyDeviceToHost, stream_.get()),
              ordinal_, "cudaMemcpyAsync to the host");
        check(cudaStreamSynchronize(stream_.get()), ordinal_, "cudaStreamSynchronize");
    }

  private:
    struct Step {
        OwnedEvent begun, ended;
    };

    // As a trainer would have one: of the priority that streams have if nobody says which.
    static Stream make_plain_stream(int ordinal) {
        const CurrentDevice current(ordinal);
        cudaStream_t stream = nullptr;
        check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), ordinal,
              "cudaStreamCreateWithFlags");
        return Stream(stream);
    }
    static unsigned blocks_of(int ordinal) { return static_cast<unsigned>(processors_of(ordinal)); }
    void record(const OwnedEvent& event) {
        check(cudaEventRecord(event.get(), stream_.get()), ordinal_, "cudaEventRecord of a step");
    }

    int ordinal_;
    Stream stream_;
    unsigned blocks_;
    std::vector<Step> steps_;
    std::uint64_t enqueued_ = 0;
};

}  // namespace

std::unique_ptr<StepStream> make_spinning_stream(int ordinal, std::uint64_t most_steps) {
    return std::make_unique<SpinningStream>(ordinal, most_steps);
}

}  // namespace headrace::device::cuda
