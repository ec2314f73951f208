// What must hold of a schedule: when nobody can move, and at the end.
#include <algorithm>

#include "schedule/trial.hpp"

namespace headrace::ring::schedule {

std::uint64_t Trial::word_now(std::uint64_t slot) const noexcept {
    return reinterpret_cast<const Atomic<std::uint64_t>*>(memory_.data() + words_at_ +
                                                          slot * sizeof(SlotDescriptor))
        ->peek();
}

// ---- when nobody can move ----

// A death that nobody has noticed yet is noticed now. Else nobody may sleep although what it waits
// for has happened; then whoever is stopped goes on, for its late steps come after all the others'.
bool Trial::rescue() {
    if (befall_first(Fate::death_noticed)) return true;
    if (!is_waker_stopped()) {
        check_consumer_asleep();
        check_sharers_asleep();
        check_producers_asleep();
    }
    if (is_over()) return false;
    if (befall_first(Fate::goes_on) || befall_first(Fate::comes_back)) return true;
    if (rescue_by_newcomers()) return true;
    fail("nobody can move: " + states());
}

bool Trial::rescue_by_newcomers() {
    const auto phase = static_cast<Phase>(phase_now());
    if (phase != Phase::open && phase != Phase::drain) return false;
    // Consumers that died or left are replaced for as long as there is something to take.
    if (plan_->sharers != 0 && !service_->has_consumers()) {
        service_->tell({Message::Kind::new_consumer});
        return true;
    }
    if (phase != Phase::open) return false;
    if (befall_first(Fate::newcomer)) return true;
    if (service_->has_producers()) return false;
    service_->tell({Message::Kind::linger_over});
    return true;
}

bool Trial::is_over() {
    for (const Party* const party : parties()) {
        const bool is_member = party->me.id != kTrainer;
        if (is_member && !(party->is_over() && party->is_seen_off)) return false;
    }
    if (consumer_ && !consumer_->is_over()) return false;
    if (releaser_ && !releaser_->is_over()) return false;
    if (!service_->is_idle() || !trainer_->is_idle()) return false;
    const auto phase = static_cast<Phase>(phase_now());
    if (plan_->sharers == 0 || phase == Phase::closed || phase == Phase::aborted) return true;
    if (phase == Phase::drain) return !is_anything_takeable();
    return books_.is_all_settled(end_now()) && head_now() >= end_now() && !is_anything_takeable();
}

std::vector<Party*> Trial::parties() const {
    std::vector<Party*> all{service_.get(), trainer_.get()};
    if (consumer_) all.push_back(consumer_.get());
    if (releaser_) all.push_back(releaser_.get());
    for (const auto& producer : producers_) all.push_back(producer.get());
    for (const auto& sharer : sharers_) all.push_back(sharer.get());
    return all;
}

// One that was stopped between giving something to others and waking them: nothing but an alarm
// tells them, and here there is none.
bool Trial::is_waker_stopped() const {
    const auto all = parties();
    return std::any_of(all.begin(), all.end(), [](const Party* party) {
        return party->is_stopped() && party->owes_wake_up;
    });
}

void Trial::check_consumer_asleep() {
    if (!consumer_ || consumer_->state() != Actor::State::asleep || consumer_->is_stopped()) return;
    const std::uint64_t wanted = consumer_->wanted();
    const Entry::State state = books_.at(wanted).state;
    if (state >= Entry::State::ready) {
        fail("the consumer sleeps, though record " + std::to_string(wanted) + " is settled");
    }
    if (wanted < books_.floor() && state != Entry::State::writing && is_free_for(wanted)) {
        fail("the consumer sleeps, though it can pass over record " + std::to_string(wanted));
    }
    // In drain it may still have to wait for a lease, on its way to a floor.
    const auto phase = static_cast<Phase>(phase_now());
    const bool passes = phase == Phase::drain && wanted < books_.floor() && !is_free_for(wanted);
    if (phase != Phase::open && !passes) fail("the consumer sleeps through the end");
    if (interrupted_.peek()) fail("the consumer sleeps, though it was interrupted");
}

bool Trial::is_free_for(std::uint64_t index) const {
    const std::uint64_t word = word_now(index % plan_->slots);
    return state_of(word) == SlotState::free && distance(word, index) == 0;
}

// The first index that was never taken, or one that came back.
bool Trial::is_anything_takeable() {
    for (std::uint64_t index = plan_->start; index < books_.last() || index < books_.floor();
         ++index) {
        const Entry::State state = books_.at(index).state;
        if (state == Entry::State::released || state == Entry::State::taken) continue;
        if (state == Entry::State::ready || state == Entry::State::hole) return true;
        return index < books_.floor() && is_free_for(index);
    }
    return false;
}

bool Trial::is_anything_held() {
    for (std::uint64_t index = plan_->start; index < books_.last(); ++index) {
        if (books_.at(index).state == Entry::State::taken) return true;
    }
    return false;
}

void Trial::check_sharers_asleep() {
    const auto phase = static_cast<Phase>(phase_now());
    const bool is_over = phase == Phase::drain ? !is_anything_held() : phase != Phase::open;
    for (const auto& sharer : sharers_) {
        if (sharer->state() != Actor::State::asleep || sharer->is_stopped()) continue;
        if (is_anything_takeable())
            fail(sharer->name() + " sleeps, though there is something to take");
        if (is_over) fail(sharer->name() + " sleeps through the end");
        if (head_now() >= end_now() && !is_anything_held()) {
            fail(sharer->name() + " sleeps, though nothing can come back any more");
        }
    }
}

void Trial::check_producers_asleep() {
    for (const auto& producer : producers_) {
        if (producer->state() != Actor::State::asleep || producer->is_stopped()) continue;
        if (static_cast<Phase>(phase_now()) != Phase::open) {
            fail(producer->name() + " sleeps through the end");
        }
        if (!plan_->is_stream && books_.is_all_settled(end_now())) {
            fail(producer->name() + " sleeps, though nothing can come back any more");
        }
        if (!is_slot_too_little() && is_anything_claimable()) {
            fail(producer->name() + " sleeps, though there is something to claim");
        }
    }
}

// While consumers go about their business, less than a quarter of the ring is not worth a wake-up:
// of less than eight slots, each is. Behind a reset the count of those released says less, for the
// tail has passed over slots that are held.
bool Trial::is_slot_too_little() const {
    if (plan_->slots < 8 && books_.floor() == plan_->start) return false;
    const auto waits = [](const Party& party) {
        return party.state() == Actor::State::asleep && !party.is_stopped();
    };
    if (consumer_) return !waits(*consumer_) && !consumer_->is_over();
    return std::none_of(sharers_.begin(), sharers_.end(),
                        [&waits](const auto& sharer) { return waits(*sharer); });
}

bool Trial::is_anything_claimable() {
    const std::uint64_t tail = books_.first_unclaimed();
    for (std::uint64_t slot = 0; slot < plan_->slots; ++slot) {
        const std::uint64_t word = word_now(slot);
        if (state_of(word) != SlotState::free) continue;
        const std::uint64_t index = tail + static_cast<std::uint64_t>(distance(word, tail));
        if (index >= books_.floor() && index <= tail && index < end_now()) return true;
    }
    return false;
}

std::string Trial::states() const {
    std::string text;
    for (const Party* const party : parties()) {
        static constexpr const char* kNames[] = {"ready", "asleep", "waiting", "dead", "done"};
        text += (text.empty() ? "" : ", ") + party->name() + " " +
                kNames[static_cast<std::size_t>(party->state())] +
                (party->is_stopped() ? " and stopped" : "");
    }
    return text;
}

// ---- at the end ----

std::string Trial::what_is_wrong_at_end() {
    const std::uint64_t tail = protocol_.true_tail();
    const std::uint64_t position = consumer_ ? consumer_->position() : head_now();
    const auto phase = static_cast<Phase>(phase_now());
    const bool is_cut_off = phase == Phase::closed || phase == Phase::aborted;
    std::uint64_t delivered = 0, lost = 0, discarded = 0;
    for (std::uint64_t index = plan_->start; index < position; ++index) {
        const Entry& entry = books_.at(index);
        if (entry.state != Entry::State::released) {
            if (is_cut_off && !consumer_) continue;  // it went back into the ring
            return "record " + std::to_string(index) + " was taken and not released";
        }
        ++(entry.is_discarded ? discarded : entry.is_hole ? lost : delivered);
    }
    std::uint64_t in_ring = 0;
    for (std::uint64_t slot = 0; slot < plan_->slots; ++slot) {
        const std::uint64_t word = word_now(slot);
        if (state_of(word) != SlotState::free || distance(word, tail) < 0) ++in_ring;
        if (state_of(word) == SlotState::writing || is_held(state_of(word))) {
            return "slot " + std::to_string(slot) + " is held by one that is gone";
        }
    }
    // What a reset passes over is more than the ring, until it has been passed.
    const std::uint64_t claimed = tail - plan_->start;
    if (position >= books_.floor() && claimed != delivered + lost + discarded + in_ring) {
        return "the books do not balance: claimed " + std::to_string(claimed) + ", delivered " +
               std::to_string(delivered) + ", lost " + std::to_string(lost) + ", discarded " +
               std::to_string(discarded) + ", in the ring " + std::to_string(in_ring);
    }
    // One that came back under the tail's very place is as one that was never claimed.
    for (std::uint64_t index = tail; index < books_.last(); ++index) {
        const Entry::State state = books_.at(index).state;
        if (state != Entry::State::back && state != Entry::State::unclaimed) {
            return "record " + std::to_string(index) + " was claimed, and the tail does not say so";
        }
    }
    if (std::string wrong = what_is_wrong_in_cells(); !wrong.empty()) return wrong;
    return is_cut_off ? "" : what_is_missing(position, tail);
}

// Each index that a consumer let go of is counted once, whatever became of the consumer.
std::string Trial::what_is_wrong_in_cells() {
    if (consumer_) return {};
    for (std::size_t kind = 0; kind < kSettledKinds; ++kind) {
        std::uint64_t counted = 0;
        for (std::uint32_t id = 0; id < kMostIds; ++id) {
            counted += protocol_.consumer(id).counts[kind].peek();
        }
        if (counted == books_.settled(kind)) continue;
        return "settled as kind " + std::to_string(kind) + ": " +
               std::to_string(books_.settled(kind)) + ", counted " + std::to_string(counted);
    }
    return {};
}

// All that was to come has come, unless the ring was ended by hand.
std::string Trial::what_is_missing(std::uint64_t position, std::uint64_t tail) {
    const auto phase = static_cast<Phase>(phase_now());
    const std::string found = "the consumer ended at " + std::to_string(position) + ", ";
    if (phase == Phase::drain && is_revoked_) return {};  // it may publish after the end
    if (phase == Phase::open) {
        if (!plan_->is_stream && position == end_now()) return {};
        return found + "though the ring did not";
    }
    // Below the floor nobody waits for records of a ring that has ended.
    if (position < books_.floor()) return {};
    // A ring with a sampler that is drained keeps its gaps, unless that is to be an ordinary end.
    if (plan_->is_stream || plan_->allow_incomplete) {
        return position == tail
                   ? ""
                   : found + "and records up to " + std::to_string(tail) + " had been claimed";
    }
    return books_.at(position).state < Entry::State::ready
               ? ""
               : found + "though the next record was there";
}

// ---- for the trace ----

std::string Trial::name_of(const void* place) const {
    const auto& control = protocol_.control();
    const std::pair<const void*, const char*> names[] = {
        {&control.phase, "phase"},
        {&control.incomplete, "incomplete"},
        {&control.returns, "returns"},
        {&control.tail, "tail"},
        {&control.producers_asleep, "producers_asleep"},
        {&control.space_bell, "space_bell"},
        {&control.space_wanted, "space_wanted"},
        {&control.released, "released"},
        {&control.wanted, "wanted"},
        {&control.ready_bell, "ready_bell"},
        {&interrupted_, "interrupted"},
        {&control.floor, "floor"},
        {&trainers_floor_, "the trainer's floor"},
        {&control.head, "head"},
        {&control.redeliveries, "redeliveries"},
        {&control.consumers_asleep, "consumers_asleep"},
    };
    for (const auto& [address, name] : names) {
        if (address == place) return name;
    }
    const auto at =
        static_cast<std::uint64_t>(static_cast<const std::byte*>(place) - memory_.data());
    if (at >= records_at_) {
        const std::uint64_t offset = at - records_at_;
        return "record[" + std::to_string(offset / row_bytes_) + "][" +
               std::to_string(offset % row_bytes_ / 8) + "]";
    }
    if (at >= returned_at_ && at < words_at_) return "returned";
    if (at >= cells_at_ && at < returned_at_) {
        const std::uint64_t offset = at - cells_at_;
        return "consumer " + std::to_string(offset / sizeof(ConsumerCell)) + " +" +
               std::to_string(offset % sizeof(ConsumerCell));
    }
    const std::uint64_t offset = at - words_at_;
    const std::string slot = "[" + std::to_string(offset / sizeof(SlotDescriptor)) + "]";
    return (offset % sizeof(SlotDescriptor) == 0 ? "word" : "length") + slot;
}

std::string Trial::value_at(const void* place, std::uint64_t value) const {
    const auto at =
        static_cast<std::uint64_t>(static_cast<const std::byte*>(place) - memory_.data());
    if (value == kNobody) return "nobody";
    if (at < words_at_ || at >= words_end_ || (at - words_at_) % sizeof(SlotDescriptor) != 0) {
        return std::to_string(value);
    }
    static constexpr const char* kNames[] = {"free",   "writing",     "ready", "hole",
                                             "leased", "leased_hole", "6",     "7"};
    std::string text = std::string(kNames[value & 7u]) + " " + std::to_string(tag_of(value));
    if (owner_of(value) != kTrainer) {
        text +=
            " of " + std::to_string(owner_of(value)) + "." + std::to_string(incarnation_of(value));
    }
    if (attempts_of(value) != 0) text += ", attempt " + std::to_string(attempts_of(value));
    return text;
}

}  // namespace headrace::ring::schedule
