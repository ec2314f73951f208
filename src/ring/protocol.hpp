// The protocol: every change of hands of a slot, and every way to sleep and to be woken. Works on
// the shared memory alone; knows neither sockets nor threads. DESIGN.md has the protocol as prose.
//
// It is a template over what it stands on, atomics and futexes, so that tests can run this very
// code in any order of its steps; `Protocol` stands on the system's.
//
// Everything read here was perhaps written by another program. Nothing is trusted beyond the bounds
// that each function checks: a scribbled word makes a wait last, never an access out of bounds.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "headrace/detail/field_view.hpp"
#include "ring/layout.hpp"
#include "ring/platform.hpp"
#include "ring/word.hpp"

namespace headrace::ring {

// How long a sleeper sleeps at most before it looks again by itself: the alarm for what no wake-up
// can tell, such as a waker killed between publishing and waking.
inline constexpr std::chrono::milliseconds kAlarm{500};

struct Owner {
    std::uint32_t id;
    std::uint32_t incarnation;
};

enum class ClaimState { claimed, nothing_yet, end, aborted };

struct Claim {
    ClaimState state;
    std::uint64_t index = 0;
    std::uint64_t word = 0;   // as it stands in the slot now
    std::uint64_t floor = 0;  // the index that is the sampler's index 0
};

// What a producer remembers between claims. `returns` is the value of Control::returns up to which
// it has looked through the bitmap; `settled_below` saves looking again at indices that are done.
struct ClaimMemory {
    std::uint64_t returns = 0;
    std::uint64_t settled_below = 0;
};

// What a producer announced before it slept: what it should be woken for.
struct SleepTicket {
    std::uint32_t bell;
    std::uint64_t tail;
    std::uint64_t released_wanted;
};

enum class TakeState {
    taken,        // a record
    hole,         // what will never be one
    discarded,    // an index below the floor of a reset
    nothing_yet,  // others are writing, or hold what may come back
    end,
    aborted,
};

// What a consumer that shares the ring took; it lets go of the first three by settle().
struct Take {
    TakeState state;
    std::uint64_t index = 0;
    std::uint64_t floor = 0;   // as in Claim
    std::uint32_t deaths = 0;  // of consumers that had it before
};

// What a consumer remembers: for one that shares, as `returns` of ClaimMemory; and the value of
// Control::released up to which it has woken producers.
struct TakeMemory {
    std::uint64_t redeliveries = 0;
    std::uint64_t woken_at = kNobody;
};

struct Reason {
    HoleKind kind;
    std::string text;
};

// The phases that one side has set itself, as bits. Copied with what it belongs to.
class PhasesSet {
  public:
    PhasesSet() = default;
    PhasesSet(const PhasesSet& other) noexcept : bits_(other.bits_.load()) {}
    PhasesSet& operator=(const PhasesSet& other) noexcept {
        bits_.store(other.bits_.load());
        return *this;
    }
    void add(Phase phase) noexcept { bits_.fetch_or(bit(phase)); }
    bool has(Phase phase) const noexcept { return (bits_.load() & bit(phase)) != 0; }

  private:
    static std::uint32_t bit(Phase phase) noexcept {
        return std::uint32_t{1} << (static_cast<std::uint32_t>(phase) & 31u);
    }
    std::atomic<std::uint32_t> bits_{0};
};

struct Reaped {
    std::uint64_t returned = 0;
    std::uint64_t lost = 0;
};

template <class P>
class BasicProtocol {
  public:
    template <class T>
    using Atomic = typename P::template Atomic<T>;

    BasicProtocol() = default;
    // `memory` stays the caller's and must outlive this; `description` was checked against it.
    BasicProtocol(std::span<std::byte> memory, const Description& description);

