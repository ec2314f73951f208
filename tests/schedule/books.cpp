#include "schedule/books.hpp"

#include "headrace/ring.hpp"

namespace headrace::ring::schedule {

namespace {

bool is_of(std::uint64_t word, Owner owner) {
    return owner_of(word) == owner.id && incarnation_of(word) == owner.incarnation;
}

// Its own, or what it reaps.
bool may_let_go(const Party& by, std::uint64_t word) {
    if (by.deed == Deed::reap_dead || by.deed == Deed::reap_gone) return is_of(word, by.reaped);
    return is_of(word, by.me);
}

bool is_same_index(std::uint64_t before, std::uint64_t after) {
    return tag_of(before) == tag_of(after);
}

}  // namespace

void Books::begin(std::uint32_t slots, std::uint64_t start, bool is_stream) {
    slots_ = slots;
    start_ = start;
    is_stream_ = is_stream;
    floor_ = start;
    is_floor_sought_ = false;
    settled_ = {};
    entries_.clear();
    index_in_.assign(slots, 0);
    for (std::uint64_t index = start; index < start + slots; ++index) {
        index_in_[index % slots] = index;
    }
}

Entry& Books::at(std::uint64_t index) {
    const std::uint64_t place = index - start_;
    if (place >= entries_.size()) entries_.resize(place + 1);
    return entries_[place];
}

bool Books::is_all_settled(std::uint64_t end) {
    for (std::uint64_t index = floor_; index < end; ++index) {
        if (at(index).state < Entry::State::ready) return false;
    }
    return true;
}

std::uint64_t Books::first_unclaimed() {
    std::uint64_t index = floor_;
    while (at(index).state != Entry::State::unclaimed) ++index;
    return index;
}

Books::Change Books::change_of(SlotState from, SlotState to) {
    switch (from) {
        case SlotState::free:
            if (to == SlotState::writing) return &Books::claim;
            if (to == SlotState::hole) return &Books::bury;
            if (to == SlotState::leased) return &Books::take;
            break;
        case SlotState::writing:
            if (to == SlotState::ready) return &Books::publish;
            if (to == SlotState::hole) return &Books::give_up;
            if (to == SlotState::free) return &Books::bring_back;
            break;
        case SlotState::ready:
            if (to == SlotState::leased) return &Books::take;
            break;
        case SlotState::hole:
            if (to == SlotState::leased || to == SlotState::leased_hole) return &Books::take;
            break;
        case SlotState::leased:
            if (to == SlotState::ready) return &Books::take_from;
            [[fallthrough]];
        case SlotState::leased_hole:
            if (to == SlotState::hole) return &Books::take_from;
            if (to == SlotState::free) return &Books::release;
            break;
    }
    return nullptr;
}

std::string Books::wrote(const Party& by, std::uint64_t slot, std::uint64_t before,
                         std::uint64_t after) {
    index_ = index_in_[slot];
    const std::string index = "index " + std::to_string(index_) + ": ";
    if (tag_of(before) != (index_ & kTagMask)) return index + "another one stood in its slot";
    const Change change = change_of(state_of(before), state_of(after));
    if (change == nullptr) return index + "no such change of hands";
    const std::string wrong = (this->*change)(by, before, after);
    return wrong.empty() ? wrong : index + wrong;
}

std::string Books::claim(const Party& by, std::uint64_t before, std::uint64_t after) {
    if (by.deed != Deed::claim || !is_of(after, by.me)) return "claimed by one that does not claim";
    if (!is_same_index(before, after)) return "claimed as another one";
    if (attempts_of(before) != attempts_of(after)) return "the attempts were forgotten";
    Entry& entry = at(index_);
    entry.state = Entry::State::writing;
    entry.claim_word = after;
    return {};
}

std::string Books::publish(const Party& by, std::uint64_t before, std::uint64_t after) {
    if (by.deed != Deed::publish || !is_of(before, by.me)) return "published by another";
    if (!is_same_index(before, after)) return "published as another one";
    at(index_).state = Entry::State::ready;
    return {};
}

std::string Books::give_up(const Party& by, std::uint64_t before, std::uint64_t after) {
    if (!may_let_go(by, before)) return "given up by another";
    if (!is_same_index(before, after)) return "given up as another one";
    const bool is_last = attempts_of(before) + 1 == kMaxAttempts;
    Entry& entry = at(index_);
    entry.state = Entry::State::hole;
    entry.is_hole = true;
    switch (by.deed) {
        case Deed::skip: entry.kind = HoleKind::skipped; return {};
        case Deed::drop:
        case Deed::reap_gone:
            entry.kind = HoleKind::dropped;
            return is_last ? "" : "a hole, though it could have come back";
        case Deed::reap_dead:
            entry.kind = HoleKind::died;
            return is_stream_ || is_last ? "" : "a hole, though another could have written it";
        default: return "a hole for no reason";
    }
}

std::string Books::bring_back(const Party& by, std::uint64_t before, std::uint64_t after) {
    if (!may_let_go(by, before)) return "given back by another";
    if (!is_same_index(before, after)) return "given back as another one";
    at(index_).state = Entry::State::back;
    if (by.deed == Deed::claim && (index_ < floor_ || is_floor_sought_)) {  // by a reset
        return attempts_of(after) == attempts_of(before) ? "" : "an attempt that was none";
    }
    if (by.deed != Deed::drop && by.deed != Deed::reap_dead && by.deed != Deed::reap_gone) {
        return "given back for no reason";
    }
    if (attempts_of(after) != attempts_of(before) + 1) return "given back without being counted";
    if (by.deed == Deed::reap_dead && is_stream_) return "nobody else can write it";
    return {};
}

std::string Books::bury(const Party& by, std::uint64_t before, std::uint64_t after) {
    Entry& entry = at(index_);
    if (by.deed != Deed::bury) return "buried by one that may not";
    if (!is_same_index(before, after)) return "buried as another one";
    if (entry.state != Entry::State::back && index_ >= floor_) {
        return "buried, though nobody had claimed it";
    }
    entry.state = Entry::State::hole;
    entry.is_hole = true;
    entry.kind = HoleKind::dropped;
    return {};
}

std::string Books::take(const Party& by, std::uint64_t before, std::uint64_t after) {
    if (by.deed != Deed::take) return "taken by one that does not take";
    if (!is_same_index(before, after)) return "taken as another one";
    if (!is_of(after, by.me)) return "taken for another";
    Entry& entry = at(index_);
    if (state_of(before) == SlotState::free && index_ >= floor_) return "taken unwritten";
    if (state_of(after) == SlotState::leased && by.shares && entry.deaths != attempts_of(after)) {
        return "the deaths of its consumers were forgotten";
    }
    entry.state = Entry::State::taken;
    return {};
}

// From a consumer that is dead or gone, for another.
std::string Books::take_from(const Party& by, std::uint64_t before, std::uint64_t after) {
    if (by.deed != Deed::reap_consumer || !is_of(before, by.reaped)) return "taken from another";
    if (!is_same_index(before, after)) return "taken from it as another one";
    Entry& entry = at(index_);
    entry.is_delivered = false;
    entry.state = Entry::State::ready;
    if (state_of(after) == SlotState::ready) {
        if (++entry.deaths != attempts_of(after)) return "its consumer's death was not counted";
        return entry.deaths < kMaxAttempts ? "" : "delivered again for too many times";
    }
    entry.state = Entry::State::hole;
    if (state_of(before) == SlotState::leased_hole) return {};
    if (entry.deaths + 1 < kMaxAttempts) return "a hole, though it could be delivered again";
    entry.is_hole = true;
    entry.kind = HoleKind::died;
    return {};
}

std::string Books::release(const Party& by, std::uint64_t before, std::uint64_t after) {
    if (tag_of(after) != ((tag_of(before) + slots_) & kTagMask)) return "released to another lap";
    Entry& entry = at(index_);
    entry.state = Entry::State::released;
    index_in_[index_ % slots_] = index_ + slots_;
    switch (by.deed) {
        case Deed::release:
            return entry.is_hole || entry.is_delivered ? "" : "released undelivered";
        case Deed::discard:
            entry.is_discarded = true;
            return index_ < floor_ ? "" : "discarded without a reset";
        case Deed::settle: return settle(by, before);
        default: return "released by one that does not release";
    }
}

std::string Books::settle(const Party& by, std::uint64_t before) {
    if (!is_of(before, by.me)) return "settled by another";
    ++settled_[static_cast<std::size_t>(by.settles_as)];
    Entry& entry = at(index_);
    switch (by.settles_as) {
        case Settled::delivered:
            return !entry.is_hole && entry.is_delivered ? "" : "settled undelivered";
        case Settled::discarded:
            entry.is_discarded = true;
            return index_ < floor_ ? "" : "discarded without a reset";
        default: return entry.is_hole ? "" : "settled as a hole that it is not";
    }
}

}  // namespace headrace::ring::schedule
