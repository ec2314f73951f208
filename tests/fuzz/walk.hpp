// What whoever attaches does with memory that it was given and has accepted: everything.
#pragma once

#include <cstddef>
#include <span>

#include "fuzz/input.hpp"
#include "ring/protocol.hpp"

namespace headrace::fuzz {

// Looks at all of it, as an observer.
void look(std::span<std::byte> memory, const ring::Description& description);

// Claims, writes, publishes and gives back, as a producer, as the input says.
void produce(std::span<std::byte> memory, const ring::Description& description, Input& input);

}  // namespace headrace::fuzz
