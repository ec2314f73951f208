// The rings of a run and the producer processes that write to them.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "headrace/message.hpp"
#include "headrace/ring.hpp"
#include "launch/processes.hpp"
#include "launch/progress.hpp"
#include "launch/stop.hpp"

namespace samples {

/// Owns both. They are taken down in that order: the rings tell the producers that it is over, and
/// nothing of either is left behind, whatever the reason for the end. One thread.
class Session {
  public:
    /// Starts `producers` times `command`. What befalls them is said through `progress`; it and
    /// `stop` must outlive the session. Throws std::runtime_error as Processes does.
    Session(std::vector<headrace::Ring> rings, std::vector<std::string> command,
            std::size_t producers, Progress& progress, Stop& stop);
    ~Session();
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    headrace::Ring& ring(std::size_t place) { return rings_.at(place); }
    /// To be called between two batches, and a few times a second while none comes: replaces
    /// producers that died. Throws Stopped when a signal asked for the end, and std::runtime_error
    /// as Processes::look_after() does.
    void look_after();
    /// Producers that were replaced.
    std::size_t replaced() const noexcept { return processes_.replaced(); }

  private:
    std::vector<headrace::Ring> rings_;
    Processes processes_;
    Stop& stop_;
};

/// For RingOptions::on_message: says warnings and errors, but none after a signal asked for the
/// end, when the death of a producer is no news. `progress` must outlive the ring.
headrace::MessageHandler say_messages(Progress& progress);

}  // namespace samples
