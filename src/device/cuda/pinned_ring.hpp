// The ring's memory, registered with CUDA: pinned, and mapped for the GPU. Made once, in one piece
// where the driver takes it; a copy may then not cross from one piece into the next.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "device/backend.hpp"

namespace headrace::device::cuda {

class PinnedRing final : public Registration {
  public:
    // Never throws for what CUDA refuses: see refusal().
    PinnedRing(int ordinal, std::span<std::byte> memory);
    PinnedRing(const PinnedRing&) = delete;
    PinnedRing& operator=(const PinnedRing&) = delete;
    // All copies out of it must have passed.
    ~PinnedRing() override;

    std::string refusal() const override { return refusal_; }
    // The pieces, in order and without a gap; none after a refusal.
    std::span<const std::span<std::byte>> pieces() const noexcept { return pieces_; }
    // The piece that holds `address`, from there on; 0 outside of the ring.
    std::size_t bytes_to_end_of_piece(const std::byte* address) const noexcept;
    // What a kernel reads where the host has `address`; empty where the GPU cannot, or would need
    // another distance for each piece.
    std::optional<const std::byte*> device_address(const std::byte* address) const noexcept;

  private:
    cudaError_t register_in_pieces(std::span<std::byte> memory, std::size_t piece_bytes);
    void find_distance();
    void unregister() noexcept;

    int ordinal_;
    std::vector<std::span<std::byte>> pieces_;  // all of the first one's size, but for the last
    std::string refusal_;
    std::optional<std::ptrdiff_t> distance_;  // from a host address to the GPU's
};

}  // namespace headrace::device::cuda
