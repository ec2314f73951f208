#include "cli/pattern.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <set>
#include <vector>

namespace headrace::cli {
namespace {

TEST(PatternTest, WritesTheSameWordsAsTheFormula) {
    for (std::size_t length : {0u, 1u, 3u, 4u, 15u, 16u, 17u, 31u, 33u, 100u, 257u}) {
        std::vector<std::int32_t> words(length + 1, 77);
        write_pattern(std::span(words).first(length), 12345u);
        for (std::size_t j = 0; j < length; ++j) {
            EXPECT_EQ(words[j], pattern_value<std::int32_t>(12345u, j)) << length << " " << j;
        }
        EXPECT_EQ(words[length], 77) << "wrote past the end, length " << length;
    }
}

TEST(PatternTest, MatchesWhatWasWritten) {
    for (std::size_t length : {0u, 1u, 15u, 16u, 17u, 255u, 256u}) {
        std::vector<float> words(length);
        const std::uint32_t base = pattern_base(99, 0);
        write_pattern(std::span<float>(words), base);
        EXPECT_TRUE(matches_pattern(std::span<const float>(words), base));
        EXPECT_EQ(first_mismatch(std::span<const float>(words), base), length);
    }
}

TEST(PatternTest, FindsOneWrongBitAnywhere) {
    constexpr std::size_t kLength = 37;
    std::vector<std::int32_t> words(kLength);
    const std::uint32_t base = pattern_base(5, 1);
    for (std::size_t place = 0; place < kLength; ++place) {
        for (const unsigned bit : {0u, 13u, 31u}) {
            write_pattern(std::span<std::int32_t>(words), base);
            words[place] ^= static_cast<std::int32_t>(1u << bit);
            EXPECT_FALSE(matches_pattern(std::span<const std::int32_t>(words), base));
            EXPECT_EQ(first_mismatch(std::span<const std::int32_t>(words), base), place);
        }
    }
}

TEST(PatternTest, TellsRecordsAndFieldsApart) {
    std::set<std::uint32_t> bases;
    for (std::uint64_t index = 0; index < 1000; ++index) {
        for (const std::uint32_t field : {0u, 1u}) bases.insert(pattern_base(index, field));
    }
    // 2,000 draws from 2^32: a single repetition is a matter of 1 in 2,000, and the draws are
    // fixed.
    EXPECT_EQ(bases.size(), 2000u);
}

TEST(RaggedLengthTest, IsTheCapacityWhenFull) {
    const RaggedLength full(1000, 1.0);
    for (std::uint64_t index = 0; index < 100; ++index) EXPECT_EQ(full.of(index, 0), 1000u);
    const RaggedLength empty(1000, 0.0);
    for (std::uint64_t index = 0; index < 100; ++index) EXPECT_EQ(empty.of(index, 0), 0u);
}

TEST(RaggedLengthTest, SpreadsAroundTheFillWithinTheCapacity) {
    for (const double fill : {0.1, 0.5, 0.75}) {
        const RaggedLength lengths(1000, fill);
        std::set<std::uint32_t> seen;
        double sum = 0;
        constexpr int kRecords = 20'000;
        for (std::uint64_t index = 0; index < kRecords; ++index) {
            const std::uint32_t length = lengths.of(index, 0);
            ASSERT_LE(length, 1000u);
            seen.insert(length);
            sum += length;
        }
        EXPECT_NEAR(sum / kRecords, fill * 1000, 10) << fill;
        EXPECT_GT(seen.size(), 150u) << fill;
    }
}

TEST(RaggedLengthTest, TakesTheLargestCapacity) {
    const RaggedLength lengths(~std::uint32_t{0}, 0.5);
    std::uint32_t most = 0;
    for (std::uint64_t index = 0; index < 1000; ++index)
        most = std::max(most, lengths.of(index, 1));
    EXPECT_GT(most, 0xF0000000u);
}

TEST(RaggedLengthTest, DiffersBetweenFields) {
    const RaggedLength lengths(1000, 0.5);
    int same = 0;
    for (std::uint64_t index = 0; index < 1000; ++index) {
        same += lengths.of(index, 0) == lengths.of(index, 1) ? 1 : 0;
    }
    EXPECT_LT(same, 20);
}

}  // namespace
}  // namespace headrace::cli
