// What the recordings held out were taken for.
#pragma once

#include <array>
#include <cstdint>

#include "recordings.hpp"

namespace voices {

/// Recordings, by [the language it was][the language it was taken for].
using Confusion = std::array<std::array<std::uint64_t, kLanguages.size()>, kLanguages.size()>;

}  // namespace voices
