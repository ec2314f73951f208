// How a batch crosses the link to a device.
#pragma once

#include <cstdint>
#include <string_view>

#include "headrace/export.hpp"

namespace headrace {

/// How a batch crosses the link to a GPU. All give the same batch, bit for bit (but for the tails
/// of the layout rows); they differ in what crosses the link and in what the device does for it.
/// The host device has one way of its own and takes no notice.
enum class Transfer : std::uint8_t {
    automatic = 0,  ///< for each batch and field the cheapest, from rates measured at start-up
    copy = 1,       ///< whole rows, padding and all, then a kernel that strips
    trim = 2,       ///< rows as wide as the longest record of the batch, then the same kernel
    direct = 3,     ///< each record by a copy of its own, straight to its place: large records
    gather = 4,     ///< a kernel reads the payload, and nothing else, from the pinned ring
};
/// "automatic", "copy", "trim", "direct", "gather".
HEADRACE_EXPORT std::string_view name_of(Transfer transfer) noexcept;
/// The transfer of that name. Throws UsageError that lists the five names.
HEADRACE_EXPORT Transfer parse_transfer(std::string_view text);

}  // namespace headrace
