#include "cli/interrupt.hpp"

#include <pthread.h>

#include <utility>

namespace headrace::cli {

Interrupt::Interrupt() {
    sigemptyset(&signals_);
    sigaddset(&signals_, SIGINT);
    sigaddset(&signals_, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals_, &mask_before_);
    thread_ = std::thread([this] { listen(); });
}

Interrupt::~Interrupt() {
    stopping_ = true;
    // To that thread alone, which takes it by sigwait: it cannot end the process.
    pthread_kill(thread_.native_handle(), SIGTERM);
    thread_.join();
    pthread_sigmask(SIG_SETMASK, &mask_before_, nullptr);
}

void Interrupt::on_signal(std::function<void()> action) {
    const std::lock_guard lock(mutex_);
    action_ = std::move(action);
    if (raised_ && action_) action_();
}

void Interrupt::listen() {
    while (true) {
        int signal = 0;
        if (sigwait(&signals_, &signal) != 0 || stopping_) return;
        const std::lock_guard lock(mutex_);
        raised_ = true;
        if (action_) action_();
    }
}

}  // namespace headrace::cli
