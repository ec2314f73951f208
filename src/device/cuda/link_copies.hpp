// Copies from the ring's pinned memory to the GPU, on one stream, cut where a registered piece
// ends. One thread at a time, whose current GPU is the stream's.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "device/cuda/pinned_ring.hpp"

namespace headrace::device::cuda {

class LinkCopies {
  public:
    // `ring` outlives it.
    LinkCopies(int ordinal, cudaStream_t stream, const PinnedRing& ring);

    // Each enqueues, and returns the bytes that will cross the link. Throw DeviceError.
    std::uint64_t copy(std::byte* to, const std::byte* from, std::size_t bytes);
    // `rows` rows of `width` bytes, `from_pitch` and `to_pitch` bytes apart.
    std::uint64_t copy_rows(std::byte* to, std::size_t to_pitch, const std::byte* from,
                            std::size_t from_pitch, std::size_t width, std::size_t rows);
    // Notes a copy for submit(), which enqueues all that were noted at once, in no order among
    // them.
    std::uint64_t note(std::byte* to, const std::byte* from, std::size_t bytes);
    // The same of other memory than the ring's, pinned as a whole.
    std::uint64_t note_block(std::byte* to, const std::byte* from, std::size_t bytes);
    void submit();

  private:
    std::size_t part_of(const std::byte* from, std::size_t bytes) const;
    void submit_some(std::size_t first, std::size_t count);
    cudaError_t submit_batch(std::size_t first, std::size_t count);

    int ordinal_;
    cudaStream_t stream_;
    const PinnedRing& ring_;
    bool takes_batches_ = false;  // the driver, by cudaMemcpyBatchAsync
    // What that takes; kept, so that nothing is allocated the second time.
    std::vector<void*> to_;
    std::vector<const void*> from_;
    std::vector<std::size_t> bytes_;
};

}  // namespace headrace::device::cuda
