// The producers of a benchmark: this program again, as processes of their own, held at a gate until
// all of them are attached, so that neither their start nor their attaching is inside the timer.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>
#include <vector>

#include "ring/unique_fd.hpp"

namespace headrace::cli {

/// Starts /proc/self/exe. A child's standard input is the gate, its standard output tells that it
/// is ready, and later, by being closed, that it has ended. Its signals are as by default but for
/// SIGINT, which Ctrl-C sends to everybody: it is ignored, for the ring's end is what ends a child.
class ProducerProcesses {
  public:
    /// Throws SystemError.
    ProducerProcesses(unsigned count, const std::vector<std::string>& arguments);
    /// Kills whoever is left, and waits.
    ~ProducerProcesses();
    ProducerProcesses(const ProducerProcesses&) = delete;
    ProducerProcesses& operator=(const ProducerProcesses&) = delete;

    /// Waits until every child said that it is ready. Throws SystemError when one ends before.
    void wait_ready(std::chrono::milliseconds timeout);
    void open_gate() noexcept { gate_.reset(); }
    /// Waits until every child has ended; kills those that have not after `timeout`. Returns what
    /// went wrong, one clause a child, or nothing.
    std::string wait_ended(std::chrono::milliseconds timeout);

  private:
    struct Child {
        pid_t pid = -1;  // -1: waited for
        ring::UniqueFd ready;
    };
    void start(const std::vector<std::string>& arguments, int gate);

    ring::UniqueFd gate_;  // closing it lets the children go on
    std::vector<Child> children_;
};

/// The child's side: says that it is ready, and waits for the gate.
void wait_at_gate();
/// The child's side, first thing: dies with its parent. Throws SystemError when the parent, known
/// by its pid, has died already.
void die_with(pid_t parent);

}  // namespace headrace::cli
