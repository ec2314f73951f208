#include "device/cuda/bounce.hpp"

#include <cstring>

#include "device/cuda/call.hpp"

namespace headrace::device::cuda {

Bounce::Bounce(int ordinal, std::size_t bytes) : ordinal_(ordinal) {
    for (Turn& turn : turns_) {
        turn.memory = allocate_pinned(ordinal, bytes);
        turn.copied = make_event(ordinal);
    }
}

void Bounce::begin() {
    turn_ = 1 - turn_;
    used_bytes_ = 0;
    check(cudaEventSynchronize(turns_[turn_].copied.get()), ordinal_,
          "cudaEventSynchronize of a bounce buffer");
}

const std::byte* Bounce::pack(const FieldForm& form, const FieldPlan& field,
                              std::span<const std::uint32_t> slots) {
    std::byte* const begin = turns_[turn_].memory.get() + used_bytes_;
    std::byte* to = begin;
    for (std::size_t record = 0; record < slots.size(); ++record) {
        const std::size_t bytes = std::size_t{field.lengths[record]} * form.element_bytes;
        std::memcpy(to, form.rows + slots[record] * form.row_bytes, bytes);
        to += bytes;
    }
    used_bytes_ = aligned(used_bytes_ + static_cast<std::size_t>(to - begin));
    return begin;
}

void Bounce::end(cudaStream_t stream) {
    check(cudaEventRecord(turns_[turn_].copied.get(), stream), ordinal_,
          "cudaEventRecord of a bounce buffer");
}

}  // namespace headrace::device::cuda
