// How a batch lies in memory.
#pragma once

#include <cstdint>
#include <string_view>

#include "headrace/export.hpp"

namespace headrace {

/// How a batch lies in memory.
enum class Layout : std::uint8_t {
    packed = 1,   ///< payload end to end, no padding: [total]
    trimmed = 2,  ///< one row a record, as wide as the longest of the batch: [records, longest]
    padded = 3,   ///< one row a record, as wide as the capacity: [records, capacity]
    /// One row a record, as the ring has it: [records, width], width at least the capacity. Behind
    /// its length a row holds anything at all. For Batch::strip_into.
    rows = 4,
};
/// "packed", "trimmed", "padded", "rows".
HEADRACE_EXPORT std::string_view name_of(Layout layout) noexcept;
/// The layout of that name. Throws UsageError that lists the four names.
HEADRACE_EXPORT Layout parse_layout(std::string_view text);

}  // namespace headrace
