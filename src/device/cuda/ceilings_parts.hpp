// What the files of the ceilings have in common: a stream with a clock. For ceilings*.cpp.
#pragma once

#include <cuda_runtime_api.h>

#include <memory>
#include <span>

#include "device/ceilings.hpp"
#include "device/cuda/call.hpp"
#include "device/cuda/owners.hpp"

namespace headrace::device::cuda {

double seconds_between(int ordinal, cudaEvent_t from, cudaEvent_t to);

class TimedStream {
  public:
    explicit TimedStream(int ordinal)
        : ordinal_(ordinal),
          stream_(make_stream(ordinal)),
          begun_(make_event(ordinal)),
          ended_(make_event(ordinal)) {}

    cudaStream_t get() const noexcept { return stream_.get(); }
    void synchronize() {
        check(cudaStreamSynchronize(stream_.get()), ordinal_, "cudaStreamSynchronize");
    }
    // Seconds of one `work()`, which enqueues, on average over `times`. The GPU is current.
    template <class Work>
    double seconds(unsigned times, const Work& work) {
        check(cudaEventRecord(begun_.get(), stream_.get()), ordinal_, "cudaEventRecord");
        for (unsigned i = 0; i < times; ++i) work();
        check(cudaEventRecord(ended_.get(), stream_.get()), ordinal_, "cudaEventRecord");
        check(cudaEventSynchronize(ended_.get()), ordinal_, "cudaEventSynchronize");
        return seconds_between(ordinal_, begun_.get(), ended_.get()) / times;
    }
    void copy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
        check(cudaMemcpyAsync(to, from, bytes, kind, stream_.get()), ordinal_, "cudaMemcpyAsync");
    }
    void fill(std::byte* memory, std::byte value, std::size_t bytes) {
        check(cudaMemsetAsync(memory, std::to_integer<int>(value), bytes, stream_.get()), ordinal_,
              "cudaMemsetAsync");
    }

  private:
    int ordinal_;
    Stream stream_;
    OwnedEvent begun_, ended_;
};

int processors_of(int ordinal);

std::unique_ptr<PackingCase> make_packing_case(int ordinal, std::span<const std::byte> rows,
                                               std::uint64_t row_bytes,
                                               std::span<const std::uint32_t> lengths);
std::unique_ptr<StepStream> make_spinning_stream(int ordinal, std::uint64_t most_steps);

}  // namespace headrace::device::cuda
