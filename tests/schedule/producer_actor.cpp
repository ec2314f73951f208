#include "schedule/producer_actor.hpp"

#include "schedule/trial.hpp"

namespace headrace::ring::schedule {

std::uint64_t content_of(std::uint64_t claim_word, std::uint64_t word) noexcept {
    return Random(claim_word * (kRecordWords + 1) + word).next();
}

std::int64_t length_of(std::uint64_t claim_word) noexcept {
    return static_cast<std::int64_t>(1 + content_of(claim_word, kRecordWords) % kRecordWords);
}

ProducerActor::ProducerActor(Trial& trial, Owner owner)
    : Party("producer " + std::to_string(owner.id) + "." + std::to_string(owner.incarnation)),
      trial_(trial) {
    me = owner;
    can_die = true;
}

void ProducerActor::run() {
    const Plan& plan = trial_.plan();
    while (!leaves_ && can_die && (!plan.is_stream || made_ < plan.quota)) {
        const Claim mine = claim();
        if (mine.state == ClaimState::nothing_yet) continue;  // its time was over
        if (mine.state != ClaimState::claimed) break;
        // A second one at the same time, but without waiting for it: whoever waits with a record in
        // hand may wait for itself.
        if (trial_.random().one_in(plan.two_one_in)) {
            const Claim other = try_claim();
            if (other.state == ClaimState::claimed) let_go(other);
        }
        let_go(mine);
        trial_.go_away(*this);
    }
    trial_.go_away(*this);
    if (!can_die) return;  // it was seen off already
    can_die = false;
    trial_.scheduler().note("says farewell");
    trial_.service().tell({leaves_ ? Message::Kind::left : Message::Kind::finished, this});
}

Claim ProducerActor::try_claim() {
    const Doing doing(*this, Deed::claim);
    const Gift gift(*this, trial_.plan().resets != 0);  // what it undoes others may pass over
    const std::uint64_t floor = trial_.floor_now();
    const Claim claim = trial_.members_protocol().try_claim(me, memory_);
    check_end(claim, floor);
    if (claim.state == ClaimState::claimed) trial_.books().at(claim.index).floor = claim.floor;
    return claim;
}

Claim ProducerActor::claim() {
    const Claim claim = try_claim();
    return claim.state == ClaimState::nothing_yet ? wait_and_claim() : claim;
}

// ProducerCore::wait_and_claim(), without alarms.
Claim ProducerActor::wait_and_claim() {
    has_deadline = trial_.plan().time_overs != 0 && trial_.random().one_in(2);
    is_time_over = false;
    Claim claim{ClaimState::nothing_yet};
    for (;;) {
        const SleepTicket ticket = trial_.members_protocol().announce_producer_sleep();
        claim = try_claim();
        if (claim.state != ClaimState::nothing_yet || is_time_over) break;
        if (!trial_.members_protocol().sleep_as_producer(ticket, kAlarm)) {
            memory_.returns = ~std::uint64_t{0};
        }
    }
    has_deadline = false;
    return claim;
}

// An end that is one must be for good: in an open ring, no work can come back any more.
void ProducerActor::check_end(const Claim& claim, std::uint64_t floor_before) {
    const auto phase = static_cast<Phase>(trial_.phase_now());
    if (claim.state == ClaimState::aborted && phase != Phase::aborted) {
        trial_.fail(name() + " was told that the ring was aborted");
    }
    if (claim.state != ClaimState::end || phase != Phase::open) return;
    if (trial_.is_reset_since(floor_before)) return;  // it was the end before that
    if (!trial_.books().is_all_settled(trial_.end_now())) {
        trial_.fail(name() + " was told the end, but work can still come back");
    }
}

void ProducerActor::write(const Claim& claim) {
    const std::int64_t length = length_of(claim.word);
    for (std::int64_t word = 0; word < length; ++word) {
        const auto place = static_cast<std::uint64_t>(word);
        trial_.record_word(claim.index, place)
            .store(content_of(claim.word, place), std::memory_order_relaxed);
    }
}

void ProducerActor::let_go(const Claim& claim) {
    const Plan& plan = trial_.plan();
    ScheduledProtocol& protocol = trial_.members_protocol();
    if (trial_.random().one_in(plan.leave_one_in)) {
        leaves_ = true;
        if (can_die && trial_.random().one_in(2))
            return;  // finish() first: the service takes it back
    }
    if (leaves_ || trial_.random().one_in(plan.drop_one_in)) {
        const Doing doing(*this, Deed::drop);
        const Gift gift(*this);
        bool came_back = false;
        if (!protocol.give_back(claim.index, claim.word, came_back)) {
            refused("drop");
        }
    } else if (trial_.random().one_in(plan.skip_one_in)) {
        const Doing doing(*this, Deed::skip);
        const Gift gift(*this);
        if (!protocol.skip(claim.index, claim.word, {HoleKind::skipped, "no"})) {
            refused("skip");
        }
    } else {
        publish(claim);
    }
}

void ProducerActor::publish(const Claim& claim) {
    write(claim);
    const std::int64_t lengths[] = {length_of(claim.word)};
    const Doing doing(*this, Deed::publish);
    const Gift gift(*this);
    if (!trial_.members_protocol().publish(claim.index, claim.word, lengths)) {
        refused("publish");
    }
    ++made_;
}

// Only what was taken back is no longer its own.
void ProducerActor::refused(const char* what) {
    if (can_die) trial_.fail(name() + " has a record that it can not " + what);
}

}  // namespace headrace::ring::schedule
