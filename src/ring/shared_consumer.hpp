// The inside of a consumer that shares a ring with others, of this process or of others. Its calls
// belong to one thread at a time, but leases come back on any.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "ring/deadline.hpp"
#include "ring/participant.hpp"
#include "ring/record_source.hpp"

namespace headrace::detail {

class SharedConsumerCore final : public RecordSource {
  public:
    using Clock = ring::Clock;

    SharedConsumerCore(Attachment attachment, const ConsumerOptions& options);
    SharedConsumerCore(std::shared_ptr<RingCore> ring, const std::string& identity,
                       const ConsumerOptions& options);
    // What it still holds goes to another.
    ~SharedConsumerCore() override { part_.finish(false); }

    // Waits for one, and takes as many of `records` as are there then.
    Result<RecordLease> take_lease(std::size_t records,
                                   std::optional<std::chrono::nanoseconds> timeout) override;
    void settle_lease(const RecordLease& lease) noexcept override;
    std::uint64_t position() const noexcept override;
    const ring::Description& description() const noexcept override { return part_.description(); }

  private:
    ring::Take take_first(std::optional<Clock::time_point> deadline);
    ring::Take wait_and_take(std::optional<Clock::time_point> deadline);
    ring::Take try_take();
    void expect_no_forgery();
    [[noreturn]] void throw_forged(const std::string& what);
    void look_at_phase();
    Outcome outcome_of(const ring::Take& take);
    Outcome end();
    void see_floor(std::uint64_t floor) noexcept;
    bool pass_epoch_end(std::uint64_t index) noexcept;
    bool pass_earlier_epoch_end() noexcept;
    void set_lengths(RecordLease& lease) noexcept;
    void add(RecordLease& lease, const ring::Take& take);
    void add_hole(RecordLease& lease, const ring::Take& take, ring::Reason reason);
    void settle(std::uint64_t index, ring::Settled as) noexcept;
    bool holds_some() const noexcept { return held_.load() != 0 || pending_.has_value(); }
    void watch_leases(std::optional<Clock::time_point>& blocked_since) const;
    bool is_blocked_by_own_lease() const noexcept;

    Participant part_;
    ring::Protocol& protocol_;  // part_'s
    ring::ConsumerCell& cell_;  // in the shared memory
    ConsumerOptions options_;
    std::mutex settling_;                 // one index at a time is settled
    std::atomic<std::uint64_t> held_{0};  // indices in leases that are out
    ring::TakeMemory memory_;
    std::vector<std::uint32_t> lengths_by_record_;  // of the lease that is being made
    std::string forged_;                            // to be told when nothing is in hand
    std::optional<ring::Take> pending_;             // taken, and to be delivered by the next call
    std::uint64_t floor_ = 0;                       // that the next two are of
    std::uint64_t epoch_end_ = 0;                   // the first index of the epoch after this one
    bool anything_yet_ = false;
};

}  // namespace headrace::detail
