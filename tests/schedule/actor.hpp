// Who acts in a schedule: a producer, a consumer, the service thread. Each has a stack of its own,
// and runs until the scheduler lets another one go on.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "schedule/fiber.hpp"

namespace headrace::ring::schedule {

// Stores that have been made and that nobody else sees yet, oldest first: those that are weaker
// than sequentially consistent may wait in their processor while it goes on to later loads. Like
// x86's, they reach the memory in order.
class StoreBuffer {
  public:
    struct Store {
        void* place;
        std::uint64_t value;
        unsigned bytes;
    };
    bool is_empty() const noexcept { return count_ == 0; }
    bool is_full() const noexcept { return count_ == stores_.size(); }
    void add(const Store& store) noexcept { stores_[(first_ + count_++) % stores_.size()] = store; }
    Store take_oldest() noexcept {
        --count_;
        return stores_[first_++ % stores_.size()];
    }
    // What its owner reads: its latest store there, or what the memory has.
    std::uint64_t forwarded(const void* place, std::uint64_t in_memory) const noexcept {
        for (std::size_t i = 0; i < count_; ++i) {
            const Store& store = stores_[(first_ + i) % stores_.size()];
            if (store.place == place) in_memory = store.value;
        }
        return in_memory;
    }

  private:
    std::array<Store, 8> stores_{};
    std::size_t first_ = 0, count_ = 0;
};

class Actor {
  public:
    enum class State {
        ready,
        asleep,   // in a futex
        waiting,  // for another actor to hand it something: no business of the protocol's
        dead,
        done,
    };

    explicit Actor(std::string name) : name_(std::move(name)) {}
    Actor(const Actor&) = delete;
    Actor& operator=(const Actor&) = delete;
    virtual ~Actor() = default;

    const std::string& name() const noexcept { return name_; }
    State state() const noexcept { return state_; }
    bool is_asleep_on(const void* futex) const noexcept {
        return state_ == State::asleep && asleep_on_ == futex;
    }
    bool is_stopped() const noexcept { return stopped_; }
    bool is_over() const noexcept { return state_ == State::dead || state_ == State::done; }

    // What it was doing when it was stopped or killed wakes others at its end, and has perhaps been
    // done but for that. Set around calls that give something to others.
    bool owes_wake_up = false;
    // It waits until a time, which may come at any moment.
    bool has_deadline = false;
    bool is_time_over = false;

  protected:
    virtual void run() = 0;

  private:
    friend class Scheduler;

    std::string name_;
    State state_ = State::ready;
    bool stopped_ = false;
    bool woken_ = false;
    const void* asleep_on_ = nullptr;
    std::int64_t priority_ = 0;
    std::uint64_t steps_ = 0;
    std::uint64_t fate_at_ = ~std::uint64_t{0};
    StoreBuffer buffer_;
    Fiber* fiber_ = nullptr;
    std::uint8_t number_ = 0;  // in the trace
};

// While something is given to others.
class Gift {
  public:
    explicit Gift(Actor& actor, bool is_one = true) noexcept : actor_(actor) {
        actor_.owes_wake_up = is_one;
    }
    Gift(const Gift&) = delete;
    Gift& operator=(const Gift&) = delete;
    ~Gift() { actor_.owes_wake_up = false; }

  private:
    Actor& actor_;
};

}  // namespace headrace::ring::schedule
