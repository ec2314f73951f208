// What the protocol stands on: atomics in shared memory, and sleep until one changes.
//
// Raw, non-private futexes: the only sleep that works across processes and that a killed sleeper or
// waker cannot spoil (process-shared condition variables lose signals when a waiter is killed, and
// std::atomic::wait does not reach another process).
#pragma once

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <climits>
#include <cstdint>

namespace headrace::ring {

struct SystemPlatform {
    template <class T>
    using Atomic = std::atomic<T>;

    // Sleeps while `word` is `expected`, for `timeout` at most. Wakes spuriously; returns false
    // only when the whole time-out has passed.
    static bool futex_wait(const std::atomic<std::uint32_t>& word, std::uint32_t expected,
                           std::chrono::nanoseconds timeout) noexcept {
        timespec relative{.tv_sec = static_cast<time_t>(timeout.count() / 1'000'000'000),
                          .tv_nsec = static_cast<long>(timeout.count() % 1'000'000'000)};
        const long result = syscall(SYS_futex, &word, FUTEX_WAIT, expected, &relative, nullptr, 0);
        return !(result != 0 && errno == ETIMEDOUT);
    }

    static void futex_wake_all(const std::atomic<std::uint32_t>& word) noexcept {
        syscall(SYS_futex, &word, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
    }
};

}  // namespace headrace::ring
