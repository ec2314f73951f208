// Definitions of the protocol, the producers' side: claim, publish, skip, give back, and the sleep
// until there is room. For protocol.cpp, and for tests over another platform.
#pragma once

#include <algorithm>
#include <string>

#include "ring/protocol.hpp"

namespace headrace::ring {

template <class P>
Claim BasicProtocol<P>::try_claim(Owner me, ClaimMemory& memory) noexcept {
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
        if (tail >= end_index()) {
            return {is_all_settled(memory.settled_below) ? ClaimState::end
                                                         : ClaimState::nothing_yet};
        }
        // The trainer looks for a floor, or is about to raise the tail to it, and wakes everybody
        // then.
        if (tail < floor_->load()) return {ClaimState::nothing_yet};
        Descriptor& slot = descriptor(tail);
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
            // After the swap: who claims above the floor has seen it, see raise_floor().
            const std::uint64_t floor = floor_->load();
            if (undo_claim_below_floor(tail, mine, floor)) continue;
            return {ClaimState::claimed, tail, mine, floor};
        }
        // Somebody claimed this index and has not moved the tail on yet, or died before: help.
        std::uint64_t expected = tail;
        const bool helped = control_->tail.compare_exchange_strong(expected, tail + 1);
        if (helped && lap > 0 && ++laps_behind > kOwners) return {ClaimState::nothing_yet};
    }
}

template <class P>
Claim BasicProtocol<P>::claim_returned(Owner me) noexcept {
    const std::uint64_t chunks = (slots_ + 63) / 64;
    for (std::uint64_t chunk = 0; chunk < chunks; ++chunk) {
        for (std::uint64_t bits = returned_[chunk].load(); bits != 0; bits &= bits - 1) {
            const std::uint64_t slot = chunk * 64 + static_cast<unsigned>(__builtin_ctzll(bits));
            if (slot >= slots_) break;
            // The bit is a hint that stays until the slot is released; the word is the truth. The
            // bits are as they were when they were read: the slot may have gone on to its next lap
            // since, whose word is free too. Only an index that came back has attempts.
            std::uint64_t word = descriptors_[slot].word.load();
            if (state_of(word) != SlotState::free || attempts_of(word) == 0) continue;
            const std::uint64_t index = index_in(word);
            if (slot_of(index) != slot || index < floor_->load() || index >= end_index()) continue;
            const std::uint64_t mine =
                pack(index, SlotState::writing, me.id, me.incarnation, attempts_of(word));
            if (descriptors_[slot].word.compare_exchange_strong(word, mine)) {
                const std::uint64_t floor = floor_->load();
                if (undo_claim_below_floor(index, mine, floor)) continue;
                return {ClaimState::claimed, index, mine, floor};
            }
        }
    }
    return {ClaimState::nothing_yet};
}

// True when there was something to undo: a reset passes over the index, and what item it stood for
// can no longer be told. Killed before it is undone, the claimer is reaped like any other.
template <class P>
bool BasicProtocol<P>::undo_claim_below_floor(std::uint64_t index, std::uint64_t word,
                                              std::uint64_t floor) noexcept {
    if (index >= floor) return false;
    const std::uint64_t free = pack(index, SlotState::free, kTrainer, 0, attempts_of(word));
    if (descriptor(index).word.compare_exchange_strong(word, free)) after_settling(index);
    return true;
}

template <class P>
bool BasicProtocol<P>::publish(std::uint64_t index, std::uint64_t word,
                               std::span<const std::int64_t> lengths) noexcept {
    Descriptor& slot = descriptor(index);
    for (std::size_t i = 0; i < lengths.size(); ++i) {
        slot.lengths[i].store(static_cast<std::uint32_t>(lengths[i]), std::memory_order_relaxed);
    }
    const std::uint64_t ready = pack(index, SlotState::ready, owner_of(word), incarnation_of(word));
    if (!slot.word.compare_exchange_strong(word, ready)) return false;
    after_settling(index);
    return true;
}

template <class P>
bool BasicProtocol<P>::skip(std::uint64_t index, std::uint64_t word,
                            const Reason& reason) noexcept {
    write_reason(slot_of(index), reason);
    const std::uint64_t hole =
        pack(index, SlotState::hole, owner_of(word), incarnation_of(word), attempts_of(word));
    if (!descriptor(index).word.compare_exchange_strong(word, hole)) return false;
    after_settling(index);
    return true;
}

