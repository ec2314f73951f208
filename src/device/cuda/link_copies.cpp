#include "device/cuda/link_copies.hpp"

#include <algorithm>

#include "device/cuda/call.hpp"

namespace headrace::device::cuda {

namespace {

// What cudaMemcpy2DAsync takes: cudaDeviceProp::memPitch is this on all GPUs so far. Wider rows are
// copied one by one, which is no loss at that size.
constexpr std::size_t kMostPitch = 0x7fff'ffff;

// Copies of one batch call. Drivers have been seen to fail with 50,000 (vllm#49276), and more than
// some hundreds at once save nothing.
constexpr std::size_t kMostEntries = 512;

}  // namespace

LinkCopies::LinkCopies(int ordinal, cudaStream_t stream, const PinnedRing& ring)
    : ordinal_(ordinal), stream_(stream), ring_(ring) {
    // Elsewhere the driver finds the GPU's address of a host address for a plain copy, but not for
    // those of a batch (sglang#40232).
    int same_address = 0;
    check(cudaDeviceGetAttribute(&same_address, cudaDevAttrCanUseHostPointerForRegisteredMem,
                                 ordinal_),
          ordinal_, "cudaDeviceGetAttribute(CanUseHostPointerForRegisteredMem)");
    takes_batches_ = same_address != 0;
}

// How much of a copy lies in the piece where it begins.
std::size_t LinkCopies::part_of(const std::byte* from, std::size_t bytes) const {
    const std::size_t part = std::min(bytes, ring_.bytes_to_end_of_piece(from));
    if (part == 0) check(cudaErrorInvalidValue, ordinal_, "copy from outside of the ring");
    return part;
}

std::uint64_t LinkCopies::copy(std::byte* to, const std::byte* from, std::size_t bytes) {
    const std::uint64_t all = bytes;
    while (bytes != 0) {
        const std::size_t part = part_of(from, bytes);
        check(cudaMemcpyAsync(to, from, part, cudaMemcpyHostToDevice, stream_), ordinal_,
              "cudaMemcpyAsync from the ring");
        to += part;
        from += part;
        bytes -= part;
    }
    return all;
}

std::uint64_t LinkCopies::copy_rows(std::byte* to, std::size_t to_pitch, const std::byte* from,
                                    std::size_t from_pitch, std::size_t width, std::size_t rows) {
    if (width == 0) return 0;
    const std::uint64_t all = std::uint64_t{width} * rows;
    while (rows != 0) {
        const std::size_t piece =
            std::max(from_pitch, to_pitch) > kMostPitch ? 0 : ring_.bytes_to_end_of_piece(from);
        // Those that end within the piece: the last one needs its width only.
        const std::size_t whole =
            piece < width ? 0 : std::min(rows, (piece - width) / from_pitch + 1);
        if (whole == 0) {
            copy(to, from, width);
        } else {
            check(cudaMemcpy2DAsync(to, to_pitch, from, from_pitch, width, whole,
                                    cudaMemcpyHostToDevice, stream_),
                  ordinal_, "cudaMemcpy2DAsync from the ring");
        }
        const std::size_t done = std::max<std::size_t>(1, whole);
        rows -= done;
        if (rows == 0) break;  // behind the last row there may be no memory
        to += done * to_pitch;
        from += done * from_pitch;
    }
    return all;
}

std::uint64_t LinkCopies::note(std::byte* to, const std::byte* from, std::size_t bytes) {
    const std::uint64_t all = bytes;
    while (bytes != 0) {
        const std::size_t part = part_of(from, bytes);
        note_block(to, from, part);
        to += part;
        from += part;
        bytes -= part;
    }
    return all;
}

std::uint64_t LinkCopies::note_block(std::byte* to, const std::byte* from, std::size_t bytes) {
    if (bytes == 0) return 0;
    to_.push_back(to);
    from_.push_back(from);
    bytes_.push_back(bytes);
    return bytes;
}

void LinkCopies::submit() {
    for (std::size_t first = 0; first < to_.size(); first += kMostEntries) {
        submit_some(first, std::min(kMostEntries, to_.size() - first));
    }
    to_.clear();
    from_.clear();
    bytes_.clear();
}

void LinkCopies::submit_some(std::size_t first, std::size_t count) {
    if (takes_batches_) {
        const cudaError_t error = submit_batch(first, count);
        if (error != cudaErrorCallRequiresNewerDriver && error != cudaErrorNotSupported) {
            check(error, ordinal_, "cudaMemcpyBatchAsync from the ring");
            return;
        }
        pass_over(error);
        takes_batches_ = false;
    }
    for (std::size_t i = first; i < first + count; ++i) {
        check(cudaMemcpyAsync(to_[i], from_[i], bytes_[i], cudaMemcpyHostToDevice, stream_),
              ordinal_, "cudaMemcpyAsync of one record");
    }
}

// The batch call came with CUDA 12.8. CUDA 13 dropped the last but one of its arguments, and made
// the first two pointers to const.
#if CUDART_VERSION >= 12080
cudaError_t LinkCopies::submit_batch(std::size_t first, std::size_t count) {
    cudaMemcpyAttributes attributes{};
    // The ring's slots stay as they are until the stream has passed.
    attributes.srcAccessOrder = cudaMemcpySrcAccessOrderStream;
    // By the copy engine: the multiprocessors are the trainer's.
    attributes.flags = cudaMemcpyFlagPreferOverlapWithCompute;
    std::size_t all = 0;
#    if CUDART_VERSION >= 13000
    return cudaMemcpyBatchAsync(to_.data() + first, from_.data() + first, bytes_.data() + first,
                                count, &attributes, &all, 1, stream_);
#    else
    std::size_t failed = 0;
    return cudaMemcpyBatchAsync(to_.data() + first, const_cast<void**>(from_.data() + first),
                                bytes_.data() + first, count, &attributes, &all, 1, &failed,
                                stream_);
#    endif
}
#else
cudaError_t LinkCopies::submit_batch(std::size_t, std::size_t) {
    return cudaErrorNotSupported;
}
#endif

}  // namespace headrace::device::cuda
