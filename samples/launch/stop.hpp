// Ctrl-C, SIGTERM and SIGHUP: a flag that the training loop looks at, and a last resort for the
// case that it does not come to look.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

namespace samples {

/// What a program throws to unwind to its main() after such a signal.
struct Stopped {};

/// While it lives the three signals end nothing by themselves; a SIGHUP that nohup ignores stays
/// ignored. A handler and not a blocked signal mask, for libraries start threads before main()
/// whose masks nobody can set. One at a time.
class Stop {
  public:
    /// From the signal to the last resort. A second is what the user was promised.
    static constexpr std::chrono::milliseconds kPatience{800};

    Stop();
    /// The program has ended in order: the last resort is off, the signals as they were.
    ~Stop();
    Stop(const Stop&) = delete;
    Stop& operator=(const Stop&) = delete;

    static bool requested() noexcept;
    /// What a shell sees of a program that the signal ended: 128 and its number.
    static int exit_status() noexcept;

    /// What to do when this object still lives kPatience after a signal, before the program is
    /// ended on the spot. It runs on another thread, beside whatever holds up the main one. An
    /// empty function takes it back.
    void at_last(std::function<void()> action);

  private:
    void watch();

    std::mutex mutex_;
    std::condition_variable changed_;
    bool over_ = false;
    std::function<void()> at_last_;
    std::thread watcher_;
};

}  // namespace samples
