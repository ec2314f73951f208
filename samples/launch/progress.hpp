// What the user sees while it trains: a bar where the output is a terminal, plain lines elsewhere.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>

namespace samples {

/// Owns the last line of the terminal while an epoch runs. Thread-safe: say() may be called from
/// the ring's own thread. A bar of our own, since Debian has no library for one.
class Progress {
  public:
    /// `program` is the name that stands before what say() says.
    Progress(std::string program, bool quiet);
    ~Progress();
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;

    /// A line of its own on standard output; not when quiet.
    void line(const std::string& text);
    /// A line of its own on standard error, also when quiet.
    void say(const std::string& text);

    void begin(const std::string& title, std::uint64_t records);
    /// `records` more have been learned. Draws at most ten times a second. A loop that does not
    /// wait for its GPU does not know the loss.
    void advance(std::uint64_t records, std::optional<double> loss = {});
    /// Takes the bar away.
    void end();

  private:
    using Clock = std::chrono::steady_clock;
    void draw();
    void erase();

    const std::string program_;
    const bool quiet_;
    const bool terminal_;
    std::mutex mutex_;
    bool running_ = false;
    bool drawn_ = false;
    std::string title_;
    std::uint64_t records_ = 0;
    std::uint64_t done_ = 0;
    std::optional<double> loss_;
    Clock::time_point began_;
    Clock::time_point last_drawn_;
};

}  // namespace samples
