// What one record of the sample is. The producers write it and the trainer reads it.
#pragma once

#include <cstdint>

#include "headrace/schema.hpp"

namespace cuda_loop {

/// The float field: what the sensor measured, kPhases samples a turn (model.hpp).
inline constexpr const char* kSignal = "signal";
/// The int field: 1 when the bearing is worn, else 0. Always one element.
inline constexpr const char* kLabel = "label";

inline constexpr std::uint32_t kShortest = 16;   ///< samples: half a turn
inline constexpr std::uint32_t kLongest = 2048;  ///< samples: 64 turns

inline headrace::Schema record_schema() {
    return {{kSignal, headrace::f32, kLongest}, {kLabel, headrace::i32, 1}};
}

}  // namespace cuda_loop
