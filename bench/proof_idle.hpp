// What a ring costs while everybody sleeps.
#pragma once

#include <string>
#include <vector>

namespace headrace::bench {

/// One thread that sleeps.
struct Sleeper {
    std::string what;          ///< "producer", or the name of a thread of the trainer
    double wakeups_per_s = 0;  ///< voluntary context switches: each ends a sleep
    double cpu_us_per_s = 0;   ///< processor time, of user and system
};

/// Who sleeps, and why.
struct IdleRing {
    std::string what;
    double seconds = 0;
    std::vector<Sleeper> sleepers;
};

/// Four rings, one after the other, each looked at for so long:
/// full    so many producers wait for a place, and nobody takes;
/// empty   a consumer waits for a record, and nobody publishes;
/// held    both: a record is held by a process that does nothing, a consumer waits for it, and so
///         many other producers wait for a place;
/// loader  the same with a loader and its trainer in the consumer's place.
/// The trainer's service thread is among the sleepers of each.
std::vector<IdleRing> measure_idle(const std::string& directory, unsigned producers,
                                   double seconds);

}  // namespace headrace::bench
