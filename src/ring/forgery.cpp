#include "ring/forgery.hpp"

namespace headrace::ring {

namespace {

std::string name_of(SlotState state) {
    switch (state) {
        case SlotState::free: return "free";
        case SlotState::writing: return "writing";
        case SlotState::ready: return "ready";
        case SlotState::hole: return "a hole";
        case SlotState::leased: return "leased";
        case SlotState::leased_hole: return "a leased hole";
    }
    return "state " + std::to_string(static_cast<int>(state)) + ", which there is none";
}

std::string text_of(const Protocol& protocol, std::uint64_t index, std::uint64_t word,
                    const char* whose = "producer ") {
    const std::uint32_t owner = owner_of(word);
    return "slot " + std::to_string(protocol.slot_of(index)) + " of record " +
           std::to_string(index) + " says record " +
           std::to_string(index + static_cast<std::uint64_t>(distance(word, index))) + ", " +
           name_of(state_of(word)) + ", of " +
           (owner == kTrainer ? "the trainer" : whose + std::to_string(owner));
}

// The lap before is in the trainer's own hands, or this one has begun: the consumer has taken all
// indices below the one that it waits for.
bool is_possible(const Protocol& protocol, std::uint64_t index, std::uint64_t word) {
    const std::int64_t lap = distance(word, index);
    const SlotState state = state_of(word);
    if (lap == -std::int64_t{protocol.slots()}) return state == SlotState::leased;
    if (lap != 0) return false;
    if (state == SlotState::writing) return owner_of(word) != kTrainer;
    return state == SlotState::free || state == SlotState::ready || state == SlotState::hole;
}

// The same where consumers share. The lap before may also have come back from one that died.
bool is_possible_at_head(const Protocol& protocol, std::uint64_t head, std::uint64_t word) {
    const std::int64_t lap = distance(word, head);
    const SlotState state = state_of(word);
    if (lap == -std::int64_t{protocol.slots()}) {
        const bool came_back = state == SlotState::ready || state == SlotState::hole;
        return came_back ? protocol.is_noted(protocol.slot_of(head)) : is_held(state);
    }
    if (lap != 0) return lap > 0;  // taken and released meanwhile
    if (state == SlotState::writing || is_held(state)) return owner_of(word) != kTrainer;
    return state == SlotState::free || state == SlotState::ready || state == SlotState::hole;
}

}  // namespace

std::string forgery_at_head(const Protocol& protocol) {
    const std::uint64_t head = protocol.control().head.load();
    const std::uint64_t word = protocol.word_at(protocol.slot_of(head));
    if (is_possible_at_head(protocol, head, word)) return {};
    // Others take and release all the time: it counts only if nothing has moved.
    const bool has_moved =
        protocol.control().head.load() != head || protocol.word_at(protocol.slot_of(head)) != word;
    return has_moved ? std::string() : text_of(protocol, head, word, "id ");
}

std::string forgery_below_floor(const Protocol& protocol, std::uint64_t index) {
    const std::uint64_t word = protocol.word_at(protocol.slot_of(index));
    return is_possible(protocol, index, word) ? std::string() : text_of(protocol, index, word);
}

std::string forgery_at(const Protocol& protocol, std::uint64_t index) {
    // The tail first, the bit last: an index that the tail has passed was claimed; free again, it
    // came back, and its bit was set before that and stays until the slot is released.
    const std::uint64_t tail = protocol.control().tail.load();
    const std::uint64_t slot = protocol.slot_of(index);
    const std::uint64_t word = protocol.word_at(slot);
    if (!is_possible(protocol, index, word)) return text_of(protocol, index, word);
    const bool is_free = distance(word, index) == 0 && state_of(word) == SlotState::free;
    if (is_free && tail > index && !protocol.is_noted(slot)) {
        return text_of(protocol, index, word) + ", but the tail is " + std::to_string(tail) +
               ": nobody will claim it";
    }
    return {};
}

bool is_floor_near(std::uint64_t floor, std::uint64_t index, std::uint32_t slots) noexcept {
    return floor >= index && floor - index <= 4 * std::uint64_t{slots};
}

std::string far_floor_text(std::uint64_t floor, std::uint64_t index) {
    return "a reset to record " + std::to_string(floor) + ", but the next one is " +
           std::to_string(index);
}

std::string forged_phase_text(Phase phase) {
    return "the phase is " + std::to_string(static_cast<int>(phase)) + " (" +
           std::string(headrace::name_of(phase)) + "), which the trainer has not set";
}

std::string forgery_text(const std::string& ring, const std::string& what,
                         const std::string& attached) {
    return "ring \"" + ring + "\": " + what + ": a process writes where it must not; " +
           (attached.empty() ? "" : "attached: " + attached + "; ") +
           "end it, and start the ring again";
}

std::string told_of(const Protocol& protocol, std::uint64_t index) {
    return text_of(protocol, index, protocol.word_at(protocol.slot_of(index)));
}

}  // namespace headrace::ring
