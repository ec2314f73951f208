// What a seed stands for: a small ring, who uses it, what befalls them, and how the scheduler goes
// about it.
#pragma once

#include <cstdint>
#include <string>

#include "schedule/scheduler.hpp"

namespace headrace::ring::schedule {

// What kind of ring it is and how it ends.
enum class Family : std::uint8_t {
    sampler,  // at its last index
    stream,   // when its producers have finished, or are gone
    ended,    // by the trainer, at any moment: closed or aborted
    shared,   // by several consumers
};
inline constexpr std::uint64_t kFamilies = 4;

enum class Leases : std::uint8_t {
    released_at_once,
    held,        // by the consumer, for a while
    by_another,  // handed to another thread, which releases them in any order
};

struct Plan {
    std::uint64_t seed = 0;
    Family family = Family::sampler;
    Strategy strategy;
    bool buffers_stores = false;

    std::uint32_t slots = 2;
    bool is_stream = false;
    std::uint64_t start = 0;
    std::uint64_t epoch_records = 0, epochs = 0;  // a sampler's
    std::uint64_t quota = 0;                      // records of each producer of a stream
    bool counters_wrap = false;                   // the futexes' counters

    std::uint32_t producers = 1;  // from the start
    std::uint32_t newcomers = 0;
    bool same_ids = false;  // whoever comes is given the id of one that went, as after 255 others
    std::uint32_t kills = 0, stops = 0;
    bool revokes = false;  // one that lives is taken for dead: its late swaps must be refused
    std::uint32_t spurious = 0, time_overs = 0, interrupts = 0;
    std::uint32_t skip_one_in = 0, drop_one_in = 0;
    std::uint32_t leave_one_in = 0;  // with a record in hand, by an exception
    std::uint32_t two_one_in = 0;    // holds two records at one time
    std::uint32_t away_one_in = 0;   // does something else between two calls, for a while

    std::uint32_t sharers = 0;  // consumers, from the start; 0: one that does not share
    std::uint32_t resets = 0;

    std::uint64_t range = 1;
    bool flushes = false;
    Leases leases = Leases::released_at_once;
    bool allow_incomplete = false;
    bool lingers_briefly = false;  // the ring may end before a newcomer comes

    Plan(std::uint64_t seed, Family family);
    std::uint64_t records() const noexcept {
        return is_stream ? quota * producers : epoch_records * epochs;
    }
    // One of the family's seeds: a seed tells its family.
    static std::uint64_t seed_of(Family family, std::uint64_t number) noexcept {
        return number * kFamilies + static_cast<std::uint64_t>(family);
    }
    static Family family_of(std::uint64_t seed) noexcept {
        return static_cast<Family>(seed % kFamilies);
    }
    std::string to_string() const;
};

}  // namespace headrace::ring::schedule
