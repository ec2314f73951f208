// From a word to what the network sees of it: numbers of rows of a table, and how much each counts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace words {

/// N-grams of 1 to kOrders letters.
inline constexpr std::size_t kOrders = 4;
/// Letters of a word that are looked at; the longest in Debian's lists has 39.
inline constexpr std::size_t kMostLetters = 64;
/// A word of n letters has 4 n n-grams: n, n + 1, n and n - 1 of them.
inline constexpr std::size_t kMostNgrams = kOrders * kMostLetters;
/// Rows of the table. N-grams share them by chance: there are several times as many.
inline constexpr std::int32_t kBuckets = 1 << 15;

/// Writes the n-grams of `word` to the front of both: the row of each, in [0, kBuckets), and its
/// weight. The word's start and its end count as letters, but not alone: "to" has t, o; ^t, to, o$;
/// ^to, to$; ^to$. All n-grams of a length weigh the same together, and all weights add up to 1,
/// however long the word is. Returns how many there are: 0 for an empty word. Letters behind
/// kMostLetters are left out. `rows` and `weights` have room for kMostNgrams.
std::size_t write_ngrams(std::u32string_view word, std::span<std::int32_t> rows,
                         std::span<float> weights);

}  // namespace words
