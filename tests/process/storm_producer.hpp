// One life of a producer in a process storm, in a process of its own.
#pragma once

#include <cstdint>

#include "process/storm_board.hpp"
#include "process/storm_plan.hpp"

namespace headrace::process_storm {

// How a life ended that no signal did: the process's exit status.
enum LifeEnd : int {
    kLeft = 0,       // of its own accord: another takes the seat
    kEnded = 10,     // told of the end of the data, or of that of the ring
    kRefused = 11,   // could not attach; why is told on the board if that must not be
    kViolation = 12  // told on the board
};

// Attaches, produces until the end, and tells how it went. `life` tells apart those of one seat.
int live(const Plan& plan, Board& board, Seat& seat, std::uint64_t life);

}  // namespace headrace::process_storm
