#include "ring/protocol.hpp"

#include <algorithm>

#include "ring/futex.hpp"

namespace headrace::ring {

// Unless a line says otherwise every operation here is sequentially consistent (the default), for
// two reasons: "publish, then look whether somebody sleeps" and "say that I sleep, then look again"
// are ordered against each other by nothing weaker, and on x86 only the stores would be cheaper.
using std::memory_order_acquire;
using std::memory_order_relaxed;
using std::memory_order_release;

Protocol::Protocol(std::span<std::byte> memory, const Description& description)
    : slots_(description.slots),
      mask_((slots_ & (slots_ - 1)) == 0 ? slots_ - 1 : 0),
      start_index_(description.start_index),
      end_index_(description.end_index()),
      is_stream_(!description.sampler.has_value()),
      field_count_(description.schema.size()) {
    const Geometry g = Geometry::of(description.schema, description.slots);
    std::byte* const base = memory.data();
    control_ = reinterpret_cast<Control*>(base + g.control);
    trainer_ = reinterpret_cast<TrainerCounters*>(base + g.trainer);
    producers_ = reinterpret_cast<ProducerCell*>(base + g.producers);
    returned_ = reinterpret_cast<std::atomic<std::uint64_t>*>(base + g.returned);
    descriptors_ = reinterpret_cast<SlotDescriptor*>(base + g.descriptors);
    reasons_ = reinterpret_cast<SlotReason*>(base + g.reasons);
    for (std::size_t i = 0; i < field_count_; ++i) {
        const Field& field = description.schema[i];
        fields_[i] = {base + g.field_offset[i], g.row_bytes[i], field.capacity,
                      static_cast<std::uint32_t>(bytes_of(field.dtype)), field.dtype};
    }
}

std::uint64_t Protocol::word_at(std::uint64_t slot) const noexcept {
    return descriptors_[slot].word.load();
}

bool Protocol::is_noted(std::uint64_t slot) const noexcept {
    return (returned_[slot / 64].load() >> slot % 64 & 1) != 0;
}

std::uint64_t Protocol::index_in(std::uint64_t word) const noexcept {
    const std::uint64_t near = control_->tail.load(memory_order_relaxed);
    return near + static_cast<std::uint64_t>(distance(word, near));
}

Phase Protocol::phase() const noexcept {
    return static_cast<Phase>(control_->phase.load());
}

// ---- producers ----

Claim Protocol::try_claim(Owner me, ClaimMemory& memory) noexcept {
    // An index whose slot has gone on to a later lap, and under which the tail stands still, is
    // that of a claimer who was stopped before it moved the tail: there are no more of these than
    // owners. A tail that lies further behind was scribbled upon, and catching up may take years.
    std::uint32_t laps_behind = 0;
    for (;;) {
        const Phase now = phase();
        if (now == Phase::aborted) return {ClaimState::aborted};
        if (now != Phase::open) return {ClaimState::end};

        // Work that came back goes first: the consumer may be waiting for just that.
        const std::uint64_t returns = control_->returns.load();
        if (returns != memory.returns) {
            if (const Claim claim = claim_returned(me); claim.state == ClaimState::claimed) {
                return claim;
            }
            memory.returns = returns;
        }

        const std::uint64_t tail = control_->tail.load();
        if (tail >= end_index_) {
            return {is_all_settled(memory.settled_below) ? ClaimState::end
                                                         : ClaimState::nothing_yet};
        }
        SlotDescriptor& slot = descriptor(tail);
        std::uint64_t word = slot.word.load();
        const std::int64_t lap = distance(word, tail);
        if (lap < 0)
            return {ClaimState::nothing_yet};  // the slot is still in use: the ring is full
        if (lap == 0 && state_of(word) == SlotState::free) {
            const std::uint64_t mine =
                pack(tail, SlotState::writing, me.id, me.incarnation, attempts_of(word));
            if (!slot.word.compare_exchange_strong(word, mine)) continue;
            std::uint64_t expected = tail;
            control_->tail.compare_exchange_strong(expected, tail + 1);
            // The next claim's line was last written by the consumer; have it come meanwhile.
            __builtin_prefetch(&descriptor(tail + 1), 1);
            return {ClaimState::claimed, tail, mine};
        }
        // Somebody claimed this index and has not moved the tail on yet, or died before: help.
        std::uint64_t expected = tail;
        const bool helped = control_->tail.compare_exchange_strong(expected, tail + 1);
        if (helped && lap > 0 && ++laps_behind > kOwners) return {ClaimState::nothing_yet};
    }
}

Claim Protocol::claim_returned(Owner me) noexcept {
    const std::uint64_t chunks = (slots_ + 63) / 64;
    for (std::uint64_t chunk = 0; chunk < chunks; ++chunk) {
        for (std::uint64_t bits = returned_[chunk].load(); bits != 0; bits &= bits - 1) {
            const std::uint64_t slot = chunk * 64 + static_cast<unsigned>(__builtin_ctzll(bits));
            if (slot >= slots_) break;
            // The bit is a hint that stays until the slot is released; the word is the truth. A set
            // bit over a free word is an index that came back: release() clears the bit before it
            // makes the slot free for the next lap.
            std::uint64_t word = descriptors_[slot].word.load();
            if (state_of(word) != SlotState::free) continue;
            const std::uint64_t index = index_in(word);
            if (slot_of(index) != slot || index >= end_index_) continue;
            const std::uint64_t mine =
                pack(index, SlotState::writing, me.id, me.incarnation, attempts_of(word));
            if (descriptors_[slot].word.compare_exchange_strong(word, mine)) {
                return {ClaimState::claimed, index, mine};
            }
        }
    }
    return {ClaimState::nothing_yet};
}

bool Protocol::publish(std::uint64_t index, std::uint64_t word,
                       std::span<const std::int64_t> lengths) noexcept {
    SlotDescriptor& slot = descriptor(index);
    for (std::size_t i = 0; i < lengths.size(); ++i) {
        slot.lengths[i].store(static_cast<std::uint32_t>(lengths[i]), memory_order_relaxed);
    }
    const std::uint64_t ready = (word & ~std::uint64_t{7}) | std::uint64_t{2};
    static_assert(static_cast<int>(SlotState::ready) == 2);
    if (!slot.word.compare_exchange_strong(word, ready)) return false;
    after_settling(index);
    return true;
}

bool Protocol::skip(std::uint64_t index, std::uint64_t word, const Reason& reason) noexcept {
    write_reason(slot_of(index), reason);
    const std::uint64_t hole =
        pack(index, SlotState::hole, owner_of(word), incarnation_of(word), attempts_of(word));
    if (!descriptor(index).word.compare_exchange_strong(word, hole)) return false;
    after_settling(index);
    return true;
}

bool Protocol::give_back(std::uint64_t index, std::uint64_t word, bool& came_back) noexcept {
    const std::uint32_t attempts = attempts_of(word) + 1;
    came_back = attempts < kMaxAttempts;
    if (!came_back) {
        return skip(
            index, word,
            {HoleKind::dropped, "given back unpublished " + std::to_string(attempts) + " times"});
    }
    note_return(slot_of(index));
    const std::uint64_t free = pack(index, SlotState::free, kTrainer, 0, attempts);
    if (!descriptor(index).word.compare_exchange_strong(word, free)) return false;
    after_return();
    return true;
}

// Before the word: killed in between, the producer leaves a bit without a free word under it, which
// nobody minds, and the reaper finishes the work. The other way round the index would be forgotten.
void Protocol::note_return(std::uint64_t slot) noexcept {
    returned_[slot / 64].fetch_or(std::uint64_t{1} << slot % 64);
}

// After the word: a producer that saw the new count finds the free word. One killed in between is
// reaped, and that bumps the count too.
void Protocol::after_return() noexcept {
    control_->returns.fetch_add(1);
    wake_producers();
}

void Protocol::write_reason(std::uint64_t slot, const Reason& reason) noexcept {
    SlotReason& place = reasons_[slot];
    const std::size_t length = std::min(reason.text.size(), kMaxReasonBytes);
    for (std::size_t i = 0; i < length; ++i) {
        place.text[i].store(reason.text[i], memory_order_relaxed);
    }
    place.length.store(static_cast<std::uint8_t>(length), memory_order_relaxed);
    place.kind.store(static_cast<std::uint8_t>(reason.kind), memory_order_relaxed);
}

// Pairs with the store to `wanted` in sleep_as_consumer(): either the sleeper sees this index
// settled, or we see that it sleeps.
void Protocol::after_settling(std::uint64_t index) noexcept {
    if (control_->wanted.load() == index) ring_consumer();
    // Near the end others may wait for just this: that no work can come back any more.
    if (end_index_ != Sampler::kEndless && index + slots_ >= end_index_) wake_producers();
}

SleepTicket Protocol::announce_producer_sleep() noexcept {
    const std::uint32_t bell = control_->space_bell.load();
    // A quarter of the ring makes a wake-up worth its price; a consumer that is about to sleep
    // wakes producers whatever they want, so nobody sleeps beside free slots for it.
    const std::uint64_t tail = control_->tail.load();
    const std::uint64_t worth = tail + std::max<std::uint64_t>(1, slots_ / 4);
    const std::uint64_t wanted = worth > slots_ ? worth - slots_ : 0;
    control_->space_wanted.store(wanted);
    control_->producers_asleep.store(1);
    // Pairs with the fetch_add in release(): if the slots that it freed are not seen by the claim
    // that follows, it sees that we sleep.
    (void)control_->released.load();
    return {bell, tail, wanted};
}

bool Protocol::sleep_as_producer(const SleepTicket& ticket,
                                 std::chrono::nanoseconds timeout) noexcept {
    return futex_wait(control_->space_bell, ticket.bell, timeout);
}

// A slot or two that became free without being worth a wake-up are no wake-up that was missed.
bool Protocol::was_due(const SleepTicket& ticket, std::uint64_t index) const noexcept {
    return index < ticket.tail || control_->released.load() >= ticket.released_wanted;
}

void Protocol::wake_producers() noexcept {
    if (control_->producers_asleep.load() == 0) return;
    if (control_->producers_asleep.exchange(0) == 0) return;
    control_->space_bell.fetch_add(1);
    futex_wake_all(control_->space_bell);
}

bool Protocol::is_all_settled(std::uint64_t& settled_below) const noexcept {
    if (end_index_ == Sampler::kEndless) return false;
    std::uint64_t index = end_index_ > slots_ ? end_index_ - slots_ : 0;
    index = std::max({index, start_index_, settled_below});
    for (; index < end_index_; ++index) {
        const std::uint64_t word = descriptor(index).word.load();
        const std::int64_t lap = distance(word, index);
        if (lap < 0 || (lap == 0 && !is_settled(state_of(word)))) break;
    }
    settled_below = index;
    return index >= end_index_;
}

std::uint64_t Protocol::true_tail() const noexcept {
    std::uint64_t tail = control_->tail.load();
    // A lap of the ring at the most: the words of the memory end it, whatever they are.
    for (std::uint32_t step = 0; step < slots_ && tail < end_index_; ++step, ++tail) {
        const std::uint64_t word = descriptor(tail).word.load();
        const std::int64_t lap = distance(word, tail);
        if (lap < 0 || (lap == 0 && state_of(word) == SlotState::free)) break;
    }
    return tail;
}

// ---- the consumer ----

bool Protocol::is_settled_at(std::uint64_t index) const noexcept {
    const std::uint64_t word = descriptor(index).word.load();
    return distance(word, index) == 0 &&
           (state_of(word) == SlotState::ready || state_of(word) == SlotState::hole);
}

SlotState Protocol::take(std::uint64_t index) noexcept {
    SlotDescriptor& slot = descriptor(index);
    __builtin_prefetch(&descriptor(index + 4), 1);  // to be swapped soon: come as ours, not shared
    std::uint64_t word = slot.word.load(memory_order_acquire);
    if (distance(word, index) != 0) return SlotState::free;
    const SlotState state = state_of(word);
    if (state != SlotState::ready && state != SlotState::hole) return SlotState::free;
    const std::uint64_t leased = pack(index, SlotState::leased);
    return slot.word.compare_exchange_strong(word, leased) ? state : SlotState::free;
}

std::uint32_t Protocol::length(std::uint64_t index, std::size_t field) const noexcept {
    return descriptor(index).lengths[field].load(memory_order_relaxed);
}

Reason Protocol::reason(std::uint64_t index) const {
    const SlotReason& place = reasons_[slot_of(index)];
    const std::size_t length =
        std::min<std::size_t>(place.length.load(memory_order_relaxed), kMaxReasonBytes);
    Reason reason{static_cast<HoleKind>(place.kind.load(memory_order_relaxed)), {}};
    for (std::size_t i = 0; i < length; ++i)
        reason.text += place.text[i].load(memory_order_relaxed);
    return reason;
}

void Protocol::release(std::span<const std::uint64_t> indices) noexcept {
    for (const std::uint64_t index : indices) {
        const std::uint64_t slot = slot_of(index);
        const std::uint64_t bit = std::uint64_t{1} << slot % 64;
        // Before the word: while it says leased nobody gives the slot back, so no hint is lost.
        if ((returned_[slot / 64].load(memory_order_relaxed) & bit) != 0) {
            returned_[slot / 64].fetch_and(~bit);
        }
        // Release: the producer that claims this slot overwrites what was read from it.
        descriptors_[slot].word.store(pack(index + slots_, SlotState::free), memory_order_release);
    }
    const std::uint64_t released = control_->released.fetch_add(indices.size()) + indices.size();
    if (control_->producers_asleep.load() == 0) return;
    // A consumer that sleeps takes no more until a producer goes on, so every slot is worth it.
    // Pairs with sleep_as_consumer(): either it sees these slots when it wakes producers, or we see
    // it.
    const bool consumer_sleeps = control_->wanted.load() != kNobody;
    if (consumer_sleeps || released >= control_->space_wanted.load()) wake_producers();
}

bool Protocol::is_blocked_by_lease(std::uint64_t index) const noexcept {
    const std::uint64_t word = descriptor(index).word.load();
    return state_of(word) == SlotState::leased && distance(word, index) < 0;
}

bool Protocol::sleep_as_consumer(std::uint64_t index, std::chrono::nanoseconds timeout,
                                 const std::atomic<bool>& interrupted) noexcept {
    const std::uint32_t bell = control_->ready_bell.load();
    control_->wanted.store(index);
    bool woken = true;
    // Open, and not as it was: it may have changed before the bell was read, and rung then.
    if (!is_settled_at(index) && phase() == Phase::open && !interrupted.load()) {
        // Without condition: what producers ask to be woken for may be more than there will ever
        // be, now that we take nothing.
        wake_producers();
        woken = futex_wait(control_->ready_bell, bell, timeout);
    }
    control_->wanted.store(kNobody, memory_order_relaxed);
    return woken;
}

void Protocol::ring_consumer() noexcept {
    control_->ready_bell.fetch_add(1);
    futex_wake_all(control_->ready_bell);
}

// ---- the service thread ----

Protocol::Reaped Protocol::reap(Owner owner, bool died, const std::string& who) noexcept {
    Reaped reaped;
    for (std::uint64_t slot = 0; slot < slots_; ++slot) {
        std::uint64_t word = descriptors_[slot].word.load();
        if (state_of(word) != SlotState::writing || owner_of(word) != owner.id ||
            incarnation_of(word) != owner.incarnation) {
            continue;
        }
        const std::uint64_t index = index_in(word);
        bool came_back = false;
        if (died && (is_stream_ || attempts_of(word) + 1 >= kMaxAttempts)) {
            skip(index, word, {HoleKind::died, who + " died writing it"});
        } else if (!give_back(index, word, came_back)) {
            continue;  // let go of in this very moment
        }
        ++(came_back ? reaped.returned : reaped.lost);
    }
    control_->returns.fetch_add(1);
    wake_everybody();
    return reaped;
}

void Protocol::bury_returned() noexcept {
    const std::uint64_t tail = true_tail();
    const std::uint64_t oldest = tail > slots_ ? tail - slots_ : 0;
    for (std::uint64_t index = std::max(oldest, start_index_); index < tail; ++index) {
        const std::uint64_t word = descriptor(index).word.load();
        if (distance(word, index) == 0 && state_of(word) == SlotState::free) {
            skip(index, word, {HoleKind::dropped, "given back, and no producer was left"});
        }
    }
}

void Protocol::wake_everybody() noexcept {
    control_->producers_asleep.store(0);
    control_->space_bell.fetch_add(1);
    futex_wake_all(control_->space_bell);
    ring_consumer();
}

// Remembered first: who sees the phase finds that it was set.
bool Protocol::set_phase_if_open(Phase phase) noexcept {
    phases_set_.add(phase);
    auto open = static_cast<std::uint32_t>(Phase::open);
    if (!control_->phase.compare_exchange_strong(open, static_cast<std::uint32_t>(phase))) {
        return false;
    }
    wake_everybody();
    return true;
}

void Protocol::set_phase(Phase phase) noexcept {
    phases_set_.add(phase);
    control_->phase.store(static_cast<std::uint32_t>(phase));
    wake_everybody();
}

}  // namespace headrace::ring
