#include "ring/shared_consumer.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "headrace/error.hpp"
#include "ring/forgery.hpp"
#include "ring/ring_core.hpp"

namespace headrace::detail {

using ring::Settled;
using ring::settled_as;
using ring::TakeState;

namespace {

ConsumerOptions bounded(ConsumerOptions options) {
    options.first_timeout = ring::bounded(options.first_timeout);
    options.stall_timeout = ring::bounded(options.stall_timeout);
    options.lease_timeout = ring::bounded(options.lease_timeout);
    return options;
}

}  // namespace

SharedConsumerCore::SharedConsumerCore(Attachment attachment, const ConsumerOptions& options)
    : part_(std::move(attachment)),
      protocol_(part_.protocol()),
      cell_(protocol_.consumer(part_.me().id)),
      options_(bounded(options)) {
    see_floor(protocol_.floor());
}

SharedConsumerCore::SharedConsumerCore(std::shared_ptr<RingCore> ring, const std::string& identity,
                                       const ConsumerOptions& options)
    : part_(std::move(ring), identity, ring::Role::consumer),
      protocol_(part_.protocol()),
      cell_(protocol_.consumer(part_.me().id)),
      options_(bounded(options)) {
    see_floor(protocol_.floor());
}

std::uint64_t SharedConsumerCore::position() const noexcept {
    return protocol_.control().head.load();
}

// ---- taking ----

Result<RecordLease> SharedConsumerCore::take_lease(
    std::size_t records, std::optional<std::chrono::nanoseconds> timeout) {
    if (records == 0) throw UsageError("take of 0 records, wanted at least 1");
    if (!timeout) timeout = anything_yet_ ? options_.stall_timeout : options_.first_timeout;
    std::optional<Clock::time_point> deadline;
    if (timeout) deadline = ring::deadline_after(*timeout);

    see_floor(protocol_.floor());
    if (!pending_ && pass_earlier_epoch_end()) return Outcome::end_of_epoch;
    // Before anything is taken, so that nothing is lost where memory is short.
    const std::size_t most = std::min<std::size_t>(records, protocol_.slots());
    const std::size_t fields = protocol_.rows().fields.size();
    RecordLease lease = empty_lease(protocol_.rows(), 0, 0);
    lengths_by_record_.clear();
    lengths_by_record_.reserve(most * fields);
    parts_of(lease).indices.reserve(most);
    parts_of(lease).deaths.reserve(most);
    parts_of(lease).lengths.reserve(most * fields);
    ring::Take take = take_first(deadline);
    if (take.state != TakeState::taken && take.state != TakeState::hole) return outcome_of(take);
    see_floor(take.floor);
    if (pass_epoch_end(take.index)) {
        pending_ = take;
        return Outcome::end_of_epoch;
    }
    anything_yet_ = true;
    const ring::Take first = take;
    // What came back is older than all else, so the first has the lowest index, and the others lie
    // within a lap of it.
    place(lease, first.index - protocol_.slot_of(first.index), first.floor);
    for (;;) {
        add(lease, take);
        if (parts_of(lease).indices.size() + lease.holes().size() >= records) break;
        if (position() >= epoch_end_) break;
        take = try_take();
        if (take.state != TakeState::taken && take.state != TakeState::hole) break;
        // Within a lap of the first, or its rows are not where the lease looks for them.
        const bool is_near =
            take.index >= first.index && take.index - first.index < protocol_.slots();
        if (take.floor != first.floor || take.index >= epoch_end_ || !is_near) {
            pending_ = take;
            break;
        }
    }
    set_lengths(lease);
    return lease;
}

// Never `discarded`.
ring::Take SharedConsumerCore::take_first(std::optional<Clock::time_point> deadline) {
    if (pending_) {
        const ring::Take take = *std::exchange(pending_, std::nullopt);
        if (take.index >= protocol_.floor()) return take;
        settle(take.index, Settled::discarded);
    }
    const ring::Take take = try_take();
    return take.state == TakeState::nothing_yet ? wait_and_take(deadline) : take;
}

ring::Take SharedConsumerCore::try_take() {
    for (;;) {
        // Nothing of the next epoch before its time: if it then left, another would be told that
        // somebody had died with it.
        see_floor(protocol_.floor());
        const ring::Take take = protocol_.try_take(part_.me(), memory_, holds_some(), epoch_end_);
        if (take.state != TakeState::discarded) return take;
        settle(take.index, Settled::discarded);
        if (ring::is_floor_near(take.floor, take.index, protocol_.slots())) continue;
        forged_ = ring::far_floor_text(take.floor, take.index);
        return {TakeState::nothing_yet};
    }
}

// Where nothing is in hand that would count as delivered when this throws.
void SharedConsumerCore::expect_no_forgery() {
    if (forged_.empty()) forged_ = ring::forgery_at_head(protocol_);
    if (!forged_.empty()) throw_forged(std::exchange(forged_, {}));
}

void SharedConsumerCore::throw_forged(const std::string& what) {
    RingCore* const core = part_.ring();
    throw Error(ring::forgery_text(description().name, what,
                                   core != nullptr ? core->attached() : std::string()));
}

// As ProducerCore::wait_and_claim(), with the roles exchanged.
ring::Take SharedConsumerCore::wait_and_take(std::optional<Clock::time_point> deadline) {
    const WaitAccount account(cell_);
    std::optional<Clock::time_point> blocked_since;
    bool alarmed = false;
    for (;;) {
        const std::uint32_t bell = protocol_.announce_take();
        const ring::Take take = try_take();
        if (take.state != TakeState::nothing_yet) {
            if (alarmed) raise_own(cell_.alarms);
            return take;
        }
        expect_no_forgery();
        // All of the epoch has been taken by others.
        see_floor(protocol_.floor());
        if (epoch_end_ < protocol_.end_index() && position() >= epoch_end_) return take;
        part_.look_at_trainer();  // as a producer does: every wake-up may be that of a producer
        std::chrono::nanoseconds wait = ring::kAlarm;
        if (deadline) {
            wait = std::min(wait, ring::time_left(*deadline));
            if (wait.count() == 0) {
                protocol_.wake_producers();  // as in sleep_until_rung()
                part_.look_at_trainer();
                return take;
            }
        } else {
            watch_leases(blocked_since);
            if (blocked_since) {
                wait = std::min<std::chrono::nanoseconds>(wait, options_.lease_timeout);
            }
        }
        const bool rung = protocol_.sleep_until_rung(bell, memory_, wait);
        alarmed = !rung && wait == ring::kAlarm;
        if (!rung) {
            part_.forget_last_look();
            part_.look_at_trainer();
            // Somebody may have died between giving an index back and saying so.
            memory_.redeliveries = ~std::uint64_t{0};
        }
    }
}

bool SharedConsumerCore::is_blocked_by_own_lease() const noexcept {
    const std::uint64_t head = protocol_.control().head.load();
    const std::uint64_t word = protocol_.word_at(protocol_.slot_of(head));
    const ring::Owner me = part_.me();
    return ring::is_held(ring::state_of(word)) && ring::distance(word, head) < 0 &&
           ring::owner_of(word) == me.id && ring::incarnation_of(word) == me.incarnation;
}

// As ConsumerCore::watch_leases().
void SharedConsumerCore::watch_leases(std::optional<Clock::time_point>& blocked_since) const {
    if (!is_blocked_by_own_lease()) {
        blocked_since.reset();
        return;
    }
    const Clock::time_point now = Clock::now();
    if (!blocked_since) blocked_since = now;
    if (now - *blocked_since < options_.lease_timeout) return;
    throw UsageError("ring \"" + description().name + "\": waits for record " +
                     std::to_string(position()) +
                     ", whose slot is held by a lease of this consumer; release it, or make the "
                     "ring larger");
}

// ---- epochs and the end ----

void SharedConsumerCore::see_floor(std::uint64_t floor) noexcept {
    if (std::exchange(floor_, floor) == floor && epoch_end_ != 0) return;
    const auto& sampler = description().sampler;
    epoch_end_ = Sampler::kEndless;
    if (!sampler) return;
    const std::uint64_t begin = std::max(floor, position());
    epoch_end_ = begin >= protocol_.end_index() ? protocol_.end_index()
                                                : floor + sampler->epoch_end_of(begin - floor);
}

// True once for each epoch that was passed since the last call, or for several of them together.
bool SharedConsumerCore::pass_epoch_end(std::uint64_t index) noexcept {
    if (index < epoch_end_) return false;
    epoch_end_ = index >= protocol_.end_index()
                     ? Sampler::kEndless
                     : floor_ + description().sampler->epoch_end_of(index - floor_);
    return true;
}

// True when the end of an epoch before the last one has gone by untold. That of the last one waits
// for what others hold, as the end of the data does.
bool SharedConsumerCore::pass_earlier_epoch_end() noexcept {
    const std::uint64_t head = position(), end = protocol_.end_index();
    if (epoch_end_ >= end || head < epoch_end_) return false;
    if (head < end) return pass_epoch_end(head);
    epoch_end_ = end;
    return true;
}

// Only the trainer ends a ring, and in its own process it can be asked.
void SharedConsumerCore::look_at_phase() {
    const Phase phase = protocol_.phase();
    RingCore* const core = part_.ring();
    if (phase == Phase::open || core == nullptr || core->protocol().has_set(phase)) return;
    throw_forged(ring::forged_phase_text(phase));
}

Outcome SharedConsumerCore::outcome_of(const ring::Take& take) {
    if (take.state != TakeState::nothing_yet) look_at_phase();
    switch (take.state) {
        case TakeState::aborted: part_.throw_aborted();
        case TakeState::end: return end();
        default: break;
    }
    return pass_earlier_epoch_end() ? Outcome::end_of_epoch : Outcome::timed_out;
}

Outcome SharedConsumerCore::end() {
    const ring::Control& control = protocol_.control();
    const std::uint64_t head = control.head.load();
    if (head >= protocol_.end_index()) {
        return pass_epoch_end(head) ? Outcome::end_of_epoch : Outcome::end;
    }
    const auto error = static_cast<std::uint32_t>(ring::Incomplete::error);
    if (protocol_.phase() == Phase::drain && control.incomplete.load() == error) {
        throw IncompleteError("ring \"" + description().name + "\": ends incomplete at record " +
                              std::to_string(head) +
                              ": its producers died or left, and none came in time");
    }
    return Outcome::end;
}

// ---- records and holes ----

void SharedConsumerCore::add(RecordLease& lease, const ring::Take& take) {
    if (take.state == TakeState::hole) return add_hole(lease, take, protocol_.reason(take.index));
    // Copied once, then bounded: the writer is another program and may write again meanwhile.
    const std::span<const FieldView> fields = protocol_.rows().fields;
    std::array<std::uint32_t, kMaxFields> lengths{};
    for (std::size_t field = 0; field < fields.size(); ++field) {
        lengths[field] = protocol_.length(take.index, field);
        if (lengths[field] <= fields[field].capacity) continue;
        return add_hole(
            lease, take,
            {HoleKind::invalid, "length " + std::to_string(lengths[field]) + " in field \"" +
                                    description().schema[field].name + "\""});
    }
    const Parts parts = parts_of(lease);
    parts.indices.push_back(take.index);
    parts.deaths.push_back(static_cast<std::uint8_t>(take.deaths));
    lengths_by_record_.insert(lengths_by_record_.end(), lengths.begin(),
                              lengths.begin() + static_cast<std::ptrdiff_t>(fields.size()));
    held_.fetch_add(1);
}

// By record first, as they come; turned over when the lease is complete.
void SharedConsumerCore::set_lengths(RecordLease& lease) noexcept {
    const Parts parts = parts_of(lease);
    const std::size_t records = parts.indices.size(), fields = protocol_.rows().fields.size();
    for (std::size_t field = 0; field < fields; ++field) {
        for (std::size_t record = 0; record < records; ++record) {
            parts.lengths.push_back(lengths_by_record_[record * fields + field]);
        }
    }
}

void SharedConsumerCore::add_hole(RecordLease& lease, const ring::Take& take, ring::Reason reason) {
    const ring::Settled as = settled_as(reason.kind);
    if (as == Settled::invalid) reason.kind = HoleKind::invalid;
    settle(take.index, as);
    const std::uint64_t item = description().item_of(take.index, take.floor);
    if (RingCore* const ring = part_.ring()) {
        ring->messages().say(Severity::warning,
                             hole_text(description().name, take.index, item, reason));
    }
    parts_of(lease).holes.push_back({take.index, item, reason.kind, std::move(reason.text)});
}

void SharedConsumerCore::settle(std::uint64_t index, Settled as) noexcept {
    const std::lock_guard lock(settling_);
    protocol_.settle(index, as, cell_);
}

void SharedConsumerCore::settle_lease(const RecordLease& lease) noexcept {
    if (part_.is_finished() || !part_.is_ours()) return;  // given back already, or the parent's
    const Volume volume = volume_of(lease);
    const std::lock_guard lock(settling_);
    raise_own(cell_.payload_bytes, volume.payload);
    raise_own(cell_.padding_bytes, volume.padding);
    for (const std::uint64_t index : indices_of(lease)) {
        protocol_.settle(index, Settled::delivered, cell_);
    }
    held_.fetch_sub(indices_of(lease).size());
}

}  // namespace headrace::detail
