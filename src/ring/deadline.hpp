// Deadlines from time-outs that callers give, however large.
#pragma once

#include <algorithm>
#include <chrono>
#include <optional>

namespace headrace::ring {

using Clock = std::chrono::steady_clock;

// Ten years stand for every longer time-out, and a millisecond below zero for all that are below:
// neither nanoseconds nor the sum with now may overflow. Options in milliseconds go through
// bounded() where they are taken in, before they become anything finer.
inline constexpr std::chrono::hours kLongest{24 * 3650};
inline constexpr std::chrono::milliseconds kBelowZero{-1};

inline std::chrono::milliseconds bounded(std::chrono::milliseconds timeout) {
    return std::clamp<std::chrono::milliseconds>(timeout, kBelowZero, kLongest);
}
inline std::optional<std::chrono::milliseconds> bounded(
    std::optional<std::chrono::milliseconds> timeout) {
    if (timeout) timeout = bounded(*timeout);
    return timeout;
}

// Now, for a time-out below zero.
inline Clock::time_point deadline_after(std::chrono::nanoseconds timeout) {
    return Clock::now() +
           std::clamp<std::chrono::nanoseconds>(timeout, std::chrono::nanoseconds(0), kLongest);
}

// What is left until `deadline`, never below zero.
inline std::chrono::nanoseconds time_left(Clock::time_point deadline) {
    return std::max(std::chrono::nanoseconds(deadline - Clock::now()), std::chrono::nanoseconds(0));
}

}  // namespace headrace::ring
