#include "schedule/consumer_actor.hpp"

#include <algorithm>

#include "schedule/trial.hpp"

namespace headrace::ring::schedule {

void deliver(Trial& trial, std::uint64_t index) {
    Entry& entry = trial.books().at(index);
    const std::string record = "record " + std::to_string(index);
    if (entry.is_delivered) trial.fail(record + " is delivered twice");
    entry.is_delivered = true;
    if (trial.is_revoked()) return;
    const std::int64_t length = length_of(entry.claim_word);
    if (trial.protocol().length(index, 0) != static_cast<std::uint64_t>(length)) {
        trial.fail(record + " has another length than was published");
    }
    for (std::uint64_t word = 0; word < static_cast<std::uint64_t>(length); ++word) {
        if (trial.record_word(index, word).load(std::memory_order_relaxed) !=
            content_of(entry.claim_word, word)) {
            trial.fail(record + " has other bytes than were published");
        }
    }
}

ConsumerActor::ConsumerActor(Trial& trial)
    : Party("consumer"), trial_(trial), position_(trial.plan().start), floor_(0) {}

void ConsumerActor::run() {
    do {
        while (take_lease()) trial_.go_away(*this);
        // After a reset there is something to take again. No step lies between the last look and
        // what says that there is nobody to reset for.
    } while (trial_.is_reset_under_way(*this) || (trial_.is_reset_since(floor_) && is_open()));
    is_leaving_ = true;
    while (!held_.empty()) release_held(0);
    if (trial_.releaser() != nullptr) trial_.releaser()->end();
}

bool ConsumerActor::is_below_floor() const {
    return trial_.protocol().floor() != floor_;
}

bool ConsumerActor::is_open() const {
    return static_cast<Phase>(trial_.phase_now()) == Phase::open;
}

// ConsumerCore::take_lease(); false at the end.
bool ConsumerActor::take_lease() {
    has_deadline = trial_.plan().time_overs != 0 && trial_.random().one_in(2);
    is_time_over = false;
    Range range{};
    Arrival arrival = Arrival::moved;
    while (arrival == Arrival::moved) {
        if (is_below_floor()) {
            let_go_of_some(~std::uint64_t{0});
            arrival = pass_to_floor();
            if (arrival != Arrival::ready) break;
        }
        if (position_ >= trial_.protocol().end_index()) return false;
        range = next_range();
        let_go_of_some(range.last);
        arrival = wait(range);
    }
    has_deadline = false;
    switch (arrival) {
        case Arrival::end: return false;
        case Arrival::interrupted: trial_.interrupted().store(false); break;
        case Arrival::ready:
        case Arrival::flushed: take(range); break;
        case Arrival::timed_out:
        case Arrival::moved: break;
    }
    return true;
}

ConsumerActor::Range ConsumerActor::next_range() {
    const Plan& plan = trial_.plan();
    const std::uint64_t last = position_ + plan.range;
    if (plan.is_stream) return {position_, last};
    const std::uint64_t place = (position_ - floor_) % plan.epoch_records;
    return {position_, std::min(last, position_ - place + plan.epoch_records)};
}

// ---- ConsumerCore::wait() ----

ConsumerActor::Arrival ConsumerActor::wait(Range& range) {
    ScheduledProtocol& protocol = trial_.protocol();
    std::uint64_t settled = range.first;
    for (;;) {
        if (is_below_floor()) return Arrival::moved;
        while (settled < range.last && protocol.is_settled_at(settled)) ++settled;
        if (settled == range.last) return Arrival::ready;
        if (trial_.interrupted().load()) return Arrival::interrupted;
        if (const Arrival look = look_at_phase(range, settled); look != Arrival::ready) return look;
        if (settled == range.last) return Arrival::ready;
        if (is_flush_due(range, settled)) {
            range.last = settled;
            return Arrival::flushed;
        }
        if (is_time_over) {
            const Gift gift(*this);
            protocol.wake_producers();
            return Arrival::timed_out;
        }
        std::uint64_t wanted = settled;
        if (!trial_.plan().flushes) {
            wanted = range.last - 1;
            while (protocol.is_settled_at(wanted) && wanted > settled) --wanted;
        }
        sleep(wanted);
    }
}

void ConsumerActor::sleep(std::uint64_t index) {
    wanted_ = index;
    const Gift gift(*this);  // it wakes producers
    trial_.protocol().sleep_as_consumer(index, kAlarm, trial_.interrupted(), memory_);
}

ConsumerActor::Arrival ConsumerActor::pass_to_floor() {
    ScheduledProtocol& protocol = trial_.protocol();
    const std::uint64_t floor = protocol.floor();
    while (position_ < floor) {
        holes_.clear();
        std::uint64_t passed = position_;
        for (; passed < floor && holes_.size() < protocol.slots(); ++passed) {
            const Doing doing(*this, Deed::take);
            if (!protocol.take_below_floor(passed)) break;
            holes_.push_back(passed);
        }
        if (passed != position_) {
            const Doing doing(*this, Deed::discard);
            const Gift gift(*this);
            protocol.release(holes_);
            position_ = passed;
            continue;
        }
        if (trial_.interrupted().load()) return Arrival::interrupted;
        const Phase phase = protocol.phase();
        if (phase == Phase::closed || phase == Phase::aborted) return Arrival::end;
        if (phase == Phase::drain && !protocol.is_blocked_by_lease(position_)) {
            if (protocol.is_free_at(position_) || protocol.is_settled_at(position_)) continue;
            return Arrival::end;
        }
        if (is_time_over) {
            const Gift gift(*this);
            protocol.wake_producers();
            return Arrival::timed_out;
        }
        sleep(position_);
    }
    floor_ = floor;
    return Arrival::ready;
}

// Whether the flush time is over is left to chance.
bool ConsumerActor::is_flush_due(const Range& range, std::uint64_t settled) {
    return trial_.plan().flushes && settled > range.first && trial_.random().one_in(3);
}

ConsumerActor::Arrival ConsumerActor::look_at_phase(Range& range, std::uint64_t& settled) {
    ScheduledProtocol& protocol = trial_.protocol();
    const Phase phase = protocol.phase();
    if (phase == Phase::open) return Arrival::ready;
    if (phase == Phase::aborted) return Arrival::end;
    while (settled < range.last && protocol.is_settled_at(settled)) ++settled;
    if (settled == range.last) return Arrival::ready;
    if (phase == Phase::drain && settled > range.first) {
        range.last = settled;
        return Arrival::flushed;
    }
    return Arrival::end;
}

// ---- taking and releasing ----

void ConsumerActor::take(const Range& range) {
    holes_.clear();
    for (; position_ < range.last; ++position_) take_one(position_);
    if (holes_.empty()) return;
    const Doing doing(*this, Deed::release);
    const Gift gift(*this);
    trial_.protocol().release(holes_);
}

void ConsumerActor::take_one(std::uint64_t index) {
    const std::string record = "record " + std::to_string(index);
    SlotState state{};
    {
        const Doing doing(*this, Deed::take);
        state = trial_.protocol().take(index);
    }
    const Entry& entry = trial_.books().at(index);
    if (state == SlotState::ready) {
        if (entry.is_hole) trial_.fail(record + " is delivered, and was a hole");
        if (entry.floor != floor_)
            trial_.fail(record + " stands for another item than was written");
        if (trial_.releaser() != nullptr) {
            trial_.releaser()->hand(index);
        } else {
            held_.push_back(index);
        }
        return;
    }
    if (state != SlotState::hole) trial_.fail(record + " had been settled, and is not any more");
    if (!entry.is_hole) trial_.fail(record + " is a hole, and was published");
    if (!trial_.is_revoked() && trial_.protocol().reason(index).kind != entry.kind) {
        trial_.fail(record + " is a hole for another reason than is told");
    }
    holes_.push_back(index);
}

// Holds some for a while, but none whose slot what comes next needs: that would be a wait for
// itself.
void ConsumerActor::let_go_of_some(std::uint64_t next_last) {
    const std::uint64_t slots = trial_.protocol().slots();
    for (std::size_t place = 0; place < held_.size();) {
        const bool holds = trial_.plan().leases == Leases::held && !trial_.random().one_in(3);
        if (holds && held_[place] + slots >= next_last) {
            ++place;
        } else {
            release_held(place);
        }
    }
}

void ConsumerActor::release_held(std::uint64_t place) {
    const std::uint64_t index = held_[place];
    held_.erase(held_.begin() + static_cast<std::ptrdiff_t>(place));
    deliver(trial_, index);
    const Doing doing(*this, Deed::release);
    const Gift gift(*this);
    trial_.protocol().release({&index, 1});
}

void ReleaserActor::hand(std::uint64_t index) {
    held_.push_back(index);
    trial_.scheduler().rouse(*this);
}

void ReleaserActor::end() {
    is_ended_ = true;
    trial_.scheduler().rouse(*this);
}

void ReleaserActor::run() {
    while (!is_ended_ || !held_.empty()) {
        if (held_.empty()) {
            trial_.scheduler().wait();
            continue;
        }
        trial_.go_away(*this);
        const std::uint64_t place = trial_.random().below(held_.size());
        const std::uint64_t index = held_[place];
        held_.erase(held_.begin() + static_cast<std::ptrdiff_t>(place));
        deliver(trial_, index);
        const Doing doing(*this, Deed::release);
        const Gift gift(*this);
        trial_.protocol().release({&index, 1});
    }
}

}  // namespace headrace::ring::schedule
