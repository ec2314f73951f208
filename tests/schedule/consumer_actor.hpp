// The consumer that does not share: the calls of ConsumerCore (src/ring/consumer_core.cpp), in its
// order. It reads what it has taken when it lets go of it, so that whatever was written late is
// seen.
#pragma once

#include <cstdint>
#include <vector>

#include "schedule/party.hpp"
#include "schedule/scheduled_protocol.hpp"

namespace headrace::ring::schedule {

class Trial;

class ConsumerActor final : public Party {
  public:
    explicit ConsumerActor(Trial& trial);
    // The next index that it has not taken.
    std::uint64_t position() const noexcept { return position_; }
    // What it sleeps for; only while it is asleep.
    std::uint64_t wanted() const noexcept { return wanted_; }
    // It has come to the end and asks for nothing more.
    bool is_leaving() const noexcept { return is_leaving_; }

  protected:
    void run() override;

  private:
    enum class Arrival : std::uint8_t { ready, flushed, timed_out, end, interrupted, moved };
    struct Range {
        std::uint64_t first, last;
    };

    bool is_below_floor() const;
    bool is_open() const;
    bool take_lease();
    Range next_range();
    Arrival wait(Range& range);
    Arrival look_at_phase(Range& range, std::uint64_t& settled);
    bool is_flush_due(const Range& range, std::uint64_t settled);
    Arrival pass_to_floor();
    void sleep(std::uint64_t index);
    void take(const Range& range);
    void take_one(std::uint64_t index);
    void let_go_of_some(std::uint64_t next_last);
    void release_held(std::uint64_t place);

    Trial& trial_;
    std::uint64_t position_;
    std::uint64_t floor_;
    std::uint64_t wanted_ = 0;
    TakeMemory memory_;
    bool is_leaving_ = false;
    std::vector<std::uint64_t> held_, holes_;
};

// Another thread of the trainer, which has been handed leases.
class ReleaserActor final : public Party {
  public:
    explicit ReleaserActor(Trial& trial) : Party("releaser"), trial_(trial) {}
    void hand(std::uint64_t index);
    // No more will come.
    void end();

  protected:
    void run() override;

  private:
    Trial& trial_;
    std::vector<std::uint64_t> held_;
    bool is_ended_ = false;
};

// Reads a taken record and compares it with what its producer wrote.
void deliver(Trial& trial, std::uint64_t index);

}  // namespace headrace::ring::schedule
