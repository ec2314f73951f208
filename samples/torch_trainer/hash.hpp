// The hash that decides what must be the same in every process and in every run: which words are
// held out, which are used, and where an n-gram lies in the table. std::hash promises neither.
#pragma once

#include <cstdint>
#include <string_view>
#include <type_traits>

namespace words {

/// The finaliser of SplitMix64 (Steele, Lea and Flood, 2014): each bit of the result depends on
/// each bit of `value`.
constexpr std::uint64_t mix(std::uint64_t value) noexcept {
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
    return value ^ (value >> 31);
}

/// A hash of bytes or of code points. `purpose` makes hashes for different purposes independent.
template <class Character>
constexpr std::uint64_t hash(std::basic_string_view<Character> text,
                             std::uint64_t purpose) noexcept {
    // Odd, and without a pattern: the golden ratio as a 64-bit fraction.
    std::uint64_t state = mix(purpose + 0x9e3779b97f4a7c15u);
    for (const Character character : text) {
        state = mix(state + 0x9e3779b97f4a7c15u) ^
                static_cast<std::uint64_t>(static_cast<std::make_unsigned_t<Character>>(character));
    }
    return mix(state);
}

}  // namespace words
