// The producer processes of a trainer: started, replaced when they die, and ended.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

namespace samples {

/// Runs the same command `count` times, each in a process group of its own: a Ctrl-C in the
/// terminal reaches the trainer, and the trainer's rings tell the producers. Owns the processes.
/// One thread calls it, except for kill_all().
class Processes {
  public:
    /// Called with one line when a process has died, from look_after().
    using Report = std::function<void(const std::string&)>;

    /// Starts them. `command[0]` is the path of the program. So many of those that die are
    /// replaced, all together. Throws std::runtime_error that names the program when it cannot be
    /// started.
    Processes(std::vector<std::string> command, std::size_t count, Report report,
              std::size_t replacements = kMaxReplacements);
    /// Kills whoever is left, and waits for them.
    ~Processes();
    Processes(const Processes&) = delete;
    Processes& operator=(const Processes&) = delete;

    /// Replaces those that have died (killed, or ended with an error). Never waits. Throws
    /// std::runtime_error when that was too often, or one cannot be started.
    void look_after();

    /// Waits until all have ended by themselves; kills those that have not after `grace`.
    void end_within(std::chrono::milliseconds grace);

    /// SIGKILL to all, without waiting. From any thread.
    void kill_all() noexcept;

    std::size_t replaced() const noexcept { return replaced_; }

    static constexpr std::size_t kMaxReplacements = 10;

  private:
    struct Process {
        pid_t pid;
        int pidfd;  // readable when it has ended
    };
    void start();
    // Waits for the process at `place` and forgets it; returns its status as of waitpid().
    int reap(std::size_t place);

    const std::vector<std::string> command_;
    const Report report_;
    const std::size_t replacements_;
    std::mutex mutex_;  // of running_: a pid may not be reaped while kill_all() is about to use it
    std::vector<Process> running_;
    std::size_t replaced_ = 0;
};

/// The program `name` in the folder of the program that runs.
std::string program_beside_this(const std::string& name);

}  // namespace samples
