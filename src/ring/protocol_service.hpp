// Definitions of the protocol, the service thread's side: handing on what the dead were writing,
// and the phases. For protocol.cpp, and for tests over another platform.
#pragma once

#include <algorithm>
#include <optional>
#include <string>

#include "ring/protocol.hpp"

namespace headrace::ring {

template <class P>
Reaped BasicProtocol<P>::reap(Owner owner, bool died, const std::string& who) noexcept {
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

template <class P>
void BasicProtocol<P>::bury_returned() noexcept {
    const std::uint64_t tail = true_tail();
    const std::uint64_t oldest = tail > slots_ ? tail - slots_ : 0;
    for (std::uint64_t index = std::max(oldest, start_index_); index < tail; ++index) {
        const std::uint64_t word = descriptor(index).word.load();
        if (distance(word, index) == 0 && state_of(word) == SlotState::free) {
            skip(index, word, {HoleKind::dropped, "given back, and no producer was left"});
        }
    }
}

template <class P>
void BasicProtocol<P>::wake_everybody() noexcept {
    control_->producers_asleep.store(0);
    control_->space_bell.fetch_add(1);
    P::futex_wake_all(control_->space_bell);
    control_->consumers_asleep.store(0);
    ring_consumer();
}

template <class P>
void BasicProtocol<P>::keep_floor_in(Atomic<std::uint64_t>& floor) noexcept {
    floor.store(control_->floor.load());
    floor_ = trainers_floor_ = &floor;
}

// A lap above all that was ever claimed. Claims stop first: whoever swaps a word from then on finds
// it and undoes it, and whoever has not found it swapped before, and is below the tail that is read
// then. So nobody claims at or above the floor without having seen it; those below find it after
// their swap, see undo_claim_below_floor().
template <class P>
std::optional<std::uint64_t> BasicProtocol<P>::raise_floor() noexcept {
    const std::uint64_t before = floor();
    if (true_tail() <= before) return before;  // nothing was claimed since the last time
    set_floor(before | kClaimsStopped);
    const std::uint64_t tail = true_tail();
    const bool is_possible = tail <= kMostIndex + kMostIndex / 2;
    const std::uint64_t floor = is_possible ? tail + slots_ : before;
    set_floor(floor);
    std::uint64_t behind = control_->tail.load();
    while (behind < floor && !control_->tail.compare_exchange_weak(behind, floor)) {
    }
    wake_everybody();
    return is_possible ? std::optional(floor) : std::nullopt;
}

template <class P>
void BasicProtocol<P>::set_floor(std::uint64_t floor) noexcept {
    if (trainers_floor_ != nullptr) trainers_floor_->store(floor);
    control_->floor.store(floor);
}

// Remembered first: who sees the phase finds that it was set.
template <class P>
bool BasicProtocol<P>::set_phase_if_open(Phase phase) noexcept {
    phases_set_.add(phase);
    auto open = static_cast<std::uint32_t>(Phase::open);
    if (!control_->phase.compare_exchange_strong(open, static_cast<std::uint32_t>(phase))) {
        return false;
    }
    wake_everybody();
    return true;
}

template <class P>
void BasicProtocol<P>::set_phase(Phase phase) noexcept {
    phases_set_.add(phase);
    control_->phase.store(static_cast<std::uint32_t>(phase));
    wake_everybody();
}

}  // namespace headrace::ring
