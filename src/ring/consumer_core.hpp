// The consumer's inside: the position, the waits, the taking and giving back. Both Consumer and the
// loader are built on it.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "headrace/consumer.hpp"
#include "ring/deadline.hpp"
#include "ring/protocol.hpp"
#include "ring/record_source.hpp"

namespace headrace::detail {

class RingCore;

// Consecutive indices [first, last) of one epoch.
struct IndexRange {
    std::uint64_t first = 0;
    std::uint64_t last = 0;
    std::uint64_t size() const noexcept { return last - first; }
};

enum class Arrival {
    ready,    // all of the range is settled
    flushed,  // its front is, and the flush time is over, or nothing more will come
    timed_out,
    end,  // nothing of the range will ever come
    interrupted,
    moved,  // a reset: go to the new floor by pass_to_floor(), then ask for the next range again
};

struct WaitLimits {
    std::optional<ring::Clock::time_point> deadline = {};
    std::optional<std::chrono::nanoseconds> flush_after = {};
    // Without it, slots that are leased are waited for like all others.
    std::optional<std::chrono::milliseconds> lease_timeout = {};
};

// What take() got out of a range.
struct Taken {
    std::vector<std::uint64_t> indices;  // of the records, in order
    std::vector<std::uint32_t> lengths;  // [field][record]
    std::vector<Hole> holes;
    void clear();
};

class ConsumerCore final : public RecordSource {
  public:
    ConsumerCore(std::shared_ptr<RingCore> ring, const ConsumerOptions& options);
    ~ConsumerCore() override;

    // The public calls of Consumer: `records` at once, until the deadline or the options'
    // time-outs.
    Result<RecordLease> take_lease(std::size_t records,
                                   std::optional<std::chrono::nanoseconds> timeout) override;
    void settle_lease(const RecordLease& lease) noexcept override;
    std::uint64_t position() const noexcept override { return position_; }
    const ring::Description& description() const noexcept override;

    // The pieces that they, and the loader's thread, are made of.
    // What comes next: at most `records`, and not over the end of an epoch. On the grid, ranges end
    // at multiples of `records` within the epoch, so that a run resumed anywhere meets the same
    // ones.
    IndexRange next_range(std::uint64_t records, bool on_grid) const noexcept;
    // True once after an epoch's last index was passed.
    bool pass_epoch_end() noexcept;
    bool is_at_end() const noexcept;
    // Waits for a range; with `flushed`, `range.last` is moved to the end of what is settled.
    // Throws RingAborted, IncompleteError, UsageError (only leases stand in the way for
    // lease_timeout).
    Arrival wait(IndexRange& range, const WaitLimits& limits);
    // After a reset: gives back all indices up to the floor, waiting for those that are being
    // written and for leases, and counts them as discarded. Anything but Arrival::ready: not there
    // yet. Throws as wait().
    Arrival pass_to_floor(const WaitLimits& limits);
    // A reset that this side has not gone along with yet.
    bool is_below_floor() const noexcept { return protocol_.floor() != floor_; }
    // At the end of the data: sleeps until a reset (Arrival::moved), interrupt(), or the end of the
    // ring, behind which there can be no reset (Arrival::end).
    Arrival wait_for_reset();
    // Leases what wait() found settled, and moves the position on. Lengths are copied once and
    // bounded here; a record that breaks them becomes a hole. Holes are counted, told, and
    // released.
    void take(const IndexRange& range, Taken& taken);
    void release(std::span<const std::uint64_t> indices) noexcept;
    // Makes wait() return; for another thread.
    void interrupt() noexcept;

    // The index that is the sampler's index 0.
    std::uint64_t floor() const noexcept { return floor_; }
    RingCore& ring() noexcept { return *ring_; }
    const Schema& schema() const noexcept { return description().schema; }
    // Of an index that was taken just now.
    std::uint64_t epoch_of(std::uint64_t index) const noexcept {
        return description().epoch_of(index, floor_);
    }
    std::uint64_t item_of(std::uint64_t index) const noexcept {
        return description().item_of(index, floor_);
    }

  private:
    std::optional<std::chrono::nanoseconds> patience() const noexcept;
    // How long to sleep at most, or none when the time is over.
    std::optional<std::chrono::nanoseconds> time_to_sleep(
        std::uint64_t index, const WaitLimits& limits,
        std::optional<ring::Clock::time_point>& blocked_since);
    Arrival look_at_phase(IndexRange& range, std::uint64_t& settled);
    // Throws Error when the slot of `index` holds what the protocol never puts there.
    void look_for_forgery(std::uint64_t index);
    // Throws RingAborted, and Error for one that the trainer has not set.
    Phase trusted_phase();
    [[noreturn]] void throw_aborted() const;
    [[noreturn]] void throw_forged(const std::string& what);
    void watch_leases(std::uint64_t index, const WaitLimits& limits,
                      std::optional<ring::Clock::time_point>& blocked_since) const;
    bool take_one(std::uint64_t index, Taken& taken, std::uint32_t* lengths);
    void note_hole(Taken& taken, std::uint64_t index, ring::Reason reason);

    std::shared_ptr<RingCore> ring_;
    ring::Protocol& protocol_;
    ConsumerOptions options_;
    std::uint64_t position_;
    std::uint64_t floor_;  // as far as this side has gone along
    bool epoch_end_due_ = false;
    bool anything_yet_ = false;
    std::atomic<bool> interrupted_{false};
    ring::TakeMemory memory_;
    std::vector<std::uint64_t> hole_indices_;
    std::vector<std::uint32_t> lengths_by_record_;
    Taken scratch_;
};

}  // namespace headrace::detail
