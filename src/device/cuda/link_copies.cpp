#include "device/cuda/link_copies.hpp"

#include <algorithm>
#include <string>

#include "device/cuda/call.hpp"

namespace headrace::device::cuda {

namespace {

// What cudaMemcpy2DAsync takes: cudaDeviceProp::memPitch is this on all GPUs so far. Wider rows are
// copied one by one, which is no loss at that size.
constexpr std::size_t kMostPitch = 0x7fff'ffff;

}  // namespace

std::uint64_t LinkCopies::copy(std::byte* to, const std::byte* from, std::size_t bytes) {
    const std::uint64_t all = bytes;
    while (bytes != 0) {
        const std::size_t part = std::min(bytes, ring_.bytes_to_end_of_piece(from));
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
        const std::size_t part = std::min(bytes, ring_.bytes_to_end_of_piece(from));
        to_.push_back(to);
        from_.push_back(from);
        bytes_.push_back(part);
        to += part;
        from += part;
        bytes -= part;
    }
    return all;
}

#if CUDART_VERSION >= 12080
// The batch call came with CUDA 12.8, whose last but one argument CUDA 13 dropped, and whose first
// two it made pointers to const.
void LinkCopies::submit() {
    if (to_.empty()) return;
    cudaMemcpyAttributes attributes{};
    // The ring's slots stay as they are until the stream has passed.
    attributes.srcAccessOrder = cudaMemcpySrcAccessOrderStream;
    std::size_t first = 0;
#    if CUDART_VERSION >= 13000
    const cudaError_t error = cudaMemcpyBatchAsync(to_.data(), from_.data(), bytes_.data(),
                                                   to_.size(), &attributes, &first, 1, stream_);
#    else
    std::size_t failed = 0;
    const cudaError_t error =
        cudaMemcpyBatchAsync(to_.data(), const_cast<void**>(from_.data()), bytes_.data(),
                             to_.size(), &attributes, &first, 1, &failed, stream_);
#    endif
    check(error, ordinal_, "cudaMemcpyBatchAsync of " + std::to_string(to_.size()) + " copies");
    to_.clear();
    from_.clear();
    bytes_.clear();
}
#else
void LinkCopies::submit() {
    for (std::size_t i = 0; i < to_.size(); ++i) {
        check(cudaMemcpyAsync(to_[i], from_[i], bytes_[i], cudaMemcpyHostToDevice, stream_),
              ordinal_, "cudaMemcpyAsync of one record");
    }
    to_.clear();
    from_.clear();
    bytes_.clear();
}
#endif

}  // namespace headrace::device::cuda
