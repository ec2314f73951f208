#include "schedule/sharer_actor.hpp"

#include "schedule/consumer_actor.hpp"
#include "schedule/trial.hpp"

namespace headrace::ring::schedule {

SharerActor::SharerActor(Trial& trial, Owner owner)
    : Party("consumer " + std::to_string(owner.id) + "." + std::to_string(owner.incarnation)),
      trial_(trial) {
    me = owner;
    shares = can_die = true;
}

void SharerActor::run() {
    bool leaves = false;
    while (!leaves) {
        Take take = try_take();
        if (take.state == TakeState::nothing_yet) {
            // Whoever waits with a record in hand may wait for itself.
            while (!held_.empty()) deliver_held(0);
            take = wait_and_take();
        }
        if (take.state == TakeState::nothing_yet) continue;  // its time was over
        if (take.state == TakeState::end || take.state == TakeState::aborted) break;
        accept(take);
        const bool holds = trial_.plan().leases == Leases::held && !trial_.random().one_in(3);
        if (!holds && !held_.empty()) deliver_held(trial_.random().below(held_.size()));
        trial_.go_away(*this);
        leaves = trial_.random().one_in(trial_.plan().leave_one_in);
    }
    // One that leaves may do so with records in hand: they go to another.
    while (!leaves && !held_.empty()) deliver_held(0);
    trial_.go_away(*this);
    can_die = false;
    trial_.scheduler().note("says farewell");
    trial_.service().tell({leaves ? Message::Kind::left : Message::Kind::finished, this});
}

Take SharerActor::try_take() {
    for (;;) {
        const std::uint64_t floor = trial_.floor_now();
        Take take{};
        {
            const Doing doing(*this, Deed::take);
            take = trial_.members_protocol().try_take(me, memory_, !held_.empty());
        }
        check_end(take, floor);
        if (take.state != TakeState::discarded) return take;
        settle(take.index, Settled::discarded);
    }
}

Take SharerActor::wait_and_take() {
    has_deadline = trial_.plan().time_overs != 0 && trial_.random().one_in(2);
    is_time_over = false;
    Take take{TakeState::nothing_yet};
    for (;;) {
        const std::uint32_t bell = trial_.members_protocol().announce_take();
        take = try_take();
        if (take.state != TakeState::nothing_yet) break;
        const Gift gift(*this);  // it wakes producers
        if (is_time_over) {
            trial_.members_protocol().wake_producers();
            break;
        }
        if (!trial_.members_protocol().sleep_until_rung(bell, memory_, kAlarm)) {
            memory_.redeliveries = ~std::uint64_t{0};
        }
    }
    has_deadline = false;
    return take;
}

// The end must be one: nothing can come back that this one might be needed for.
void SharerActor::check_end(const Take& take, std::uint64_t floor_before) {
    const auto phase = static_cast<Phase>(trial_.phase_now());
    if (take.state == TakeState::aborted && phase != Phase::aborted) {
        trial_.fail(name() + " was told that the ring was aborted");
    }
    if (take.state != TakeState::end || phase == Phase::closed || phase == Phase::aborted) return;
    if (trial_.is_reset_since(floor_before)) return;  // it was the end before that
    if (phase == Phase::open && trial_.head_now() < trial_.end_now()) {
        trial_.fail(name() + " was told the end of an open ring");
    }
    if (!held_.empty()) return;  // whoever holds records waits for nobody
    for (std::uint64_t index = trial_.plan().start; index < trial_.head_now(); ++index) {
        if (trial_.books().at(index).state == Entry::State::released) continue;
        trial_.fail(name() + " was told the end, but record " + std::to_string(index) +
                    " can still come back");
    }
}

void SharerActor::accept(const Take& take) {
    const Entry& entry = trial_.books().at(take.index);
    const std::string record = "record " + std::to_string(take.index);
    if (take.state == TakeState::hole) {
        if (!entry.is_hole) trial_.fail(record + " is a hole, and was published");
        const HoleKind kind = trial_.members_protocol().reason(take.index).kind;
        if (!trial_.is_revoked() && kind != entry.kind) {
            trial_.fail(record + " is a hole for another reason than is told");
        }
        settle(take.index, settled_as(kind));
        return;
    }
    if (entry.is_hole) trial_.fail(record + " is delivered, and was a hole");
    if (take.deaths != entry.deaths) trial_.fail(record + " is marked wrongly");
    if (take.floor != entry.floor)
        trial_.fail(record + " stands for another item than was written");
    held_.push_back(take.index);
}

void SharerActor::settle(std::uint64_t index, Settled as) {
    settles_as = as;
    const Doing doing(*this, Deed::settle);
    const Gift gift(*this);
    trial_.members_protocol().settle(index, as, trial_.members_protocol().consumer(me.id));
}

void SharerActor::deliver_held(std::size_t place) {
    const std::uint64_t index = held_[place];
    held_.erase(held_.begin() + static_cast<std::ptrdiff_t>(place));
    deliver(trial_, index);
    settle(index, Settled::delivered);
}

}  // namespace headrace::ring::schedule
