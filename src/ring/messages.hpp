// The way of every message to the one callback, one at a time.
#pragma once

#include <algorithm>
#include <mutex>
#include <string>
#include <utility>

#include "headrace/message.hpp"

namespace headrace::ring {

class Messages {
  public:
    explicit Messages(MessageHandler handler) : handler_(std::move(handler)) {}
    void say(Severity severity, std::string text) {
        if (!handler_) return;
        // Reasons and identities come from other programs; a message is one line.
        std::replace_if(
            text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }, ' ');
        const std::lock_guard lock(mutex_);
        handler_({severity, std::move(text)});
    }

  private:
    std::mutex mutex_;
    MessageHandler handler_;
};

}  // namespace headrace::ring
