// The slot's word: 64 bits that say whose the slot is and what is in it. Every change of hands is
// one compare-and-swap on it, so whoever dies leaves a word that says what was going on.
//
//   bits 63..20  index, its low 44 bits (the tag)
//   bits 19..12  owner: the id of a producer, or of a consumer that shares; 0 is the trainer
//   bits 11..5   incarnation of the owner's id
//   bits  4..3   attempts: how often this index came back unpublished; once published, how often a
//                consumer died with it
//   bits  2..0   state
//
// Positions are 64 bits everywhere else. A tag is compared with a position that is known, and two
// indices of equal tag are 2^44 apart: at 25 million records/s, eight days in which a producer
// would have to sleep between reading a word and swapping it.
#pragma once

#include <cstdint>

namespace headrace::ring {

enum class SlotState : std::uint8_t {
    free = 0,         // waits for a claim of `index`
    writing = 1,      // the owner writes record `index`
    ready = 2,        // published, not yet taken
    hole = 3,         // will never be delivered; the reason stands beside it
    leased = 4,       // in a consumer's hands
    leased_hole = 5,  // a hole in the hands of a consumer that shares, about to be counted
};

struct Word {
    std::uint64_t tag = 0;  // low 44 bits of the index
    std::uint32_t owner = 0;
    std::uint32_t incarnation = 0;
    std::uint32_t attempts = 0;
    SlotState state = SlotState::free;
    bool operator==(const Word&) const = default;
};

inline constexpr unsigned kTagBits = 44;
inline constexpr std::uint64_t kTagMask = (std::uint64_t{1} << kTagBits) - 1;
inline constexpr std::uint32_t kOwners = 256;
inline constexpr std::uint32_t kIncarnations = 128;
inline constexpr std::uint32_t kTrainer = 0;  // owner of what a consumer holds that does not share

constexpr std::uint64_t pack(std::uint64_t index, SlotState state, std::uint32_t owner = kTrainer,
                             std::uint32_t incarnation = 0, std::uint32_t attempts = 0) noexcept {
    return (index & kTagMask) << 20 | std::uint64_t{owner & 0xffu} << 12 |
           std::uint64_t{incarnation & 0x7fu} << 5 | std::uint64_t{attempts & 0x3u} << 3 |
           static_cast<std::uint64_t>(state);
}

constexpr SlotState state_of(std::uint64_t word) noexcept {
    return static_cast<SlotState>(word & 0x7u);
}
constexpr std::uint32_t attempts_of(std::uint64_t word) noexcept {
    return (word >> 3) & 0x3u;
}
constexpr std::uint32_t incarnation_of(std::uint64_t word) noexcept {
    return (word >> 5) & 0x7fu;
}
constexpr std::uint32_t owner_of(std::uint64_t word) noexcept {
    return (word >> 12) & 0xffu;
}
constexpr std::uint64_t tag_of(std::uint64_t word) noexcept {
    return word >> 20;
}

constexpr Word unpack(std::uint64_t word) noexcept {
    return {tag_of(word), owner_of(word), incarnation_of(word), attempts_of(word), state_of(word)};
}

// How far the word's index lies from `index`: 0 when it is that index, negative when the slot still
// belongs to an earlier lap, positive when it has moved on. Right while they are within 2^43.
constexpr std::int64_t distance(std::uint64_t word, std::uint64_t index) noexcept {
    const std::uint64_t apart = (tag_of(word) - index) & kTagMask;
    return static_cast<std::int64_t>(apart << (64 - kTagBits)) >> (64 - kTagBits);
}

// In a consumer's hands.
constexpr bool is_held(SlotState state) noexcept {
    return state == SlotState::leased || state == SlotState::leased_hole;
}

// Published or a hole: nothing more will happen to the index before the consumer takes it.
constexpr bool is_settled(SlotState state) noexcept {
    return state == SlotState::ready || state == SlotState::hole || is_held(state);
}

}  // namespace headrace::ring
