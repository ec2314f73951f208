// What the two rings of a run are called: the trainer makes them, its producers look for them.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "headrace/ring.hpp"

namespace voices {

inline constexpr std::string_view kTrainEnding = "-train";
inline constexpr std::string_view kHeldOutEnding = "-held-out";

/// Bytes of a run's name, at most: with the longer ending it is a ring's.
inline constexpr std::size_t kMostNameBytes = headrace::kMaxRingNameBytes - kHeldOutEnding.size();

inline std::string train_ring(const std::string& name) {
    return name + std::string(kTrainEnding);
}
inline std::string held_out_ring(const std::string& name) {
    return name + std::string(kHeldOutEnding);
}

}  // namespace voices
