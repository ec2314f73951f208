// What a producer, or a consumer that shares the ring, has of it: the way in, its identity, and how
// it learns that the trainer died. Of a ring of this process, or attached to that of another one.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <string>

#include "headrace/producer.hpp"
#include "ring/deadline.hpp"
#include "ring/memory.hpp"
#include "ring/process_mark.hpp"
#include "ring/protocol.hpp"
#include "ring/rendezvous.hpp"
#include "ring/unique_fd.hpp"

namespace headrace::detail {

class RingCore;

// What attaching to the ring of another process brings.
struct Attachment {
    ring::UniqueFd socket, trainer_pidfd;
    ring::Mapping mapping;
    ring::Description description;
    ring::Owner owner{};
    std::string trainer;  // for messages: "pid 7", and that it is of another pid namespace
};

// Connects, waiting for the ring if need be, and checks all that it is given. An observer maps
// read-only. A trainer that listens is given `patience`, or options.timeout where that is longer,
// to answer: a matter of milliseconds unless it is stopped. Throws TimeoutError, SystemError.
Attachment attach(std::string_view name, const AttachOptions& options, ring::Role role,
                  std::chrono::milliseconds patience = std::chrono::milliseconds(5000));

// Belongs to one thread at a time.
class Participant {
  public:
    explicit Participant(Attachment attachment);
    // In the trainer's own process.
    Participant(std::shared_ptr<RingCore> ring, const std::string& identity, ring::Role role);

    ring::Owner me() const noexcept { return me_; }
    ring::Protocol& protocol() noexcept { return protocol_; }
    const ring::Protocol& protocol() const noexcept { return protocol_; }
    const ring::Description& description() const noexcept { return description_; }
    RingCore* ring() const noexcept { return ring_.get(); }  // none for another process's ring

    // Throws RingAborted when the trainer has died. Looks at most once an alarm time.
    void look_at_trainer();
    // The same at the next call, whenever that is.
    void forget_last_look() noexcept { trainer_seen_ = {}; }
    [[noreturn]] void throw_aborted() const;
    // False in a forked child, which inherits this object but neither the mapping nor the identity.
    bool is_ours() const noexcept { return made_in_.is_here(); }

    bool is_finished() const noexcept { return finished_; }
    // Says farewell, once; `left`: while an exception is on its way. What is still held goes back.
    void finish(bool left) noexcept;

  private:
    std::shared_ptr<RingCore> ring_;
    ring::UniqueFd socket_, trainer_pidfd_;
    ring::Mapping mapping_;  // none for a ring of this process
    ring::Description description_;
    std::string trainer_;  // as in Attachment
    ring::Protocol protocol_;
    ring::Owner me_{};
    ring::ProcessMark made_in_ = ring::ProcessMark::here();
    ring::Clock::time_point trainer_seen_{};
    bool finished_ = false;
};

// Counters with one writer need no locked instruction.
inline void raise_own(std::atomic<std::uint64_t>& counter, std::uint64_t by = 1) noexcept {
    counter.store(counter.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
}

// The time that a producer or consumer waits, in its cell; also when the wait ends by an exception.
template <class Cell>
class WaitAccount {
  public:
    explicit WaitAccount(Cell& cell) : cell_(cell), began_(ring::now_ns()) {
        cell_.waiting_since_ns.store(began_, std::memory_order_relaxed);
    }
    WaitAccount(const WaitAccount&) = delete;
    WaitAccount& operator=(const WaitAccount&) = delete;
    ~WaitAccount() {
        raise_own(cell_.waited_ns, ring::now_ns() - began_);
        cell_.waiting_since_ns.store(0, std::memory_order_relaxed);
    }

  private:
    Cell& cell_;
    std::uint64_t began_;
};

}  // namespace headrace::detail
