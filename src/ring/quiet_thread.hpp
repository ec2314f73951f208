// A thread of ours in somebody's program: it takes no signals, so that handlers run where the
// program expects them, and it has a name for debuggers.
#pragma once

#include <pthread.h>
#include <signal.h>

#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include "headrace/error.hpp"

namespace headrace::ring {

// `name` has at most 15 bytes. Throws SystemError when no thread can be had.
template <class Work>
std::thread quiet_thread(const char* name, Work work) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    // The new thread inherits the mask; it is put back here also when no thread could be made.
    struct Restore {
        sigset_t& mask;
        ~Restore() { pthread_sigmask(SIG_SETMASK, &mask, nullptr); }
    } restore{before};
    try {
        std::thread thread(std::move(work));
        pthread_setname_np(thread.native_handle(), name);
        return thread;
    } catch (const std::system_error& error) {
        throw SystemError(std::string("starting the thread ") + name + ": " + error.what());
    }
}

}  // namespace headrace::ring
