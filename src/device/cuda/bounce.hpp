// The way of a ring that cannot be pinned: the host packs a batch's payload into a buffer that is,
// and the copy engine takes it from there. Two buffers take turns.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "device/backend.hpp"
#include "device/cuda/owners.hpp"

namespace headrace::device::cuda {

class Bounce {
  public:
    // `bytes` of payload at the most in one batch. Throws DeviceError.
    Bounce(int ordinal, std::size_t bytes);

    // Waits on the host until the next buffer is free, and begins with it.
    void begin();
    // Packs the payload of one field behind what is there, aligned to 256 bytes; returns its place.
    const std::byte* pack(const FieldForm& form, const FieldPlan& field,
                          std::span<const std::uint32_t> slots);
    // How far from the beginning of its buffer such a place is.
    std::size_t place_of(const std::byte* packed) const noexcept {
        return static_cast<std::size_t>(packed - turns_[turn_].memory.get());
    }
    // All copies out of the buffer are enqueued on `stream`.
    void end(cudaStream_t stream);

  private:
    struct Turn {
        PinnedMemory memory;
        OwnedEvent copied;
    };
    int ordinal_;
    std::array<Turn, 2> turns_;
    std::size_t turn_ = 0;
    std::size_t used_bytes_ = 0;
};

}  // namespace headrace::device::cuda
