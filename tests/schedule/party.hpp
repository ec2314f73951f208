// An actor of the ring: who it is, and what it is about to do, so that the books can tell whether a
// change in the memory is its right.
#pragma once

#include "ring/protocol.hpp"
#include "schedule/actor.hpp"

namespace headrace::ring::schedule {

enum class Deed : std::uint8_t {
    nothing,
    claim,
    publish,
    skip,
    drop,
    reap_dead,
    reap_gone,  // who finished, or left
    reap_consumer,
    bury,
    take,
    release,
    discard,  // release what a reset passes over
    settle,   // by one that shares the ring
};

class Party : public Actor {
  public:
    using Actor::Actor;

    Owner me{};
    bool can_die = false;
    bool is_seen_off = false;  // the service has reaped what it had
    bool shares = false;       // a consumer, and one of several
    Deed deed = Deed::nothing;
    Owner reaped{};        // by reap_dead, reap_gone, reap_consumer
    Settled settles_as{};  // by settle
};

// For the time of a call.
class Doing {
  public:
    Doing(Party& party, Deed deed) noexcept : party_(party), before_(party.deed) {
        party_.deed = deed;
    }
    Doing(const Doing&) = delete;
    Doing& operator=(const Doing&) = delete;
    ~Doing() { party_.deed = before_; }

  private:
    Party& party_;
    Deed before_;
};

}  // namespace headrace::ring::schedule
