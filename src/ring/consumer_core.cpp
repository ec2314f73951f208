#include "ring/consumer_core.hpp"

#include <algorithm>
#include <utility>

#include "headrace/error.hpp"
#include "ring/forgery.hpp"
#include "ring/ring_core.hpp"

namespace headrace {

namespace detail {

namespace {

void raise(std::atomic<std::uint64_t>& counter, std::uint64_t by = 1) {
    counter.fetch_add(by, std::memory_order_relaxed);
}

}  // namespace

void Taken::clear() {
    indices.clear();
    lengths.clear();
    holes.clear();
}

ConsumerCore::ConsumerCore(std::shared_ptr<RingCore> ring, const ConsumerOptions& options)
    : ring_(std::move(ring)), protocol_(ring_->protocol()), options_(options) {
    options_.first_timeout = ring::bounded(options_.first_timeout);
    options_.stall_timeout = ring::bounded(options_.stall_timeout);
    options_.lease_timeout = ring::bounded(options_.lease_timeout);
    ring_->take_consumer_side();
    position_ = ring_->consumer_position;
    floor_ = ring_->consumer_floor;
}

ConsumerCore::~ConsumerCore() {
    ring_->consumer_position = position_;
    ring_->consumer_floor = floor_;
    ring_->leave_consumer_side();
}

const ring::Description& ConsumerCore::description() const noexcept {
    return ring_->description();
}

bool ConsumerCore::is_at_end() const noexcept {
    return position_ >= protocol_.end_index();
}

bool ConsumerCore::pass_epoch_end() noexcept {
    return std::exchange(epoch_end_due_, false);
}

IndexRange ConsumerCore::next_range(std::uint64_t records, bool on_grid) const noexcept {
    std::uint64_t size = std::min<std::uint64_t>(records, protocol_.slots());
    const auto& sampler = ring_->description().sampler;
    if (!sampler) return {position_, position_ + size};
    const std::uint64_t index = position_ - floor_;  // the sampler's
    if (on_grid) size -= sampler->position_of(index) % size;
    return {position_, std::min(position_ + size, floor_ + sampler->epoch_end_of(index))};
}

// ---- waiting ----

Arrival ConsumerCore::wait(IndexRange& range, const WaitLimits& limits) {
    std::uint64_t settled = range.first;  // everything below it is
    std::optional<ring::Clock::time_point> blocked_since;
    ring::Clock::time_point flush_at{};
    for (;;) {
        if (is_below_floor()) return Arrival::moved;
        const std::uint64_t before = settled;
        while (settled < range.last && protocol_.is_settled_at(settled)) ++settled;
        if (settled == range.last) return Arrival::ready;
        if (interrupted_.load()) return Arrival::interrupted;
        if (const Arrival look = look_at_phase(range, settled); look != Arrival::ready) return look;
        if (settled == range.last) return Arrival::ready;
        look_for_forgery(settled);

        std::optional<std::chrono::nanoseconds> most =
            time_to_sleep(settled, limits, blocked_since);
        if (!most) {
            protocol_.wake_producers();
            return Arrival::timed_out;
        }
        std::chrono::nanoseconds sleep = *most;
        if (limits.flush_after && settled > range.first) {
            if (settled != before || flush_at == ring::Clock::time_point{}) {
                flush_at = ring::deadline_after(*limits.flush_after);
            }
            if (ring::time_left(flush_at).count() == 0) {
                range.last = settled;
                return Arrival::flushed;
            }
            sleep = std::min(sleep, ring::time_left(flush_at));
        }
        // The last index of the range that is missing: by the time it comes, the others most likely
        // have, and the wake-ups of a range are as few as its stragglers. With a flush time every
        // arrival counts, for it puts the flush off.
        std::uint64_t wanted = settled;
        if (!limits.flush_after) {
            wanted = range.last - 1;
            while (protocol_.is_settled_at(wanted) && wanted > settled) --wanted;
        }
        const bool woken = protocol_.sleep_as_consumer(wanted, sleep, interrupted_, memory_);
        if (!woken && sleep == ring::kAlarm && protocol_.is_settled_at(wanted)) {
            raise(protocol_.trainer().alarms);
        }
    }
}

std::optional<std::chrono::nanoseconds> ConsumerCore::time_to_sleep(
    std::uint64_t index, const WaitLimits& limits,
    std::optional<ring::Clock::time_point>& blocked_since) {
    std::chrono::nanoseconds sleep = ring::kAlarm;
    if (limits.deadline) {
        sleep = std::min(sleep, ring::time_left(*limits.deadline));
        if (sleep.count() == 0) return std::nullopt;
    } else if (limits.lease_timeout) {
        watch_leases(index, limits, blocked_since);
        if (blocked_since) sleep = std::min<std::chrono::nanoseconds>(sleep, *limits.lease_timeout);
    }
    return sleep;
}

Arrival ConsumerCore::pass_to_floor(const WaitLimits& limits) {
    const std::uint64_t floor = protocol_.floor();
    if (!ring::is_floor_near(floor, position_, protocol_.slots())) {
        throw_forged(ring::far_floor_text(floor, position_));
    }
    std::optional<ring::Clock::time_point> blocked_since;
    while (position_ < floor) {
        hole_indices_.clear();
        std::uint64_t passed = position_;
        while (passed < floor && protocol_.take_below_floor(passed)) {
            hole_indices_.push_back(passed++);
            if (hole_indices_.size() == protocol_.slots()) break;  // the lap must be released first
        }
        if (passed != position_) {
            protocol_.release(hole_indices_);
            raise(protocol_.trainer().discarded, hole_indices_.size());
            position_ = passed;
            continue;
        }
        if (interrupted_.load()) return Arrival::interrupted;
        const Phase phase = trusted_phase();
        if (phase == Phase::closed) return Arrival::end;
        // Nobody writes any more: what is not there can only be blocked by a lease.
        if (phase == Phase::drain && !protocol_.is_blocked_by_lease(position_)) {
            if (protocol_.is_free_at(position_) || protocol_.is_settled_at(position_)) continue;
            return Arrival::end;
        }
        const std::string forgery = ring::forgery_below_floor(protocol_, position_);
        if (!forgery.empty()) throw_forged(forgery);
        const auto sleep = time_to_sleep(position_, limits, blocked_since);
        if (!sleep) return Arrival::timed_out;
        protocol_.sleep_as_consumer(position_, *sleep, interrupted_, memory_);
    }
    floor_ = floor;
    epoch_end_due_ = false;
    return Arrival::ready;
}

Arrival ConsumerCore::wait_for_reset() {
    for (;;) {
        // In this order: a ring that has ended is reset no more, but may have been just before.
        const bool is_open = trusted_phase() == Phase::open;
        if (is_below_floor()) return Arrival::moved;
        if (interrupted_.load()) return Arrival::interrupted;
        if (!is_open) return Arrival::end;
        look_for_forgery(position_);
        protocol_.sleep_as_consumer(position_, ring::kAlarm, interrupted_, memory_);
    }
}

// Arrival::ready: go on waiting.
Arrival ConsumerCore::look_at_phase(IndexRange& range, std::uint64_t& settled) {
    const Phase phase = trusted_phase();
    if (phase == Phase::open) return Arrival::ready;
    // In drain, what was published before the phase changed is still delivered. Both were looked at
    // in this order: settled, then phase; so look once more.
    while (settled < range.last && protocol_.is_settled_at(settled)) ++settled;
    if (settled == range.last) return Arrival::ready;
    if (phase == Phase::drain && settled > range.first) {
        range.last = settled;
        return Arrival::flushed;
    }
    if (phase == Phase::drain && protocol_.control().incomplete.load() != 0 &&
        !ring_->options().allow_incomplete) {
        throw IncompleteError("ring \"" + description().name + "\": ends incomplete at record " +
                              std::to_string(settled) +
                              ": its producers died or left, and none came within " +
                              std::to_string(ring_->options().linger.count()) + " ms");
    }
    return Arrival::end;
}

// Only the trainer ends a ring: an end that somebody else wrote must not look like one.
Phase ConsumerCore::trusted_phase() {
    const Phase phase = protocol_.phase();
    if (phase == Phase::open) return phase;
    if (!protocol_.has_set(phase)) throw_forged(ring::forged_phase_text(phase));
    if (phase == Phase::aborted) throw_aborted();
    return phase;
}

void ConsumerCore::throw_aborted() const {
    throw RingAborted("ring \"" + ring_->description().name +
                      "\": ended with an error: " + protocol_.control().abort_reason.load());
}

void ConsumerCore::look_for_forgery(std::uint64_t index) {
    const std::string found = ring::forgery_at(protocol_, index);
    // A reset in this very moment takes the tail past indices that are free. First whether it goes
    // on, then whether it is over.
    if (!found.empty() && !protocol_.is_being_reset() && !is_below_floor()) throw_forged(found);
}

void ConsumerCore::throw_forged(const std::string& what) {
    throw Error(ring::forgery_text(description().name, what, ring_->attached()));
}

// An unlimited wait for a slot that our own side holds would never end. Another thread may be about
// to let go, so it becomes an error only after a while.
void ConsumerCore::watch_leases(std::uint64_t index, const WaitLimits& limits,
                                std::optional<ring::Clock::time_point>& blocked_since) const {
    if (!protocol_.is_blocked_by_lease(index)) {
        blocked_since.reset();
        return;
    }
    const ring::Clock::time_point now = ring::Clock::now();
    if (!blocked_since) blocked_since = now;
    if (now - *blocked_since < *limits.lease_timeout) return;
    throw UsageError("ring \"" + ring_->description().name + "\": waits for record " +
                     std::to_string(index) + ", whose slot is held by a lease on record " +
                     std::to_string(index - protocol_.slots()) +
                     " of this consumer; release it, or make the ring larger");
}

void ConsumerCore::interrupt() noexcept {
    interrupted_.store(true);
    protocol_.ring_consumer();
}

// ---- taking ----

void ConsumerCore::take(const IndexRange& range, Taken& taken) {
    taken.clear();
    hole_indices_.clear();
    taken.indices.reserve(range.size());
    const std::size_t fields = schema().size();
    lengths_by_record_.resize(range.size() * fields);
    // By record first, for the descriptor of a slot is one line; turned over afterwards.
    std::uint32_t* lengths = lengths_by_record_.data();
    for (std::uint64_t index = range.first; index < range.last; ++index) {
        if (take_one(index, taken, lengths)) lengths += fields;
    }
    const std::size_t records = taken.indices.size();
    taken.lengths.resize(fields * records);
    for (std::size_t field = 0; field < fields; ++field) {
        for (std::size_t record = 0; record < records; ++record) {
            taken.lengths[field * records + record] = lengths_by_record_[record * fields + field];
        }
    }
    if (!hole_indices_.empty()) protocol_.release(hole_indices_);
    position_ = range.last;
    anything_yet_ = anything_yet_ || range.size() != 0;
    const auto& sampler = ring_->description().sampler;
    epoch_end_due_ = sampler && range.size() != 0 && sampler->position_of(position_ - floor_) == 0;
}

// False when the index is a hole.
bool ConsumerCore::take_one(std::uint64_t index, Taken& taken, std::uint32_t* lengths) {
    const ring::SlotState state = protocol_.take(index);
    if (state == ring::SlotState::hole) {
        note_hole(taken, index, protocol_.reason(index));
        return false;
    }
    if (state != ring::SlotState::ready) {
        throw_forged(ring::told_of(protocol_, index) + ", which had been published");
    }
    // Copied once, then bounded: the writer is another program and may write again meanwhile.
    const std::span<const FieldView> fields = protocol_.rows().fields;
    for (std::size_t field = 0; field < fields.size(); ++field) {
        lengths[field] = protocol_.length(index, field);
        if (lengths[field] > fields[field].capacity) {
            note_hole(taken, index,
                      {HoleKind::invalid, "length " + std::to_string(lengths[field]) +
                                              " in field \"" + schema()[field].name + "\""});
            return false;
        }
    }
    taken.indices.push_back(index);
    return true;
}

void ConsumerCore::note_hole(Taken& taken, std::uint64_t index, ring::Reason reason) {
    ring::TrainerCounters& counters = protocol_.trainer();
    switch (reason.kind) {
        case HoleKind::skipped: raise(counters.skipped); break;
        case HoleKind::died: raise(counters.died); break;
        case HoleKind::dropped: raise(counters.dropped); break;
        default: reason.kind = HoleKind::invalid; raise(counters.invalid);
    }
    hole_indices_.push_back(index);
    ring_->messages().say(Severity::warning,
                          hole_text(description().name, index, item_of(index), reason));
    taken.holes.push_back({index, item_of(index), reason.kind, std::move(reason.text)});
}

void ConsumerCore::release(std::span<const std::uint64_t> indices) noexcept {
    if (!indices.empty()) protocol_.release(indices);
}

std::optional<std::chrono::nanoseconds> ConsumerCore::patience() const noexcept {
    return anything_yet_ ? options_.stall_timeout : options_.first_timeout;
}

Result<RecordLease> ConsumerCore::take_lease(std::size_t records,
                                             std::optional<std::chrono::nanoseconds> timeout) {
    if (records == 0) throw UsageError("take of 0 records, wanted at least 1");
    if (!timeout) timeout = patience();
    WaitLimits limits{.lease_timeout = options_.lease_timeout};
    if (timeout) limits.deadline = ring::deadline_after(*timeout);
    IndexRange range;
    Arrival arrival = Arrival::moved;
    while (arrival == Arrival::moved) {
        if (is_below_floor()) {
            arrival = pass_to_floor(limits);
            if (arrival != Arrival::ready) break;
        }
        if (pass_epoch_end()) return Outcome::end_of_epoch;
        if (is_at_end()) return Outcome::end;
        range = next_range(records, false);
        arrival = wait(range, limits);
    }
    if (arrival == Arrival::timed_out) return Outcome::timed_out;
    if (arrival == Arrival::interrupted || arrival == Arrival::end) return Outcome::end;
    take(range, scratch_);
    RecordLease lease =
        empty_lease(protocol_.rows(), range.first - protocol_.slot_of(range.first), floor_);
    const Parts parts = parts_of(lease);
    parts.indices = std::move(scratch_.indices);
    parts.lengths = std::move(scratch_.lengths);
    parts.holes = std::move(scratch_.holes);
    return lease;
}

void ConsumerCore::settle_lease(const RecordLease& lease) noexcept {
    const Volume volume = volume_of(lease);
    ring::TrainerCounters& counters = protocol_.trainer();
    raise(counters.payload_bytes, volume.payload);
    raise(counters.padding_bytes, volume.padding);
    release(indices_of(lease));
    raise(counters.delivered, indices_of(lease).size());
}

}  // namespace detail

}  // namespace headrace
