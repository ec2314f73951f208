// Fields to try the kernels on: all kinds of lengths, at random within bounds.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "kernels/reference.hpp"

namespace headrace::kernels {

enum class Lengths { none, one, all, mostly_none, any };
inline constexpr Lengths kAllLengths[] = {Lengths::none, Lengths::one, Lengths::all,
                                          Lengths::mostly_none, Lengths::any};

inline std::vector<std::uint32_t> draw_lengths(Random& random, Lengths kind, std::size_t records,
                                               std::uint32_t capacity) {
    std::vector<std::uint32_t> lengths(records);
    for (std::uint32_t& length : lengths) {
        const auto any = static_cast<std::uint32_t>(below(random, std::uint64_t{capacity} + 1));
        switch (kind) {
            case Lengths::none: length = 0; break;
            case Lengths::one: length = std::min(1u, capacity); break;
            case Lengths::all: length = capacity; break;
            case Lengths::mostly_none: length = below(random, 20) == 0 ? any : 0; break;
            case Lengths::any: length = any; break;
        }
    }
    return lengths;
}

inline std::uint64_t whole_blocks(std::uint64_t bytes) {
    return (bytes + 15) / 16 * 16;
}

// Gives `form`, whose lengths are there, a width that `operation` can do with: that of the longest
// record (layout trimmed), of the capacity (padded), or one that is neither.
inline void draw_width(Random& random, Operation operation, std::uint32_t capacity,
                       FieldForm& form) {
    form.width = 0;
    if (operation == Operation::strip) return;
    if (operation == Operation::gather && below(random, 2) == 0) return;
    std::uint32_t longest = 0;
    for (const std::uint32_t length : form.lengths) longest = std::max(longest, length);
    const std::uint64_t widths[] = {longest, capacity, capacity + below(random, 40)};
    form.width = widths[below(random, 3)];
}

// Some `most_bytes` of payload at the most.
inline FieldForm draw_form(Random& random, Operation operation, std::uint64_t most_bytes) {
    constexpr std::uint64_t kRecords[] = {1, 3, 40, 400, 4000};
    constexpr std::uint32_t kCapacities[] = {2, 20, 300, 3000, 30000};
    FieldForm form;
    form.element_bytes = 1u << below(random, 4);
    form.wide_offsets = below(random, 2) == 0;
    const auto capacity =
        1 + static_cast<std::uint32_t>(below(random, kCapacities[below(random, 5)]));
    const std::uint64_t row = std::uint64_t{capacity} * form.element_bytes;
    const std::uint64_t most = std::min(kRecords[below(random, 5)], most_bytes / row);
    const std::uint64_t records = below(random, most + 1);
    form.lengths = draw_lengths(random, kAllLengths[below(random, 5)], records, capacity);
    if (below(random, 5) != 0) {
        form.row_bytes = whole_blocks(row) + 16 * below(random, 3);
        form.scattered = below(random, 2) == 0;
    }
    draw_width(random, operation, capacity, form);
    return form;
}

}  // namespace headrace::kernels
