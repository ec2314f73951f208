// The data of the sample: what a sensor on a turning shaft would have recorded, made up.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace cuda_loop {

struct Vibration {
    std::size_t samples;  ///< kShortest to kLongest (record.hpp), short ones as often as long ones
    std::int32_t worn;    ///< 0 or 1
};

/// Writes recording number `item` to the front of `out`, which has room for kLongest samples. The
/// same number gives the same recording, in every process.
Vibration write_vibration(std::uint64_t item, std::span<float> out);

}  // namespace cuda_loop
