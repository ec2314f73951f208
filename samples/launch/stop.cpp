#include "launch/stop.hpp"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace samples {
namespace {

constexpr std::array kSignals{SIGINT, SIGTERM, SIGHUP};

// What the handler may touch: lock-free atomics and a pipe.
std::atomic<int> caught{0};
std::array<int, 2> wake_up{-1, -1};
std::array<struct sigaction, kSignals.size()> before;

extern "C" void on_signal(int signal) {
    const int errno_before = errno;
    caught.store(signal);
    // When the pipe is full the watcher is awake already.
    [[maybe_unused]] const ssize_t written = write(wake_up[1], "", 1);
    errno = errno_before;
}

}  // namespace

Stop::Stop() {
    static_assert(std::atomic<int>::is_always_lock_free);
    if (pipe2(wake_up.data(), O_CLOEXEC) != 0) {
        throw std::system_error(errno, std::generic_category(), "pipe2");
    }
    caught.store(0);
    watcher_ = std::thread([this] { watch(); });
    struct sigaction action {};
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESTART;  // no library's read() is to fail because of us
    for (std::size_t i = 0; i < kSignals.size(); ++i) {
        sigaction(kSignals[i], &action, &before[i]);
        // nohup asks for just that. An ignored SIGINT is what a script's `&` leaves: nobody's wish.
        if (kSignals[i] == SIGHUP && before[i].sa_handler == SIG_IGN) {
            sigaction(SIGHUP, &before[i], nullptr);
        }
    }
}

Stop::~Stop() {
    for (std::size_t i = 0; i < kSignals.size(); ++i) sigaction(kSignals[i], &before[i], nullptr);
    {
        const std::lock_guard lock(mutex_);
        over_ = true;
    }
    changed_.notify_one();
    [[maybe_unused]] const ssize_t written = write(wake_up[1], "", 1);
    watcher_.join();
    close(wake_up[0]);
    close(wake_up[1]);
}

bool Stop::requested() noexcept {
    return caught.load() != 0;
}

int Stop::exit_status() noexcept {
    return 128 + caught.load();
}

void Stop::at_last(std::function<void()> action) {
    const std::lock_guard lock(mutex_);
    at_last_ = std::move(action);
}

void Stop::watch() {
    char byte = 0;
    while (read(wake_up[0], &byte, 1) < 0 && errno == EINTR) {
    }
    std::unique_lock lock(mutex_);
    if (changed_.wait_for(lock, kPatience, [this] { return over_; })) return;
    if (at_last_) at_last_();
    _exit(exit_status());
}

}  // namespace samples
