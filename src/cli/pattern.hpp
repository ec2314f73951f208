// What the benchmarks write and what they expect to read: every 32-bit word of record i is a
// function of i, of its field and of its place, so a word that is torn, stale, shifted or of
// another record cannot pass. Cheap enough that compilers turn both loops into vector instructions:
// the benchmarks are about moving records, not about making them up.
//
// Shared by the command line and by the programs under bench/, so that peers do the same work.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>

namespace headrace::cli {

/// Odd, so that no two places of a field hold the same word; 2^32 divided by the golden ratio, so
/// that neighbours differ in many bits.
inline constexpr std::uint32_t kPatternStep = 0x9E3779B1u;

/// What a pattern is made of.
template <class T>
concept Word = sizeof(T) == sizeof(std::uint32_t) && std::is_trivially_copyable_v<T>;

/// The finaliser of SplitMix64 (Steele, Lea, Flood 2014), upper half.
constexpr std::uint32_t mix(std::uint64_t x) noexcept {
    x += 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return static_cast<std::uint32_t>((x ^ (x >> 31)) >> 32);
}

/// The first word of a field of a record; word j is this plus j * kPatternStep. Fields: below 16.
constexpr std::uint32_t pattern_base(std::uint64_t index, std::uint32_t field) noexcept {
    return mix(index * 16 + field);
}

template <Word T>
constexpr T pattern_value(std::uint32_t base, std::size_t element) noexcept {
    return std::bit_cast<T>(base + static_cast<std::uint32_t>(element) * kPatternStep);
}

/// Four words side by side, by the vector extension that g++ and clang share; over plain loops g++
/// 12 multiplies or shuffles in every turn and takes twice to four times as long.
using PatternWords = std::uint32_t __attribute__((vector_size(16)));
inline constexpr std::uint32_t kPatternBlock = 16;  // words a turn, in four vectors

constexpr PatternWords pattern_words(std::uint32_t base) noexcept {
    return PatternWords{base, base + kPatternStep, base + 2 * kPatternStep,
                        base + 3 * kPatternStep};
}

template <Word T>
inline void write_pattern(std::span<T> out, std::uint32_t base) noexcept {
    T* place = out.data();
    std::size_t left = out.size();
    PatternWords words = pattern_words(base);
    for (; left >= kPatternBlock; left -= kPatternBlock, place += kPatternBlock) {
        for (std::uint32_t part = 0; part < 4; ++part) {
            const PatternWords value = words + 4 * part * kPatternStep;
            std::memcpy(place + 4 * part, &value, sizeof value);
        }
        words += kPatternBlock * kPatternStep;
    }
    for (std::size_t j = 0; j < left; ++j) place[j] = pattern_value<T>(words[0], j);
}

/// Reads every word, without a branch per word: the differences are gathered and looked at once.
template <Word T>
inline bool matches_pattern(std::span<const T> in, std::uint32_t base) noexcept {
    const T* place = in.data();
    std::size_t left = in.size();
    PatternWords words = pattern_words(base);
    PatternWords differences[4] = {};
    for (; left >= kPatternBlock; left -= kPatternBlock, place += kPatternBlock) {
        for (std::uint32_t part = 0; part < 4; ++part) {
            PatternWords value;
            std::memcpy(&value, place + 4 * part, sizeof value);
            differences[part] |= value ^ (words + 4 * part * kPatternStep);
        }
        words += kPatternBlock * kPatternStep;
    }
    const PatternWords all = differences[0] | differences[1] | differences[2] | differences[3];
    std::uint32_t any = all[0] | all[1] | all[2] | all[3];
    for (std::size_t j = 0; j < left; ++j) {
        any |= std::bit_cast<std::uint32_t>(place[j]) ^
               std::bit_cast<std::uint32_t>(pattern_value<std::uint32_t>(words[0], j));
    }
    return any == 0;
}

/// The first word that is wrong, or in.size().
template <Word T>
inline std::size_t first_mismatch(std::span<const T> in, std::uint32_t base) noexcept {
    for (std::size_t j = 0; j < in.size(); ++j) {
        if (std::bit_cast<std::uint32_t>(in[j]) !=
            std::bit_cast<std::uint32_t>(pattern_value<T>(base, j))) {
            return j;
        }
    }
    return in.size();
}

/// How long a field of a record is. With fill 1 every record is full; otherwise lengths are spread
/// evenly over the widest range around fill * capacity that stays within 0 and the capacity, so
/// records are ragged, the average is fill * capacity, and with fill <= 0.5 some are empty.
class RaggedLength {
  public:
    /// `fill` in [0, 1].
    RaggedLength(std::uint32_t capacity, double fill) noexcept {
        const double low = fill > 0.5 ? 2 * fill - 1 : 0.0;
        const double high = fill > 0.5 ? 1.0 : 2 * fill;
        low_ = static_cast<std::uint32_t>(low * capacity + 0.5);
        span_ = static_cast<std::uint32_t>(high * capacity + 0.5) - low_;
    }
    std::uint32_t of(std::uint64_t index, std::uint32_t field) const noexcept {
        if (span_ == 0) return low_;
        // The upper half of the product is an even choice, without a division (Lemire 2019).
        const std::uint64_t choices = std::uint64_t{span_} + 1;
        return low_ + static_cast<std::uint32_t>((choices * mix(index * 16 + 8 + field)) >> 32);
    }

  private:
    std::uint32_t low_ = 0;
    std::uint32_t span_ = 0;
};

}  // namespace headrace::cli
