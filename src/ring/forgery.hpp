// What the protocol never puts into a slot, and how it is told to people. For the consumer: it
// knows which index it waits for, so it knows what can stand there. All that is found here was
// written by a program that should not have.
#pragma once

#include <cstdint>
#include <string>

#include "ring/protocol.hpp"

namespace headrace::ring {

// What is wrong with the slot of `index`, the next one that the only consumer waits for; empty when
// nothing is. Never wrong about a healthy ring, whatever happens in it meanwhile.
std::string forgery_at(const Protocol& protocol, std::uint64_t index);

// The same of an index below the floor of a reset, which is not free, published or a hole.
std::string forgery_below_floor(const Protocol& protocol, std::uint64_t index);

// The same of the next record that consumers who share wait for.
std::string forgery_at_head(const Protocol& protocol);

// Whether a floor can be that of resets, for those who come to it from `index`: the tail that it
// was made from is at most two laps ahead of them. "a reset to record 900, but the next one is 7".
bool is_floor_near(std::uint64_t floor, std::uint64_t index, std::uint32_t slots) noexcept;
std::string far_floor_text(std::uint64_t floor, std::uint64_t index);

// "the phase is 3 (closed), which the trainer has not set".
std::string forged_phase_text(Phase phase);

// The whole message: the ring, `what` is wrong, who is `attached` (empty: not known here), what to
// do.
std::string forgery_text(const std::string& ring, const std::string& what,
                         const std::string& attached);

// "slot 3 of record 19 says record 7, writing, of producer 9": as the slot's word has it now.
std::string told_of(const Protocol& protocol, std::uint64_t index);

}  // namespace headrace::ring
