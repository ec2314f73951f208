// The record that a benchmark expects at an index: how long its fields are, what they hold. Counts
// what passed and keeps the first thing that did not. One thread at a time.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "cli/pattern.hpp"

namespace headrace::cli {

inline constexpr std::uint32_t kFloats = 0;  ///< places of the classic pair's fields
inline constexpr std::uint32_t kInts = 1;

/// The classic pair of a benchmark.
struct RecordShape {
    std::uint32_t floats = 0;  ///< capacities, in elements
    std::uint32_t ints = 0;
    double fill = 1;  ///< the share of each capacity that is filled, on average

    std::uint64_t capacity_bytes() const noexcept {
        return (std::uint64_t{floats} + ints) * sizeof(std::uint32_t);
    }
};

class RecordCheck {
  public:
    explicit RecordCheck(const RecordShape& shape) noexcept
        : floats_(shape.floats, shape.fill), ints_(shape.ints, shape.fill) {}

    std::uint32_t floats_of(std::uint64_t index) const noexcept {
        return floats_.of(index, kFloats);
    }
    std::uint32_t ints_of(std::uint64_t index) const noexcept { return ints_.of(index, kInts); }

    /// Reads every byte of a record. False, and mismatch() says what, when a length or a word is
    /// not the one that `index` stands for.
    bool check(std::uint64_t index, std::span<const float> floats,
               std::span<const std::int32_t> ints) {
        const std::uint32_t float_base = pattern_base(index, kFloats);
        const std::uint32_t int_base = pattern_base(index, kInts);
        const bool right = floats.size() == floats_of(index) && ints.size() == ints_of(index) &&
                           matches_pattern(floats, float_base) && matches_pattern(ints, int_base);
        if (!right) [[unlikely]] {
            explain(index, floats, ints);
            return false;
        }
        records_ += 1;
        payload_bytes_ += floats.size_bytes() + ints.size_bytes();
        return true;
    }
    /// Keeps a fault that the caller found. Returns false.
    bool fail(std::string what);

    std::uint64_t records() const noexcept { return records_; }
    std::uint64_t payload_bytes() const noexcept { return payload_bytes_; }
    /// The first fault; empty as long as there is none.
    const std::string& mismatch() const noexcept { return mismatch_; }

  private:
    void explain(std::uint64_t index, std::span<const float> floats,
                 std::span<const std::int32_t> ints);

    RaggedLength floats_;
    RaggedLength ints_;
    std::uint64_t records_ = 0;
    std::uint64_t payload_bytes_ = 0;
    std::string mismatch_;
};

}  // namespace headrace::cli
