// What the records of a storm hold: it follows from their index, and so does which are holes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "headrace/schema.hpp"

namespace headrace::storm {

// From any number to one that has nothing to do with it (splitmix64).
constexpr std::uint64_t scatter(std::uint64_t value) noexcept {
    value += 0x9E3779B97F4A7C15;
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9;
    value = (value ^ (value >> 27)) * 0x94D049BB133111EB;
    return value ^ (value >> 31);
}

constexpr bool is_hole(std::uint64_t index) noexcept {
    return scatter(index ^ 0x401E) % 24 == 0;
}

// Elements: none and all are as likely as something between.
constexpr std::uint32_t length_of(std::uint64_t index, std::size_t field,
                                  std::uint32_t capacity) noexcept {
    const std::uint64_t number = scatter(index * 16 + field);
    if (number % 5 == 0) return 0;
    if (number % 5 == 1) return capacity;
    return static_cast<std::uint32_t>(number >> 8) % (capacity + 1);
}

inline void write_content(std::uint64_t index, std::size_t field, std::span<std::byte> to) {
    std::uint64_t number = scatter(~(index * 16 + field));
    for (std::size_t at = 0; at < to.size(); at += sizeof number, number = scatter(number)) {
        std::memcpy(to.data() + at, &number, std::min(sizeof number, to.size() - at));
    }
}

}  // namespace headrace::storm
