// How processes find the ring of another process.
#pragma once

#include <chrono>
#include <string>

namespace headrace {

/// How a producer, or a consumer that shares a ring, finds it.
struct AttachOptions {
    /// How long to wait for a ring that is not there yet, and for its answer.
    std::chrono::milliseconds timeout{60'000};
    std::string directory = {};  ///< as in RingOptions
    /// How reports name it; empty: $HEADRACE_IDENTITY, else the program's name. 47 bytes
    /// are kept. Where it is in another pid namespace than the trainer (a container of its own),
    /// the reports say `identity@host`, with its host name, for its pid says nothing there.
    std::string identity = {};
};

}  // namespace headrace
