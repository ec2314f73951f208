// How a batch lies in memory.
#pragma once

#include <cstdint>
#include <string_view>

namespace headrace {

/// How a batch lies in memory.
enum class Layout : std::uint8_t {
    packed = 1,   ///< payload end to end, no padding: [total]
    trimmed = 2,  ///< one row a record, as wide as the longest of the batch: [records, longest]
    padded = 3,   ///< one row a record, as wide as the capacity: [records, capacity]
};
std::string_view name_of(Layout layout) noexcept;
/// Throws UsageError that lists the three names.
Layout parse_layout(std::string_view text);

}  // namespace headrace
