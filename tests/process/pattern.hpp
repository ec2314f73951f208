// What an item holds: a pure function, so that every byte delivered can be checked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace headrace::pattern {

inline std::size_t length_of(std::uint64_t item, std::size_t capacity) {
    return (item * 7919 + 13) % (capacity + 1);
}

inline void write(std::uint64_t item, std::span<float> floats) {
    for (std::size_t i = 0; i < floats.size(); ++i) {
        floats[i] = static_cast<float>(item) + static_cast<float>(i) * 0.5f;
    }
}

inline bool matches(std::uint64_t item, std::span<const float> floats, std::size_t capacity) {
    if (floats.size() != length_of(item, capacity)) return false;
    for (std::size_t i = 0; i < floats.size(); ++i) {
        if (floats[i] != static_cast<float>(item) + static_cast<float>(i) * 0.5f) return false;
    }
    return true;
}

}  // namespace headrace::pattern
