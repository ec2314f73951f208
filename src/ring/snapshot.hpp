// A snapshot of the shared counters, by the trainer or by an observer; disturbs nobody.
#pragma once

#include <cstdint>

#include "headrace/stats.hpp"
#include "ring/layout.hpp"
#include "ring/protocol.hpp"

namespace headrace::ring {

Stats snapshot(const Protocol& protocol, const Description& description,
               std::uint64_t memory_bytes);

}  // namespace headrace::ring
