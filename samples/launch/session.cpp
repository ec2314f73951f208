#include "launch/session.hpp"

#include <unistd.h>

#include <chrono>
#include <utility>

namespace samples {
namespace {

// A producer looks at its ring between two records, which take milliseconds at the most.
constexpr std::chrono::milliseconds kProducersGrace{400};

}  // namespace

Session::Session(std::vector<headrace::Ring> rings, std::vector<std::string> command,
                 std::size_t producers, Progress& progress, Stop& stop)
    : rings_(std::move(rings)),
      processes_(std::move(command), producers,
                 [&progress](const std::string& text) { progress.say(text); }),
      stop_(stop) {
    stop_.at_last([this] {
        processes_.kill_all();
        for (const headrace::Ring& ring : rings_) unlink(ring.socket_path().c_str());
    });
}

Session::~Session() {
    for (headrace::Ring& ring : rings_) ring.close();
    processes_.end_within(kProducersGrace);
    stop_.at_last(nullptr);
}

void Session::look_after() {
    if (Stop::requested()) throw Stopped{};
    processes_.look_after();
}

headrace::MessageHandler say_messages(Progress& progress) {
    return [&progress](const headrace::Message& message) {
        if (message.severity == headrace::Severity::info || Stop::requested()) return;
        progress.say(message.text);
    };
}

}  // namespace samples
