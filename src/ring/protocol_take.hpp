// Definitions of the protocol, the side of a consumer that does not share: take, release, and the
// sleep until a record is there. For protocol.cpp, and for tests over another platform.
#pragma once

#include <algorithm>
#include <utility>

#include "ring/protocol.hpp"

namespace headrace::ring {

template <class P>
bool BasicProtocol<P>::is_settled_at(std::uint64_t index) const noexcept {
    const std::uint64_t word = descriptor(index).word.load();
    return distance(word, index) == 0 &&
           (state_of(word) == SlotState::ready || state_of(word) == SlotState::hole);
}

template <class P>
SlotState BasicProtocol<P>::take(std::uint64_t index) noexcept {
    Descriptor& slot = descriptor(index);
    __builtin_prefetch(&descriptor(index + 4), 1);  // to be swapped soon: come as ours, not shared
    std::uint64_t word = slot.word.load(std::memory_order_acquire);
    if (distance(word, index) != 0) return SlotState::free;
    const SlotState state = state_of(word);
    if (state != SlotState::ready && state != SlotState::hole) return SlotState::free;
    const std::uint64_t leased = pack(index, SlotState::leased);
    return slot.word.compare_exchange_strong(word, leased) ? state : SlotState::free;
}

template <class P>
bool BasicProtocol<P>::is_free_at(std::uint64_t index) const noexcept {
    const std::uint64_t word = descriptor(index).word.load();
    return distance(word, index) == 0 && state_of(word) == SlotState::free;
}

template <class P>
bool BasicProtocol<P>::take_below_floor(std::uint64_t index) noexcept {
    std::uint64_t word = descriptor(index).word.load();
    const SlotState state = state_of(word);
    const bool is_takeable =
        state == SlotState::free || state == SlotState::ready || state == SlotState::hole;
    if (distance(word, index) != 0 || !is_takeable) return false;
    const std::uint64_t leased = pack(index, SlotState::leased);
    return descriptor(index).word.compare_exchange_strong(word, leased);
}

template <class P>
std::uint32_t BasicProtocol<P>::length(std::uint64_t index, std::size_t field) const noexcept {
    return descriptor(index).lengths[field].load(std::memory_order_relaxed);
}

template <class P>
Reason BasicProtocol<P>::reason(std::uint64_t index) const {
    const SlotReason& place = reasons_[slot_of(index)];
    const std::size_t length =
        std::min<std::size_t>(place.length.load(std::memory_order_relaxed), kMaxReasonBytes);
    Reason reason{static_cast<HoleKind>(place.kind.load(std::memory_order_relaxed)), {}};
    for (std::size_t i = 0; i < length; ++i)
        reason.text += place.text[i].load(std::memory_order_relaxed);
    return reason;
}

template <class P>
void BasicProtocol<P>::release(std::span<const std::uint64_t> indices) noexcept {
    for (const std::uint64_t index : indices) {
        const std::uint64_t slot = slot_of(index);
        clear_note(slot);
        // Release: the producer that claims this slot overwrites what was read from it.
        descriptors_[slot].word.store(pack(index + slots_, SlotState::free),
                                      std::memory_order_release);
    }
    after_release(control_->released.fetch_add(indices.size()) + indices.size());
}

// Before the word: while it says leased nobody gives the slot back, so no hint is lost.
template <class P>
void BasicProtocol<P>::clear_note(std::uint64_t slot) noexcept {
    const std::uint64_t bit = std::uint64_t{1} << slot % 64;
    if ((returned_[slot / 64].load(std::memory_order_relaxed) & bit) != 0) {
        returned_[slot / 64].fetch_and(~bit);
    }
}

template <class P>
void BasicProtocol<P>::after_release(std::uint64_t released) noexcept {
    // A consumer that passes over indices may wait for the lap before, which is released here.
    const std::uint64_t wanted = control_->wanted.load();
    if (wanted != kNobody && wanted < floor()) ring_consumer();
    if (control_->producers_asleep.load() == 0) return;
    // A consumer that sleeps takes no more until a producer goes on, so every slot is worth it.
    // Pairs with sleep_as_consumer() and announce_take(): either it sees these slots when it wakes
    // producers, or we see it.
    const bool consumer_sleeps =
        control_->wanted.load() != kNobody || control_->consumers_asleep.load() != 0;
    if (consumer_sleeps || released >= control_->space_wanted.load()) wake_producers();
}

template <class P>
bool BasicProtocol<P>::is_blocked_by_lease(std::uint64_t index) const noexcept {
    const std::uint64_t word = descriptor(index).word.load();
    return state_of(word) == SlotState::leased && distance(word, index) < 0;
}

template <class P>
bool BasicProtocol<P>::sleep_as_consumer(std::uint64_t index, std::chrono::nanoseconds timeout,
                                         const Atomic<bool>& interrupted,
                                         TakeMemory& memory) noexcept {
    const std::uint32_t bell = control_->ready_bell.load();
    control_->wanted.store(index);
    // Pairs with the fetch_add in release(), for a consumer that passes over indices.
    (void)control_->released.load();
    bool woken = true;
    // Open, and not as it was: it may have changed before the bell was read, and rung then.
    const bool is_there = is_settled_at(index) || (index < floor() && is_free_at(index));
    // In drain only the way to a floor can be blocked, by a lease.
    const bool passes = index < floor() && phase() == Phase::drain && is_blocked_by_lease(index);
    if (!is_there && (phase() == Phase::open || passes) && !interrupted.load()) {
        // Without condition: what producers ask to be woken for may be more than there will ever
        // be, now that we take nothing. Once for all that has been released: a producer that fell
        // asleep since then has looked at it, and who releases more sees that we sleep. So a look
        // after an alarm wakes nobody, and a wake-up that went amiss shows at the alarm of the one
        // who missed it.
        const std::uint64_t released = control_->released.load();
        if (std::exchange(memory.woken_at, released) != released) wake_producers();
        woken = P::futex_wait(control_->ready_bell, bell, timeout);
    }
    control_->wanted.store(kNobody, std::memory_order_relaxed);
    return woken;
}

template <class P>
void BasicProtocol<P>::ring_consumer() noexcept {
    control_->ready_bell.fetch_add(1);
    P::futex_wake_all(control_->ready_bell);
}

}  // namespace headrace::ring
