// What one record of the sample is: its fields, and what stands where in them. The producers write
// it and the trainer reads it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "headrace/schema.hpp"
#include "recordings.hpp"

namespace voices {

/// The float field: log-mel frames, row-major [frames, kBands].
inline constexpr const char* kMelField = "mel";
/// The int field: the two numbers below, then the prompt's name, a byte an element.
inline constexpr const char* kTextField = "text";
inline constexpr std::size_t kLanguageAt = 0;  ///< the class
inline constexpr std::size_t kCutAt = 1;       ///< 1 when the recording was longer than the record
inline constexpr std::size_t kNameAt = 2;
inline constexpr std::uint32_t kTextCapacity = 256;  ///< the longest name in Debian's packages: 38

/// The schema of records that hold up to `frames` frames.
headrace::Schema record_schema(std::size_t frames);

/// Writes the int field of `recording`; returns its length. A name that does not fit is shortened:
/// the item tells which recording it is, and the name is there to check that, and for people.
std::size_t write_text(const Recording& recording, bool cut, std::span<std::int32_t> out);

}  // namespace voices
