// What the core has to say. It never writes to a terminal: messages go to the callback given.
#pragma once

#include <functional>
#include <string>

namespace headrace {

enum class Severity { info, warning, error };

struct Message {
    Severity severity;
    std::string text;  ///< one line, without a line feed
};

/// Called from the ring's service thread, from the loader's threads, or from the thread that calls
/// into the ring; never from two of them at once for one ring. It must not throw, must not call
/// back into the ring, and must not wait for a thread that may be inside a call of it.
using MessageHandler = std::function<void(const Message&)>;

}  // namespace headrace
