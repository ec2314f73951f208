#include "ngrams.hpp"

#include <algorithm>
#include <string>

#include "hash.hpp"

namespace words {
namespace {

// No word has these letters: control characters, by name "start of text" and "end of text".
constexpr char32_t kStart = 2;
constexpr char32_t kEnd = 3;

constexpr std::uint64_t kForTheTable = 4;  // purpose of the hash; see word_lists.cpp

std::int32_t row_of(std::u32string_view ngram) {
    return static_cast<std::int32_t>(hash(ngram, kForTheTable) % kBuckets);
}

}  // namespace

std::size_t write_ngrams(std::u32string_view word, std::span<std::int32_t> rows,
                         std::span<float> weights) {
    word = word.substr(0, kMostLetters);
    if (word.empty()) return 0;
    std::u32string marked(1, kStart);
    marked += word;
    marked += kEnd;
    const std::size_t orders = std::min(kOrders, marked.size());
    std::size_t count = 0;
    for (std::size_t order = 1; order <= orders; ++order) {
        const std::u32string_view text = order == 1 ? word : std::u32string_view(marked);
        const std::size_t ngrams = text.size() + 1 - order;
        for (std::size_t first = 0; first < ngrams; ++first) {
            rows[count] = row_of(text.substr(first, order));
            weights[count] = 1.0f / static_cast<float>(orders * ngrams);
            ++count;
        }
    }
    return count;
}

}  // namespace words
