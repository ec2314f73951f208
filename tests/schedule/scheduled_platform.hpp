// What the protocol stands on in a schedule: atomics and futexes every operation of which is a
// point where the scheduler may let somebody else go on.
//
// Operations are atomic and in one order for all; only stores weaker than sequentially consistent
// may become visible later than they are made (StoreBuffer). Loads are never reordered, nor stores
// with each other: that a machine could do these is left to the memory orders' own reasons.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

#include "schedule/scheduler.hpp"

namespace headrace::ring::schedule {

template <class T>
class Atomic {
  public:
    Atomic() noexcept = default;
    constexpr explicit Atomic(T value) noexcept : value_(value) {}
    Atomic(const Atomic&) = delete;
    Atomic& operator=(const Atomic&) = delete;

    // Without a step, for those who look on.
    T peek() const noexcept { return value_; }

    T load(std::memory_order = std::memory_order_seq_cst) const noexcept {
        Scheduler& scheduler = Scheduler::here();
        scheduler.step();
        return static_cast<T>(scheduler.read(&value_, value_));
    }
    void store(T value, std::memory_order order = std::memory_order_seq_cst) noexcept {
        Scheduler& scheduler = Scheduler::here();
        scheduler.step();
        if (scheduler.buffers(order == std::memory_order_seq_cst)) {
            scheduler.buffer(&value_, value, sizeof(T));
            return;
        }
        scheduler.drain_own();
        change(Op::store, value);
    }
    T exchange(T value, std::memory_order = std::memory_order_seq_cst) noexcept {
        locked_step();
        return change(Op::exchange, value);
    }
    bool compare_exchange_strong(T& expected, T desired,
                                 std::memory_order = std::memory_order_seq_cst) noexcept {
        locked_step();
        if (value_ == expected) {
            change(Op::swap, desired);
            return true;
        }
        Scheduler::here().wrote(Op::failed_swap, &value_, expected, value_);
        expected = value_;
        return false;
    }
    bool compare_exchange_weak(T& expected, T desired) noexcept {
        return compare_exchange_strong(expected, desired);
    }
    T fetch_add(T by, std::memory_order = std::memory_order_seq_cst) noexcept {
        locked_step();
        return change(Op::add, static_cast<T>(value_ + by));
    }
    T fetch_or(T bits, std::memory_order = std::memory_order_seq_cst) noexcept {
        locked_step();
        return change(Op::set_bits, static_cast<T>(value_ | bits));
    }
    T fetch_and(T bits, std::memory_order = std::memory_order_seq_cst) noexcept {
        locked_step();
        return change(Op::keep_bits, static_cast<T>(value_ & bits));
    }

  private:
    static void locked_step() noexcept {
        Scheduler& scheduler = Scheduler::here();
        scheduler.step();
        scheduler.drain_own();
    }
    T change(Op op, T value) noexcept {
        const T before = value_;
        value_ = value;
        Scheduler::here().wrote(op, &value_, before, value);
        return before;
    }

    T value_{};
};

struct ScheduledPlatform {
    template <class T>
    using Atomic = schedule::Atomic<T>;

    static bool futex_wait(const Atomic<std::uint32_t>& word, std::uint32_t expected,
                           std::chrono::nanoseconds /*no sleep has an end*/) noexcept {
        Scheduler& scheduler = Scheduler::here();
        scheduler.step();
        scheduler.drain_own();  // a system call
        return scheduler.sleep(&word, word.peek(), expected);
    }
    static void futex_wake_all(const Atomic<std::uint32_t>& word) noexcept {
        Scheduler& scheduler = Scheduler::here();
        scheduler.step();
        scheduler.drain_own();
        scheduler.wake_all(&word);
    }
};

}  // namespace headrace::ring::schedule