template <class P>
bool BasicProtocol<P>::give_back(std::uint64_t index, std::uint64_t word,
                                 bool& came_back) noexcept {
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
    // A consumer that passes over it waits for it to be let go of.
    if (index < floor()) after_settling(index);
    return true;
}

// Before the word: killed in between, the producer leaves a bit without a free word under it, which
// nobody minds, and the reaper finishes the work. The other way round the index would be forgotten.
template <class P>
void BasicProtocol<P>::note_return(std::uint64_t slot) noexcept {
    returned_[slot / 64].fetch_or(std::uint64_t{1} << slot % 64);
}

// After the word: a producer that saw the new count finds the free word. One killed in between is
// reaped, and that bumps the count too.
template <class P>
void BasicProtocol<P>::after_return() noexcept {
    control_->returns.fetch_add(1);
    wake_producers();
}

template <class P>
void BasicProtocol<P>::write_reason(std::uint64_t slot, const Reason& reason) noexcept {
    SlotReason& place = reasons_[slot];
    const std::size_t length = std::min(reason.text.size(), kMaxReasonBytes);
    for (std::size_t i = 0; i < length; ++i) {
        place.text[i].store(reason.text[i], std::memory_order_relaxed);
    }
    place.length.store(static_cast<std::uint8_t>(length), std::memory_order_relaxed);
    place.kind.store(static_cast<std::uint8_t>(reason.kind), std::memory_order_relaxed);
}

// Pairs with the store to `wanted` in sleep_as_consumer(): either the sleeper sees this index
// settled, or we see that it sleeps.
template <class P>
void BasicProtocol<P>::after_settling(std::uint64_t index) noexcept {
    if (control_->wanted.load() == index) ring_consumer();
    // Those who share want the head, and have moved it there before they sleep.
    if (control_->consumers_asleep.load() != 0 && control_->head.load() >= index) ring_sharers();
    // Near the end others may wait for just this: that no work can come back any more.
    if (run_length_ != Sampler::kEndless && index + slots_ >= end_index()) wake_producers();
}

template <class P>
SleepTicket BasicProtocol<P>::announce_producer_sleep() noexcept {
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

template <class P>
bool BasicProtocol<P>::sleep_as_producer(const SleepTicket& ticket,
                                         std::chrono::nanoseconds timeout) noexcept {
    return P::futex_wait(control_->space_bell, ticket.bell, timeout);
}

// A slot or two that became free without being worth a wake-up are no wake-up that was missed, nor
// is one that came together with the alarm.
template <class P>
bool BasicProtocol<P>::was_due(const SleepTicket& ticket, std::uint64_t index) const noexcept {
    if (control_->space_bell.load() != ticket.bell) return false;
    return index < ticket.tail || control_->released.load() >= ticket.released_wanted;
}

template <class P>
void BasicProtocol<P>::wake_producers() noexcept {
    if (control_->producers_asleep.load() == 0) return;
    if (control_->producers_asleep.exchange(0) == 0) return;
    control_->space_bell.fetch_add(1);
    P::futex_wake_all(control_->space_bell);
}

template <class P>
bool BasicProtocol<P>::is_all_settled(std::uint64_t& settled_below) const noexcept {
    if (run_length_ == Sampler::kEndless) return false;
    const std::uint64_t end = end_index();
    std::uint64_t index = end > slots_ ? end - slots_ : 0;
    index = std::max({index, start_index_, settled_below});
    for (; index < end; ++index) {
        const std::uint64_t word = descriptor(index).word.load();
        const std::int64_t lap = distance(word, index);
        if (lap < 0 || (lap == 0 && !is_settled(state_of(word)))) break;
    }
    settled_below = index;
    return index >= end;
}

template <class P>
std::uint64_t BasicProtocol<P>::true_tail() const noexcept {
    std::uint64_t tail = control_->tail.load();
    // A lap of the ring at the most: the words of the memory end it, whatever they are.
    const std::uint64_t end = end_index();
    for (std::uint32_t step = 0; step < slots_ && tail < end; ++step, ++tail) {
        const std::uint64_t word = descriptor(tail).word.load();
        const std::int64_t lap = distance(word, tail);
        if (lap < 0 || (lap == 0 && state_of(word) == SlotState::free)) break;
    }
    return tail;
}

}  // namespace headrace::ring