    // Producers. `word` is what the claim returned; false when it is no longer in the slot.
    Claim try_claim(Owner me, ClaimMemory& memory) noexcept;
    bool publish(std::uint64_t index, std::uint64_t word,
                 std::span<const std::int64_t> lengths) noexcept;
    bool skip(std::uint64_t index, std::uint64_t word, const Reason& reason) noexcept;
    // Back to be claimed again, or a hole after kMaxAttempts; true in `came_back` for the first.
    bool give_back(std::uint64_t index, std::uint64_t word, bool& came_back) noexcept;
    // Sleeps until there may be something to claim, for `timeout` at most. Call try_claim() after
    // announce_producer_sleep() and before this, with the value that it returned.
    SleepTicket announce_producer_sleep() noexcept;
    bool sleep_as_producer(const SleepTicket& ticket, std::chrono::nanoseconds timeout) noexcept;
    // Whether somebody should have woken the sleeper of `ticket`, which then claimed `index`.
    bool was_due(const SleepTicket& ticket, std::uint64_t index) const noexcept;

    // The consumer, one thread at a time.
    bool is_settled_at(std::uint64_t index) const noexcept;
    bool is_free_at(std::uint64_t index) const noexcept;
    // Leases a settled index: ready or hole is returned, free when it was neither.
    SlotState take(std::uint64_t index) noexcept;
    std::uint32_t length(std::uint64_t index, std::size_t field) const noexcept;
    Reason reason(std::uint64_t index) const;
    detail::RowView rows() const noexcept { return {{fields_.data(), field_count_}, slots_}; }
    // Gives slots back to the producers; `indices` were taken.
    void release(std::span<const std::uint64_t> indices) noexcept;
    // True while the slot of `index` is still leased on behalf of its previous lap.
    bool is_blocked_by_lease(std::uint64_t index) const noexcept;
    // Leases an index below the floor, so that it can be released: one that is settled, or that
    // nobody has claimed. False while it is being written, or the lap before it is leased.
    bool take_below_floor(std::uint64_t index) noexcept;
    // Sleeps until `index` is settled or can be passed over, for `timeout` at most; false when all
    // of it has passed. Only in an open ring: at its end there is nothing to wait for.
    // `interrupted` is looked at after the announcement: set it, then ring_consumer().
    bool sleep_as_consumer(std::uint64_t index, std::chrono::nanoseconds timeout,
                           const Atomic<bool>& interrupted, TakeMemory& memory) noexcept;
    void ring_consumer() noexcept;
    // Wakes sleeping producers whatever they want to be woken for. A consumer that finds nothing
    // calls it, for what they want may be more than it will ever give back.
    void wake_producers() noexcept;

    // Consumers that share the ring, any number of them. What one takes is its own until it settles
    // it, one thread at a time, or until it is proven dead. `holds_some`: it holds records itself,
    // and so waits at the end for nobody: others may be waiting for just these.
    // `below`: it takes nothing from this index on, which is left to those who want it.
    Take try_take(Owner me, TakeMemory& memory, bool holds_some,
                  std::uint64_t below = kNobody) noexcept;
    // Gives the slot back to the producers and counts the index, both or neither.
    void settle(std::uint64_t index, Settled as, BasicConsumerCell<P>& mine) noexcept;
    // Sleeps until there may be something to take. Call try_take() after announce_take() and before
    // sleep_until_rung(), with the value that it returned.
    std::uint32_t announce_take() noexcept;
    bool sleep_until_rung(std::uint32_t bell, TakeMemory& memory,
                          std::chrono::nanoseconds timeout) noexcept;

    // The trainer's service thread. What a dead or gone owner was writing comes back or becomes a
    // hole; `died` makes holes of a stream ring's. Returns how many came back and were lost.
    Reaped reap(Owner owner, bool died, const std::string& who) noexcept;
    // What a dead or gone consumer had taken goes to another, or becomes a hole at the third time.
    Reaped reap_consumer(Owner owner, const std::string& who) noexcept;
    // Indices below the tail that came back and that nobody will claim any more become holes.
    void bury_returned() noexcept;
    void wake_everybody() noexcept;
    void set_phase(Phase phase) noexcept;
    // From open only; false when the ring has ended otherwise meanwhile. Wakes nobody then.
    bool set_phase_if_open(Phase phase) noexcept;
    // Whether this side has ever tried to set it: the memory may say what nobody of ours did.
    bool has_set(Phase phase) const noexcept { return phases_set_.has(phase); }

