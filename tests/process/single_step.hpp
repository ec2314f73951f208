// Drives the first thread of a child process instruction by instruction (ptrace), to kill or stop
// it after any of them. Its other threads run on by themselves.
//
// All calls for one child come from the thread that started it: so ptrace wants it.
#pragma once

#include <sched.h>
#include <sys/types.h>

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "process/stepped.hpp"
#include "ring/unique_fd.hpp"

namespace headrace {

// Why nobody can be single-stepped here: a sanitizer's build, or a kernel, a container or a filter
// that does not let us. Empty where it works.
std::string obstacle_to_stepping();

// Holds this thread, and the children that it starts meanwhile, on the core where it runs. A step
// is two changes between tracer and child: some 18 us on one core, 77 us between two.
class OneCore {
  public:
    OneCore();
    ~OneCore();
    OneCore(const OneCore&) = delete;
    OneCore& operator=(const OneCore&) = delete;

  private:
    cpu_set_t before_;
};

class SteppedChild {
  public:
    // Starts headrace_test_stepped with these arguments and, after them, its marks. Whatever does
    // not come about within 30 s is ended by killing the child, which the call that waits throws.
    explicit SteppedChild(std::vector<std::string> arguments);
    ~SteppedChild();
    SteppedChild(const SteppedChild&) = delete;
    SteppedChild& operator=(const SteppedChild&) = delete;

    pid_t pid() const { return pid_; }
    int place() const { return marks_.place.load(); }
    // What a consumer was given: a bit for each index.
    std::uint64_t given() const { return marks_.given.load(); }

    // Each throws std::runtime_error when the child ends, or gets a signal, instead.
    void run_to_its_stop();          // at full speed, until it has stopped itself
    void step();                     // one instruction; a system call is one
    bool is_at_system_call() const;  // whether the next instruction is one
    // At full speed to the end of the next system call; false before one that is made when all is
    // done.
    bool run_through_system_call();
    // Both halves of it: to the beginning of the next system call; which one that is; and past it
    // without making it: it returns the negated `error` in its place.
    bool run_to_system_call();
    std::uint64_t system_call() const;
    void fail_system_call(int error);

    void kill();          // SIGKILL where it stands, and waits until it is gone
    void stop();          // SIGSTOP where it stands; nobody traces it from then on
    int continue_free();  // SIGCONT after stop(), and waits: its exit code, or 128 + signal
    int run_free();       // lets it go, traced no more, and waits: the same
    // What ended it, when its exit code was 1.
    std::string error() const { return marks_.error; }

  private:
    int go_on(int request);
    int wait_for_change(int options);

    std::mutex mutex_;
    std::condition_variable changed_;
    pid_t pid_ = -1;          // -1 when it is gone
    bool is_traced_ = false;  // has come to its first stop
    bool killed_by_watch_ = false;
    ring::UniqueFd memory_;
    Marks& marks_;
    std::thread watch_;
};

}  // namespace headrace
