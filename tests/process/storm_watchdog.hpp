// Ends the program when a storm makes no progress: the one thing that must not happen, and that no
// check would notice. It says what is waited for.
#pragma once

#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

namespace headrace::process_storm {

class Watchdog {
  public:
    // `child` is killed first, and what it started goes with it.
    explicit Watchdog(pid_t child) : child_(child), thread_([this] { watch(); }) {}
    ~Watchdog() {
        {
            const std::lock_guard lock(mutex_);
            is_over_ = true;
        }
        changed_.notify_all();
        thread_.join();
    }
    Watchdog(const Watchdog&) = delete;
    Watchdog& operator=(const Watchdog&) = delete;

    // What to tell; it is called from the watchdog's thread until the next call of this.
    void tell(std::function<std::string()> describe) {
        const std::lock_guard lock(mutex_);
        describe_ = std::move(describe);
        ++progress_;
    }
    void note_progress() {
        const std::lock_guard lock(mutex_);
        ++progress_;
    }

  private:
    // Many times what anything here takes on a busy machine.
    static constexpr std::chrono::seconds kPatience{60};

    void watch() {
        std::unique_lock lock(mutex_);
        while (!is_over_) {
            const std::uint64_t before = progress_;
            if (changed_.wait_for(lock, kPatience, [this] { return is_over_; })) return;
            if (progress_ != before || !describe_) continue;
            std::fprintf(stderr, "no progress for %lld s: %s\n",
                         static_cast<long long>(kPatience.count()), describe_().c_str());
            kill(child_, SIGKILL);
            _exit(3);
        }
    }

    const pid_t child_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::function<std::string()> describe_;
    std::uint64_t progress_ = 0;
    bool is_over_ = false;
    std::thread thread_;
};

}  // namespace headrace::process_storm