    // Every index that may have been claimed so far is passed over from now on; returns the new
    // floor, which is where the sampler starts anew, or nothing where the tail cannot be one. The
    // trainer's side, one thread at a time.
    std::optional<std::uint64_t> raise_floor() noexcept;
    // The floor as the trainer's side set it, whatever the memory says; `floor` outlives this.
    void keep_floor_in(Atomic<std::uint64_t>& floor) noexcept;
    std::uint64_t floor() const noexcept { return floor_->load() & ~kClaimsStopped; }
    // In this very moment: claims are undone, and the tail is about to pass over indices.
    bool is_being_reset() const noexcept { return (floor_->load() & kClaimsStopped) != 0; }

    Phase phase() const noexcept;
    std::uint64_t end_index() const noexcept {
        return run_length_ == Sampler::kEndless ? run_length_ : floor() + run_length_;
    }
    // Every index up to the end is published, a hole, or gone by.
    bool is_all_settled(std::uint64_t& settled_below) const noexcept;
    // The first index that was never claimed: the tail, less what nobody has helped it forward yet.
    std::uint64_t true_tail() const noexcept;
    // The index that a slot's word stands for, as 64 bits.
    std::uint64_t index_in(std::uint64_t word) const noexcept;

    std::uint32_t slots() const noexcept { return slots_; }
    std::uint64_t slot_of(std::uint64_t index) const noexcept {
        return mask_ != 0 ? index & mask_ : index % slots_;
    }
    std::uint64_t word_at(std::uint64_t slot) const noexcept;
    // Whether the bitmap says that an index came back to this slot.
    bool is_noted(std::uint64_t slot) const noexcept;
    BasicControl<P>& control() const noexcept { return *control_; }
    TrainerCounters& trainer() const noexcept { return *trainer_; }
    ProducerCell& producer(std::uint32_t id) const noexcept { return producers_[id]; }
    BasicConsumerCell<P>& consumer(std::uint32_t id) const noexcept { return consumers_[id]; }

  private:
    using Descriptor = BasicSlotDescriptor<P>;

    Descriptor& descriptor(std::uint64_t index) const noexcept {
        return descriptors_[slot_of(index)];
    }
    Claim claim_returned(Owner me) noexcept;
    bool undo_claim_below_floor(std::uint64_t index, std::uint64_t word,
                                std::uint64_t floor) noexcept;
    void set_floor(std::uint64_t floor) noexcept;
    void clear_note(std::uint64_t slot) noexcept;
    void after_release(std::uint64_t released) noexcept;
    Take take_returned(Owner me, std::uint64_t head, std::uint64_t below) noexcept;
    Take try_lease(Owner me, std::uint64_t index, std::uint64_t word) noexcept;
    Take nothing_to_take(bool is_over, bool holds_some) const noexcept;
    bool is_anything_held() const noexcept;
    void ring_sharers() noexcept;
    void finish_settling(BasicConsumerCell<P>& cell) noexcept;
    void recount_released() noexcept;
    void note_return(std::uint64_t slot) noexcept;
    void after_return() noexcept;
    void write_reason(std::uint64_t slot, const Reason& reason) noexcept;
    void after_settling(std::uint64_t index) noexcept;

    std::uint32_t slots_ = 0;
    std::uint64_t mask_ = 0;  // slots - 1 where that is a mask, else 0
    std::uint64_t start_index_ = 0;
    std::uint64_t run_length_ = 0;  // indices from the floor to the end
    bool is_stream_ = false;
    PhasesSet phases_set_;
    std::size_t field_count_ = 0;
    BasicControl<P>* control_ = nullptr;
    const Atomic<std::uint64_t>* floor_ = nullptr;     // control_'s, or the trainer's own
    Atomic<std::uint64_t>* trainers_floor_ = nullptr;  // the trainer's own, in the trainer
    TrainerCounters* trainer_ = nullptr;
    ProducerCell* producers_ = nullptr;
    BasicConsumerCell<P>* consumers_ = nullptr;
    Atomic<std::uint64_t>* returned_ = nullptr;
    Descriptor* descriptors_ = nullptr;
    SlotReason* reasons_ = nullptr;
    std::array<detail::FieldView, kMaxFields> fields_{};
};

extern template class BasicProtocol<SystemPlatform>;
using Protocol = BasicProtocol<SystemPlatform>;

}  // namespace headrace::ring
