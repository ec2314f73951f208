// 16 bytes, the widest access of a device: loaded and stored whole, and moved by bytes in between.
// Nothing here picks a word by a number that is not known when it is compiled: such an array would
// lie in memory instead of registers. Bytes are numbered as a little-endian machine lays them,
// which every machine with a CUDA device is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "kernels/host_device.hpp"

namespace headrace::kernels {

inline constexpr std::uint32_t kVectorBytes = 16;
inline constexpr std::uint32_t kVectorShift = 4;
// Of a position: its place in its block of 16 bytes.
inline constexpr std::uint64_t kVectorMask = kVectorBytes - 1;

struct alignas(kVectorBytes) Vector {
    std::uint32_t word[4];
};

// `from` is aligned to 16 bytes.
HEADRACE_HOST_DEVICE inline Vector load_vector(const std::byte* from) {
    Vector value;
#ifdef __CUDA_ARCH__
    const uint4 words = *reinterpret_cast<const uint4*>(from);
    value = {{words.x, words.y, words.z, words.w}};
#else
    std::memcpy(&value, from, sizeof(value));
#endif
    return value;
}

// `to` is aligned to 16 bytes.
HEADRACE_HOST_DEVICE inline void store_vector(std::byte* to, const Vector& value) {
#ifdef __CUDA_ARCH__
    *reinterpret_cast<uint4*>(to) =
        make_uint4(value.word[0], value.word[1], value.word[2], value.word[3]);
#else
    std::memcpy(to, &value, sizeof(value));
#endif
}

// Bytes [shift, shift + 16) of `low` and, behind it, `high`; shift < 16. With no shift `high` does
// not matter.
HEADRACE_HOST_DEVICE inline Vector shifted(const Vector& low, const Vector& high,
                                           std::uint32_t shift) {
    const bool by8 = (shift & 8) != 0;
    const std::uint32_t a0 = by8 ? low.word[2] : low.word[0];
    const std::uint32_t a1 = by8 ? low.word[3] : low.word[1];
    const std::uint32_t a2 = by8 ? high.word[0] : low.word[2];
    const std::uint32_t a3 = by8 ? high.word[1] : low.word[3];
    const std::uint32_t a4 = by8 ? high.word[2] : high.word[0];
    const std::uint32_t a5 = by8 ? high.word[3] : high.word[1];
    const bool by4 = (shift & 4) != 0;
    const std::uint32_t b[5] = {by4 ? a1 : a0, by4 ? a2 : a1, by4 ? a3 : a2, by4 ? a4 : a3,
                                by4 ? a5 : a4};
    const std::uint32_t bits = (shift & 3) * 8;
    Vector value;
    HEADRACE_UNROLL
    for (int i = 0; i < 4; ++i) {
        const std::uint64_t pair = std::uint64_t{b[i + 1]} << 32 | b[i];
        value.word[i] = static_cast<std::uint32_t>(pair >> bits);
    }
    return value;
}

// The first `count` bytes of a word set; none for a count below 0, all for 4 and more.
HEADRACE_HOST_DEVICE inline std::uint32_t first_bytes(int count) {
    if (count <= 0) return 0;
    if (count >= 4) return ~std::uint32_t{0};
    return (std::uint32_t{1} << (8 * count)) - 1;
}

// `value` with bytes [from, until) of `other` in place of its own.
HEADRACE_HOST_DEVICE inline Vector merged(const Vector& value, const Vector& other,
                                          std::uint32_t from, std::uint32_t until) {
    Vector result;
    HEADRACE_UNROLL
    for (int i = 0; i < 4; ++i) {
        const std::uint32_t mask = first_bytes(static_cast<int>(until) - 4 * i) &
                                   ~first_bytes(static_cast<int>(from) - 4 * i);
        result.word[i] = (value.word[i] & ~mask) | (other.word[i] & mask);
    }
    return result;
}

// Bytes [from, until) of `value`, stored by words of type Word, which divides `to`, from and until.
template <class Word>
HEADRACE_HOST_DEVICE void store_words(std::byte* to, const Vector& value, std::uint32_t from,
                                      std::uint32_t until) {
    constexpr std::uint32_t kBytes = sizeof(Word);
    HEADRACE_UNROLL
    for (std::uint32_t at = 0; at < kVectorBytes; at += kBytes) {
        std::uint64_t bits = value.word[at / 4] >> (8 * (at % 4));
        constexpr std::uint32_t kNext = kBytes / 8;  // 1 for words of 8 bytes, the only ones of two
        if (kNext != 0) bits |= std::uint64_t{value.word[at / 4 + kNext]} << 32;
        const Word word = static_cast<Word>(bits);
        if (at < from || at >= until) continue;
#ifdef __CUDA_ARCH__
        *reinterpret_cast<Word*>(to + at) = word;
#else
        std::memcpy(to + at, &word, kBytes);
#endif
    }
}

// Bytes [from, until) of `value` to `to` + from and on: with the widest stores that the place and
// the range allow.
HEADRACE_HOST_DEVICE inline void store_part(std::byte* to, const Vector& value, std::uint32_t from,
                                            std::uint32_t until) {
    const std::uintptr_t alignment = reinterpret_cast<std::uintptr_t>(to) | from | until;
    if ((alignment & 15) == 0) {
        if (from < until) store_vector(to, value);
    } else if ((alignment & 7) == 0) {
        store_words<std::uint64_t>(to, value, from, until);
    } else if ((alignment & 3) == 0) {
        store_words<std::uint32_t>(to, value, from, until);
    } else if ((alignment & 1) == 0) {
        store_words<std::uint16_t>(to, value, from, until);
    } else {
        store_words<std::uint8_t>(to, value, from, until);
    }
}

// One element, repeated over 8 bytes, repeated once more.
HEADRACE_HOST_DEVICE inline Vector repeated(std::uint64_t eight_bytes) {
    const auto low = static_cast<std::uint32_t>(eight_bytes);
    const auto high = static_cast<std::uint32_t>(eight_bytes >> 32);
    return {{low, high, low, high}};
}

}  // namespace headrace::kernels
