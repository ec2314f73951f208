// The trainer's other threads: the service, which sees producers in and off and ends the ring when
// nobody is left (src/ring/service.cpp, membership.cpp), and whoever ends or interrupts it by hand.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "schedule/party.hpp"
#include "schedule/scheduled_protocol.hpp"

namespace headrace::ring::schedule {

class Trial;

struct Message {
    enum class Kind : std::uint8_t { newcomer, new_consumer, died, finished, left, linger_over };
    Kind kind;
    Party* who = nullptr;
};

class ServiceActor final : public Party {
  public:
    explicit ServiceActor(Trial& trial);
    void tell(const Message& message);
    bool is_idle() const noexcept { return state() == State::waiting && inbox_.empty(); }
    bool has_producers() const noexcept { return producers_here_ != 0; }
    bool has_consumers() const noexcept { return consumers_here_ != 0; }
    // Also those that are there from the start.
    void admit();
    void admit_consumer();

  protected:
    void run() override;

  private:
    Owner next_owner();
    void handle(const Message& message);
    void bury(Party& who, Message::Kind how);
    void end_if_nobody_is_left(bool is_linger_over);
    void drain(bool is_incomplete);

    Trial& trial_;
    std::deque<Message> inbox_;
    std::uint32_t producers_here_ = 0, consumers_here_ = 0, ever_ = 0, vacancies_ = 0;
    std::uint32_t last_id_ = 0;
    std::vector<Owner> gone_;
    std::uint64_t settled_below_ = 0;
};

// RingCore::end() and reset(), and ConsumerCore::interrupt().
class TrainerActor final : public Party {
  public:
    explicit TrainerActor(Trial& trial) : Party("trainer"), trial_(trial) {}
    void end_ring(Phase phase);
    void interrupt();
    void reset();
    bool is_idle() const noexcept {
        return state() == State::waiting && !interrupts_ && !resets_ && phase_ == Phase::open;
    }
    // Between two looks whether it may: a consumer that comes to its end waits for it.
    bool is_resetting() const noexcept { return is_resetting_; }
    void tell_when_reset(Party& party) noexcept { waits_for_reset_ = &party; }

  protected:
    void run() override;

  private:
    void reset_now();

    Trial& trial_;
    bool interrupts_ = false, resets_ = false, is_resetting_ = false;
    Party* waits_for_reset_ = nullptr;
    Phase phase_ = Phase::open;  // to be set
};

}  // namespace headrace::ring::schedule
