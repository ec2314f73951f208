#include "schedule/trainer_actors.hpp"

#include <utility>

#include "schedule/trial.hpp"

namespace headrace::ring::schedule {

ServiceActor::ServiceActor(Trial& trial) : Party("service"), trial_(trial) {}

void ServiceActor::tell(const Message& message) {
    inbox_.push_back(message);
    trial_.scheduler().rouse(*this);
}

void ServiceActor::run() {
    for (;;) {
        while (inbox_.empty()) trial_.scheduler().wait();
        const Message message = inbox_.front();
        inbox_.pop_front();
        handle(message);
        end_if_nobody_is_left(message.kind == Message::Kind::linger_over);
    }
}

void ServiceActor::handle(const Message& message) {
    switch (message.kind) {
        case Message::Kind::newcomer:
            if (trial_.protocol().phase() == Phase::open) admit();
            break;
        case Message::Kind::new_consumer: {
            const Phase phase = trial_.protocol().phase();
            if (phase == Phase::open || phase == Phase::drain) admit_consumer();
            break;
        }
        case Message::Kind::linger_over: break;
        default: bury(*message.who, message.kind);
    }
}

// Service::admit(): the next id; or, as after a hundred of others, one that somebody had before.
Owner ServiceActor::next_owner() {
    if (!trial_.plan().same_ids || gone_.empty()) return {++last_id_, 1};
    Owner owner = gone_.front();
    gone_.erase(gone_.begin());
    owner.incarnation = (owner.incarnation + 1) % kIncarnations;
    return owner;
}

void ServiceActor::admit() {
    ++ever_;
    ++producers_here_;
    if (vacancies_ > 0 && ever_ > trial_.plan().producers) --vacancies_;
    trial_.add_producer(next_owner());
}

void ServiceActor::admit_consumer() {
    ++consumers_here_;
    const Owner owner = next_owner();
    trial_.protocol().consumer(owner.id).settling.store(0, std::memory_order_relaxed);
    trial_.add_sharer(owner);
}

// Service::bury()
void ServiceActor::bury(Party& who, Message::Kind how) {
    const bool died = how == Message::Kind::died;
    reaped = who.me;
    const Gift gift(*this);
    if (who.shares) {
        const Doing doing(*this, Deed::reap_consumer);
        trial_.protocol().reap_consumer(who.me, "it");
        --consumers_here_;
    } else {
        if (how != Message::Kind::finished) ++vacancies_;
        --producers_here_;
        const Doing doing(*this, died ? Deed::reap_dead : Deed::reap_gone);
        trial_.protocol().reap(who.me, died, "it");
    }
    gone_.push_back(who.me);
    who.is_seen_off = true;
    if (producers_here_ == 0 && trial_.plan().lingers_briefly) {
        trial_.plan_fate(Fate::linger_over, nullptr, trial_.random().below(100));
    }
}

void ServiceActor::end_if_nobody_is_left(bool is_linger_over) {
    ScheduledProtocol& protocol = trial_.protocol();
    if (producers_here_ != 0 || ever_ == 0 || protocol.phase() != Phase::open) return;
    const Plan& plan = trial_.plan();
    if (!plan.is_stream && protocol.is_all_settled(settled_below_)) return;
    if (plan.is_stream && vacancies_ == 0 && ever_ >= plan.producers) {
        drain(false);
    } else if (is_linger_over) {
        drain(true);
    }
}

void ServiceActor::drain(bool is_incomplete) {
    ScheduledProtocol& protocol = trial_.protocol();
    protocol.control().incomplete.store(is_incomplete ? 1 : 0);
    if (trial_.plan().is_stream || trial_.plan().allow_incomplete) {
        const Doing doing(*this, Deed::bury);
        protocol.bury_returned();
    }
    if (!protocol.set_phase_if_open(Phase::drain)) protocol.control().incomplete.store(0);
}

// ---- by hand ----

void TrainerActor::end_ring(Phase phase) {
    phase_ = phase;
    trial_.scheduler().rouse(*this);
}

void TrainerActor::interrupt() {
    interrupts_ = true;
    trial_.scheduler().rouse(*this);
}

void TrainerActor::reset() {
    resets_ = true;
    trial_.scheduler().rouse(*this);
}

void TrainerActor::run() {
    for (;;) {
        if (std::exchange(interrupts_, false)) {
            trial_.interrupted().store(true);
            trial_.protocol().ring_consumer();
        }
        if (std::exchange(resets_, false)) reset_now();
        const Phase phase = std::exchange(phase_, Phase::open);
        if (phase != Phase::open) {
            const Phase now = trial_.protocol().phase();
            if (now != Phase::closed && now != Phase::aborted) trial_.protocol().set_phase(phase);
        }
        if (!interrupts_ && !resets_ && phase_ == Phase::open) trial_.scheduler().wait();
    }
}

// Not when the consumer asks for nothing more: producers would wait for ever.
void TrainerActor::reset_now() {
    if (trial_.is_consumer_leaving()) return;
    is_resetting_ = true;
    if (trial_.protocol().phase() == Phase::open) trial_.protocol().raise_floor();
    is_resetting_ = false;
    if (waits_for_reset_ != nullptr)
        trial_.scheduler().rouse(*std::exchange(waits_for_reset_, nullptr));
}

}  // namespace headrace::ring::schedule
