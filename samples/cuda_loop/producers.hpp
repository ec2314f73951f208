// The producer processes that the trainer starts.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <future>
#include <string>
#include <vector>

namespace cuda_loop {

/// Runs the same command several times and watches over the processes, from a thread of its own:
/// the training loop is not to look after them. Made and destroyed by one thread.
///
/// The processes stay in the terminal's group, so Ctrl-C reaches them too. When the trainer dies in
/// any other way it is the ring that tells them.
class Producers {
  public:
    /// Called with one line when a process was killed or has ended with an error, from the watching
    /// thread. Must not throw.
    using OnFailure = std::function<void(const std::string&)>;

    /// `command[0]` is the path of the program. Throws std::runtime_error that names it when it
    /// cannot be started.
    Producers(const std::vector<std::string>& command, std::size_t count, OnFailure on_failure);
    /// Kills whoever is left, and waits for them.
    ~Producers();
    Producers(const Producers&) = delete;
    Producers& operator=(const Producers&) = delete;

    /// Waits until all have ended by themselves, for so long at most.
    void wait_for_end(std::chrono::milliseconds grace) const;

  private:
    struct Process {
        pid_t pid;
        int pidfd;  // readable when it has ended
    };
    void start(const std::vector<std::string>& command);
    void kill_all() noexcept;
    void watch();

    const OnFailure on_failure_;
    std::vector<Process> running_;  // the watching thread's, from its start to its end
    int stop_;                      // an eventfd that ends the watching
    std::future<void> watching_;
};

/// The program `name` in the folder of the program that runs.
std::string program_beside_this(const std::string& name);

}  // namespace cuda_loop
