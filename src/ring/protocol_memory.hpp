// Definitions of the protocol: what all sides need. Includes the others, so that this is the one to
// include where BasicProtocol is instantiated.
//
// Unless a line says otherwise every operation here is sequentially consistent (the default), for
// two reasons: "publish, then look whether somebody sleeps" and "say that I sleep, then look again"
// are ordered against each other by nothing weaker, and on x86 only the stores would be cheaper.
#pragma once

#include "ring/protocol.hpp"
#include "ring/protocol_claim.hpp"
#include "ring/protocol_service.hpp"
#include "ring/protocol_share.hpp"
#include "ring/protocol_take.hpp"

namespace headrace::ring {

template <class P>
BasicProtocol<P>::BasicProtocol(std::span<std::byte> memory, const Description& description)
    : slots_(description.slots),
      mask_((slots_ & (slots_ - 1)) == 0 ? slots_ - 1 : 0),
      start_index_(description.start_index),
      run_length_(description.end_index()),
      is_stream_(!description.sampler.has_value()),
      field_count_(description.schema.size()) {
    const Geometry g = Geometry::of(description.schema, description.slots);
    std::byte* const base = memory.data();
    control_ = reinterpret_cast<BasicControl<P>*>(base + g.control);
    trainer_ = reinterpret_cast<TrainerCounters*>(base + g.trainer);
    floor_ = &control_->floor;
    producers_ = reinterpret_cast<ProducerCell*>(base + g.producers);
    consumers_ = reinterpret_cast<BasicConsumerCell<P>*>(base + g.consumers);
    returned_ = reinterpret_cast<Atomic<std::uint64_t>*>(base + g.returned);
    descriptors_ = reinterpret_cast<Descriptor*>(base + g.descriptors);
    reasons_ = reinterpret_cast<SlotReason*>(base + g.reasons);
    for (std::size_t i = 0; i < field_count_; ++i) {
        const Field& field = description.schema[i];
        fields_[i] = {base + g.field_offset[i], g.row_bytes[i], field.capacity,
                      static_cast<std::uint32_t>(bytes_of(field.dtype)), field.dtype};
    }
}

template <class P>
std::uint64_t BasicProtocol<P>::word_at(std::uint64_t slot) const noexcept {
    return descriptors_[slot].word.load();
}

template <class P>
bool BasicProtocol<P>::is_noted(std::uint64_t slot) const noexcept {
    return (returned_[slot / 64].load() >> slot % 64 & 1) != 0;
}

template <class P>
std::uint64_t BasicProtocol<P>::index_in(std::uint64_t word) const noexcept {
    const std::uint64_t near = control_->tail.load(std::memory_order_relaxed);
    return near + static_cast<std::uint64_t>(distance(word, near));
}

template <class P>
Phase BasicProtocol<P>::phase() const noexcept {
    return static_cast<Phase>(control_->phase.load());
}

}  // namespace headrace::ring
