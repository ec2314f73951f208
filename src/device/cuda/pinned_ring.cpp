#include "device/cuda/pinned_ring.hpp"

#include <algorithm>

#include "device/cuda/call.hpp"

namespace headrace::device::cuda {

namespace {

// Tried one after the other where one call is too large for the driver (no memory, or not a value
// that it takes): all at once, then pieces of 1 GiB, 256 MiB and 64 MiB. Smaller ones would only
// make many more calls, and no other error is about the size.
constexpr std::size_t kPieceBytes[] = {~std::size_t{0}, std::size_t{1} << 30, std::size_t{1} << 28,
                                       std::size_t{1} << 26};

}  // namespace

PinnedRing::PinnedRing(int ordinal, std::span<std::byte> memory) : ordinal_(ordinal) {
    const CurrentDevice current(ordinal_);
    int supported = 0;
    check(cudaDeviceGetAttribute(&supported, cudaDevAttrHostRegisterSupported, ordinal_), ordinal_,
          "cudaDeviceGetAttribute(HostRegisterSupported)");
    if (supported == 0) {
        refusal_ = "the GPU's driver does not register host memory";
        return;
    }
    cudaError_t error = cudaSuccess;
    for (const std::size_t piece_bytes : kPieceBytes) {
        if (piece_bytes != kPieceBytes[0] && piece_bytes >= memory.size()) continue;
        error = register_in_pieces(memory, piece_bytes);
        if (error != cudaErrorMemoryAllocation && error != cudaErrorInvalidValue) break;
    }
    if (error != cudaSuccess) {
        refusal_ =
            "cudaHostRegister of " + std::to_string(memory.size()) + " bytes: " + text_of(error);
        return;
    }
    find_distance();
}

PinnedRing::~PinnedRing() {
    unregister();
}

// All of it or nothing.
cudaError_t PinnedRing::register_in_pieces(std::span<std::byte> memory, std::size_t piece_bytes) {
    while (!memory.empty()) {
        const std::span piece = memory.first(std::min(piece_bytes, memory.size()));
        const cudaError_t error = cudaHostRegister(
            piece.data(), piece.size(), cudaHostRegisterPortable | cudaHostRegisterMapped);
        if (error != cudaSuccess) {
            static_cast<void>(cudaGetLastError());  // a refusal leaves it behind
            unregister();
            return error;
        }
        pieces_.push_back(piece);
        memory = memory.subspan(piece.size());
    }
    return cudaSuccess;
}

void PinnedRing::find_distance() {
    for (const std::span<std::byte> piece : pieces_) {
        void* mapped = nullptr;
        if (cudaHostGetDevicePointer(&mapped, piece.data(), 0) != cudaSuccess) {
            static_cast<void>(cudaGetLastError());
            distance_.reset();
            return;
        }
        const std::ptrdiff_t distance = static_cast<std::byte*>(mapped) - piece.data();
        if (distance_ && *distance_ != distance) {
            distance_.reset();
            return;
        }
        distance_ = distance;
    }
}

void PinnedRing::unregister() noexcept {
    // The last one first; errors mean that CUDA has gone before us.
    for (auto piece = pieces_.rbegin(); piece != pieces_.rend(); ++piece) {
        pass_over(cudaHostUnregister(piece->data()));
    }
    pieces_.clear();
}

std::size_t PinnedRing::bytes_to_end_of_piece(const std::byte* address) const noexcept {
    if (pieces_.empty()) return 0;
    const std::byte* const begin = pieces_.front().data();
    const std::byte* const end = pieces_.back().data() + pieces_.back().size();
    if (address < begin || address >= end) return 0;
    const std::size_t piece_bytes = pieces_.front().size();
    const std::size_t to_next =
        piece_bytes - static_cast<std::size_t>(address - begin) % piece_bytes;
    return std::min(to_next, static_cast<std::size_t>(end - address));
}

std::optional<const std::byte*> PinnedRing::device_address(
    const std::byte* address) const noexcept {
    if (!distance_) return std::nullopt;
    return address + *distance_;
}

}  // namespace headrace::device::cuda
