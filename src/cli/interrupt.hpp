// Ctrl-C and SIGTERM as a call on a thread of its own, where anything may be done, instead of a
// signal handler, where next to nothing may.
#pragma once

#include <atomic>
#include <csignal>
#include <functional>
#include <mutex>
#include <thread>

namespace headrace::cli {

/// Exit status of a command that Ctrl-C ended, as shells have it: 128 and the signal.
inline constexpr int kInterrupted = 130;

/// Blocks SIGINT and SIGTERM in the calling thread, and so in every thread started after it, for as
/// long as it lives. Make it before any other thread. A program that is started meanwhile must put
/// its own mask right.
class Interrupt {
  public:
    Interrupt();
    ~Interrupt();
    Interrupt(const Interrupt&) = delete;
    Interrupt& operator=(const Interrupt&) = delete;

    /// Calls `action` at each signal, and at once when there was one already. An empty function
    /// takes the action back; afterwards it does not run any more.
    void on_signal(std::function<void()> action);
    bool raised() const noexcept { return raised_.load(); }

  private:
    void listen();

    sigset_t signals_;
    sigset_t mask_before_;
    std::mutex mutex_;
    std::function<void()> action_;
    std::atomic<bool> raised_ = false;
    std::atomic<bool> stopping_ = false;
    std::thread thread_;
};

}  // namespace headrace::cli
