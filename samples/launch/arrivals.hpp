// The wait for producers that are started elsewhere: a trainer that nobody comes to says so.
#pragma once

#include <chrono>
#include <string>

#include "headrace/ring.hpp"
#include "launch/progress.hpp"

namespace samples {

/// Watches a ring until its first producer has attached. One thread.
class Arrivals {
  public:
    /// After so long somebody who has started producers wonders.
    static constexpr std::chrono::seconds kPatience{10};

    /// `how` says how to start one. `progress` must outlive this.
    Arrivals(std::string how, Progress& progress, std::chrono::milliseconds patience = kPatience);

    /// To be called a few times a second: says once, on standard error, that nobody has come to
    /// `ring` within the patience. Costs nothing after that, or once somebody has come.
    void look(const headrace::Ring& ring);

  private:
    using Clock = std::chrono::steady_clock;

    const std::string how_;
    Progress& progress_;
    const std::chrono::milliseconds patience_;
    const Clock::time_point start_ = Clock::now();
    bool is_over_ = false;
};

}  // namespace samples
