// How long a ring stands still when the producer dies that everybody waits for.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace headrace::bench {

/// Microseconds, one value a turn.
struct DeathTimes {
    /// From just before kill() to the consumer having the record that the dead producer held, as a
    /// surviving one published it.
    std::vector<double> to_progress;
    /// From just before kill() to the pidfd of a process without a ring telling.
    std::vector<double> to_pidfd;
    /// From just before a futex wake to the waking of a thread of ours that another process wakes
    /// in turn.
    std::vector<double> two_hops;
    std::uint64_t alarms = 0;  ///< of the ring; with any, half a second may be among the times
    std::string fault;         ///< empty: every record was what it had to be
};

/// The three take turns, so that what else the machine does falls on all of them.
DeathTimes measure_deaths(const std::string& directory, std::uint64_t turns);

}  // namespace headrace::bench
