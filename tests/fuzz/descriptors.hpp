// Descriptors to send along with messages: those that are wanted, and those that are not.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "ring/unique_fd.hpp"

namespace headrace::fuzz {

// A process that does nothing, until it is killed or this one is gone.
class Sleeper {
  public:
    Sleeper();
    Sleeper(Sleeper&&) = default;
    Sleeper& operator=(Sleeper&&) = delete;
    ~Sleeper();
    int pidfd() const { return pidfd_.get(); }

  private:
    pid_t pid_ = -1;
    ring::UniqueFd pidfd_;
    ring::UniqueFd lifeline_;  // what it reads from ends with us
};

class Descriptors {
  public:
    Descriptors();
    // None, one or several, as `choice` says; they stay ours. `live` is told whether the first is
    // the pidfd of a process that lives.
    std::vector<int> pick(std::uint8_t choice, bool& live);
    // Those that live do so no more: what has attached with one is dead.
    void renew();

  private:
    std::optional<Sleeper> sleeper_;
    ring::UniqueFd dead_, file_, folder_, own_;
};

}  // namespace headrace::fuzz
