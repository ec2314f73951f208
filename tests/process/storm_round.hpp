// One round of a process storm: a ring of this process, its consumer, and producers that are
// killed, stopped, continued and restarted meanwhile. Everything that must hold is checked.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "process/storm_board.hpp"
#include "process/storm_nursery.hpp"
#include "process/storm_plan.hpp"
#include "process/storm_watchdog.hpp"

namespace headrace::process_storm {

// Of a round, or of many.
struct Balance {
    Tally tally;
    std::uint64_t rounds = 0;
    std::uint64_t claimed = 0, delivered = 0, in_ring = 0, lost = 0, discarded = 0;
    std::uint64_t skipped = 0, died = 0, dropped = 0;  // of those lost
    std::uint64_t returned = 0, deaths = 0, alarms = 0;
    double seconds = 0;

    Balance& operator+=(const Balance& more);
    std::string describe() const;
};

class Harness {
  public:
    // Forks; to be made while this process has one thread.
    Harness();

    // "", or what was wrong first. After that nothing more can be run. The plan's directory and
    // group are filled in here. Where the plan's place cannot be had, `why_not` says why, and
    // nothing is done.
    std::string run(Plan plan, Balance& balance, std::string& why_not);

  private:
    void storm(Plan& plan, Balance& balance, class Quarters& quarters);

    std::shared_ptr<Board> board_;
    Nursery nursery_;
    Watchdog watchdog_;
};

}  // namespace headrace::process_storm
