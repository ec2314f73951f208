// What the core has to say. It never writes to a terminal: messages go to the callback given.
#pragma once

#include <functional>
#include <string>

namespace headrace {

/// Whether a message needs somebody's attention.
enum class Severity { info, warning, error };

/// Something to tell the user.
struct Message {
    Severity severity;  ///< how much it matters
    std::string text;   ///< one line, without a line feed
};

/// Called from the ring's service thread, from the loader's threads, or from the thread that calls
/// into the ring; never from two of them at once for one ring. It must not throw, must not call
/// back into the ring, and must not wait for a thread that may be inside a call of it.
using MessageHandler = std::function<void(const Message&)>;

}  // namespace headrace
