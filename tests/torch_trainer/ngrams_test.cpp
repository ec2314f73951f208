#include "ngrams.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "gtest/seed.hpp"

namespace {

struct Ngrams {
    std::vector<std::int32_t> rows;
    std::vector<float> weights;
};

Ngrams ngrams_of(std::u32string_view word) {
    Ngrams ngrams{.rows = std::vector<std::int32_t>(words::kMostNgrams, -1),
                  .weights = std::vector<float>(words::kMostNgrams, -1)};
    const std::size_t count = words::write_ngrams(word, ngrams.rows, ngrams.weights);
    // Nothing is written behind them.
    EXPECT_TRUE(std::all_of(ngrams.rows.begin() + static_cast<std::ptrdiff_t>(count),
                            ngrams.rows.end(), [](std::int32_t row) { return row == -1; }));
    ngrams.rows.resize(count);
    ngrams.weights.resize(count);
    return ngrams;
}

float sum(const std::vector<float>& weights) {
    return std::accumulate(weights.begin(), weights.end(), 0.0f);
}

TEST(NgramsTest, AreThoseOfTheWordWithItsEnds) {
    // t o | ^t to o$ | ^to to$ | ^to$
    const Ngrams to = ngrams_of(U"to");
    ASSERT_EQ(to.rows.size(), 8u);
    EXPECT_EQ(std::set<std::int32_t>(to.rows.begin(), to.rows.end()).size(), 8u);
    const float single = 1.0f / 4 / 2;
    const float pair = 1.0f / 4 / 3;
    EXPECT_EQ(to.weights,
              (std::vector<float>{single, single, pair, pair, pair, single, single, 0.25f}));
    // Its letters are those of "ot", its beginning is that of "tu".
    const Ngrams ot = ngrams_of(U"ot");
    EXPECT_EQ(ot.rows[0], to.rows[1]);
    EXPECT_EQ(ot.rows[1], to.rows[0]);
    const Ngrams tu = ngrams_of(U"tu");
    EXPECT_EQ(tu.rows[2], to.rows[2]);
    EXPECT_NE(tu.rows[3], to.rows[3]);
}

// Whoever changes the hash changes what a checkpoint means, and sees it here.
TEST(NgramsTest, LieWhereTheyAlwaysLay) {
    EXPECT_EQ(ngrams_of(U"a").rows, (std::vector<std::int32_t>{10184, 26960, 19052, 8061}));
}

TEST(NgramsTest, AreOfLettersNotOfBytes) {
    EXPECT_EQ(ngrams_of(U"\u00e9t\u00e9").rows.size(), 12u);
    EXPECT_EQ(ngrams_of(U"\u00e9").rows.size(), 4u);
    EXPECT_NE(ngrams_of(U"\u00e9").rows, ngrams_of(U"e").rows);
}

TEST(NgramsTest, OfAnEmptyWordThereAreNone) {
    EXPECT_TRUE(ngrams_of(U"").rows.empty());
}

TEST(NgramsTest, WeighTheSameForEveryWord) {
    for (std::size_t letters = 1; letters <= words::kMostLetters; ++letters) {
        const Ngrams ngrams = ngrams_of(std::u32string(letters, U'x'));
        EXPECT_EQ(ngrams.rows.size(), words::kOrders * letters);
        EXPECT_NEAR(sum(ngrams.weights), 1, 1e-5) << letters << " letters";
    }
}

TEST(NgramsTest, StopAtTheMostThatARecordHolds) {
    const std::u32string most(words::kMostLetters, U'x');
    EXPECT_EQ(ngrams_of(most + U"yz").rows, ngrams_of(most).rows);
}

TEST(NgramsTest, LieInsideTheTable) {
    const std::uint64_t seed = headrace::test_seed();
    SCOPED_TRACE(headrace::seed_note(seed));
    std::mt19937_64 random(seed);
    std::vector<bool> upper_half(2, false);
    for (int i = 0; i < 1'000; ++i) {
        std::u32string word(1 + random() % 20, U' ');
        for (char32_t& letter : word) letter = static_cast<char32_t>(U'a' + random() % 500);
        for (const std::int32_t row : ngrams_of(word).rows) {
            ASSERT_GE(row, 0);
            ASSERT_LT(row, words::kBuckets);
            upper_half[row >= words::kBuckets / 2] = true;
        }
    }
    EXPECT_TRUE(upper_half[0] && upper_half[1]);
}

}  // namespace
