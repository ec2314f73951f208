// Definitions of the protocol, the side of consumers that share a ring. It mirrors the producers':
// a record is taken by one compare-and-swap on its slot's word, which carries the taker's identity
// from then on; `head` is a hint that anybody may help forward; what a dead consumer held comes
// back, under a bit in the same bitmap. For protocol.cpp, and for tests over another platform.
#pragma once

#include <algorithm>
#include <string>
#include <utility>

#include "ring/protocol.hpp"

namespace headrace::ring {

template <class P>
Take BasicProtocol<P>::try_take(Owner me, TakeMemory& memory, bool holds_some,
                                std::uint64_t below) noexcept {
    std::uint32_t laps_behind = 0;  // as in try_claim()
    for (;;) {
        const Phase now = phase();
        if (now == Phase::aborted) return {TakeState::aborted};
        if (now == Phase::closed) return {TakeState::end};

        // What came back goes first: it is older than all else. The count before the head: all that
        // came back before the count lies below that head.
        const std::uint64_t redeliveries = control_->redeliveries.load();
        const std::uint64_t head = control_->head.load();
        if (redeliveries != memory.redeliveries) {
            const Take take = take_returned(me, head, below);
            if (take.state != TakeState::nothing_yet) return take;
            if (head <= below) memory.redeliveries = redeliveries;
        }
        if (head >= end_index()) return nothing_to_take(true, holds_some);
        if (head >= below && head >= floor()) return {TakeState::nothing_yet};
        const std::uint64_t word = descriptor(head).word.load();
        const std::int64_t lap = distance(word, head);
        if (lap < 0) return nothing_to_take(now == Phase::drain, holds_some);
        const bool is_taken = is_held(state_of(word)) && owner_of(word) != kTrainer;
        if (lap == 0 && !is_taken) {
            const SlotState state = state_of(word);
            const bool is_takeable = state == SlotState::ready || state == SlotState::hole ||
                                     (state == SlotState::free && head < floor());
            if (!is_takeable) return nothing_to_take(now == Phase::drain, holds_some);
            const Take take = try_lease(me, head, word);
            if (take.state == TakeState::nothing_yet) continue;  // somebody else was faster
            std::uint64_t expected = head;
            control_->head.compare_exchange_strong(expected, head + 1);
            return take;
        }
        // Somebody took this index and has not moved the head on yet, or died before: help.
        std::uint64_t expected = head;
        const bool helped = control_->head.compare_exchange_strong(expected, head + 1);
        if (helped && lap > 0 && ++laps_behind > kOwners) return {TakeState::nothing_yet};
    }
}

// `nothing_yet` when the word is no longer in the slot.
template <class P>
Take BasicProtocol<P>::try_lease(Owner me, std::uint64_t index, std::uint64_t word) noexcept {
    const bool is_record = state_of(word) == SlotState::ready;
    const std::uint32_t deaths = is_record ? attempts_of(word) : 0;
    const SlotState held =
        state_of(word) == SlotState::hole ? SlotState::leased_hole : SlotState::leased;
    const std::uint64_t mine = pack(index, held, me.id, me.incarnation, deaths);
    if (!descriptor(index).word.compare_exchange_strong(word, mine))
        return {TakeState::nothing_yet};
    // After the swap: a reset passes over whatever is taken after it.
    const std::uint64_t floor = this->floor();
    const TakeState taken = is_record ? TakeState::taken : TakeState::hole;
    return {index < floor ? TakeState::discarded : taken, index, floor, deaths};
}

// Below the head everything was taken: what is ready or a hole there came back. Its bit was set
// while a dead consumer held it, and stays until the slot is released.
template <class P>
Take BasicProtocol<P>::take_returned(Owner me, std::uint64_t head, std::uint64_t below) noexcept {
    const std::uint64_t oldest = head > slots_ ? head - slots_ : 0;
    const std::uint64_t end = std::min(head, std::max(below, floor()));
    for (std::uint64_t index = std::max(oldest, start_index_); index < end; ++index) {
        if (!is_noted(slot_of(index))) continue;
        const std::uint64_t word = descriptor(index).word.load();
        if (distance(word, index) != 0) continue;
        if (state_of(word) != SlotState::ready && state_of(word) != SlotState::hole) continue;
        const Take take = try_lease(me, index, word);
        if (take.state != TakeState::nothing_yet) return take;
    }
    return {TakeState::nothing_yet};
}

// At the end what others hold may still come back, if they die.
template <class P>
Take BasicProtocol<P>::nothing_to_take(bool is_over, bool holds_some) const noexcept {
    if (!is_over || (!holds_some && is_anything_held())) return {TakeState::nothing_yet};
    return {TakeState::end};
}

template <class P>
bool BasicProtocol<P>::is_anything_held() const noexcept {
    const std::uint64_t head = control_->head.load();
    const std::uint64_t end = end_index();
    for (std::uint64_t slot = 0; slot < slots_; ++slot) {
        const std::uint64_t word = descriptors_[slot].word.load();
        if (is_held(state_of(word))) return true;
        // Came back meanwhile; or the head is one that somebody made up.
        const bool is_over = distance(word, std::min(head, end)) >= 0;
        if (!is_over && (head >= end || is_settled(state_of(word)))) return true;
    }
    return false;
}

template <class P>
void BasicProtocol<P>::settle(std::uint64_t index, Settled as,
                              BasicConsumerCell<P>& mine) noexcept {
    auto& count = mine.counts[static_cast<std::size_t>(as)];
    const std::uint64_t before = count.load(std::memory_order_relaxed);
    // Release, here and below: whoever reads this after our death finds a prefix of these steps.
    mine.counted_before.store(before, std::memory_order_release);
    mine.settled_as.store(static_cast<std::uint32_t>(as), std::memory_order_release);
    mine.settling.store(index + 1, std::memory_order_release);
    const std::uint64_t slot = slot_of(index);
    clear_note(slot);
    descriptors_[slot].word.store(pack(index + slots_, SlotState::free));
    count.store(before + 1, std::memory_order_release);
    const std::uint64_t released = control_->released.fetch_add(1) + 1;
    mine.settling.store(0, std::memory_order_release);
    after_release(released);
    if (control_->consumers_asleep.load() == 0) return;
    // Near the end others may wait for just this: that nothing can come back any more. And where
    // the slot's next index lies below the floor: it can be passed over now.
    if (index + slots_ < floor() || phase() == Phase::drain ||
        control_->head.load() >= end_index()) {
        ring_sharers();
    }
}

template <class P>
std::uint32_t BasicProtocol<P>::announce_take() noexcept {
    const std::uint32_t bell = control_->ready_bell.load();
    control_->consumers_asleep.store(1);
    // As in announce_producer_sleep(), with the fetch_add in settle().
    (void)control_->released.load();
    return bell;
}

template <class P>
bool BasicProtocol<P>::sleep_until_rung(std::uint32_t bell, TakeMemory& memory,
                                        std::chrono::nanoseconds timeout) noexcept {
    // Once for all that has been released, as in sleep_as_consumer().
    const std::uint64_t released = control_->released.load();
    if (std::exchange(memory.woken_at, released) != released) wake_producers();
    return P::futex_wait(control_->ready_bell, bell, timeout);
}

template <class P>
void BasicProtocol<P>::ring_sharers() noexcept {
    if (control_->consumers_asleep.exchange(0) != 0) ring_consumer();
}

// ---- the service thread ----

template <class P>
Reaped BasicProtocol<P>::reap_consumer(Owner owner, const std::string& who) noexcept {
    finish_settling(consumers_[owner.id]);
    Reaped reaped;
    for (std::uint64_t slot = 0; slot < slots_; ++slot) {
        std::uint64_t word = descriptors_[slot].word.load();
        if (!is_held(state_of(word)) || owner_of(word) != owner.id ||
            incarnation_of(word) != owner.incarnation) {
            continue;
        }
        const std::uint64_t index = index_in(word);
        const std::uint32_t deaths = attempts_of(word) + 1;
        note_return(slot);  // before the word, as for a record that comes back to the producers
        std::uint64_t back = pack(index, SlotState::hole);
        if (state_of(word) == SlotState::leased && deaths < kMaxAttempts) {
            back = pack(index, SlotState::ready, kTrainer, 0, deaths);
        } else if (state_of(word) == SlotState::leased) {
            write_reason(slot, {HoleKind::died, "the third consumer that died with it: " + who});
        }
        if (!descriptors_[slot].word.compare_exchange_strong(word, back)) continue;
        ++(state_of(back) == SlotState::ready ? reaped.returned : reaped.lost);
    }
    recount_released();
    control_->redeliveries.fetch_add(1);
    wake_everybody();
    return reaped;
}

// The dead one was perhaps about to let go of an index: see ConsumerCell.
template <class P>
void BasicProtocol<P>::finish_settling(BasicConsumerCell<P>& cell) noexcept {
    const std::uint64_t settling = cell.settling.exchange(0);
    const std::uint32_t as = cell.settled_as.load();
    if (settling == 0 || as >= kSettledKinds) return;
    const std::uint64_t index = settling - 1;
    if (distance(descriptor(index).word.load(), index) <= 0) return;  // it still has it
    cell.counts[as].store(cell.counted_before.load() + 1);
    control_->released.fetch_add(1);  // once too often, perhaps: recount_released() mends that
}

// It may have died between a slot's word and the count of slots released. The words tell how many
// there were. What others release meanwhile makes the swap fail, and it is tried again, for a count
// that is too low misses wake-ups; or is counted twice, until the next death: some then come too
// early.
template <class P>
void BasicProtocol<P>::recount_released() noexcept {
    constexpr int kMostTries = 1000;  // only somebody who writes where he must not makes it as many
    for (int tries = 0; tries < kMostTries; ++tries) {
        std::uint64_t released = control_->released.load();
        std::uint64_t counted = start_index_;
        for (std::uint64_t slot = 0; slot < slots_; ++slot) {
            const std::uint64_t index = index_in(descriptors_[slot].word.load());
            const std::uint64_t first =
                start_index_ + (slot + slots_ - slot_of(start_index_)) % slots_;
            if (index > first) counted += (index - first) / slots_;
        }
        if (control_->released.compare_exchange_strong(released, counted)) return;
    }
}

}  // namespace headrace::ring
