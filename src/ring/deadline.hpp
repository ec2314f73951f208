// Deadlines from time-outs that callers give, however large.
#pragma once

#include <algorithm>
#include <chrono>

namespace headrace::ring {

using Clock = std::chrono::steady_clock;

// Ten years stand for every longer time-out: the sum with now must not overflow.
inline Clock::time_point deadline_after(std::chrono::nanoseconds timeout) {
    constexpr std::chrono::nanoseconds kLongest = std::chrono::hours(24 * 3650);
    return Clock::now() + std::min(timeout, kLongest);
}

// What is left until `deadline`, never below zero.
inline std::chrono::nanoseconds time_left(Clock::time_point deadline) {
    return std::max(std::chrono::nanoseconds(deadline - Clock::now()), std::chrono::nanoseconds(0));
}

}  // namespace headrace::ring
