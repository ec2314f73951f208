// What the held-out words were taken for.
#pragma once

#include <array>
#include <cstdint>

#include "word_lists.hpp"

namespace words {

/// Words, by [the language it was][the language it was taken for].
using Confusion = std::array<std::array<std::uint64_t, kLanguages.size()>, kLanguages.size()>;

struct Exam {
    Confusion confusion = {};
    double loss = 0;  ///< of all words together

    std::uint64_t words() const noexcept {
        std::uint64_t sum = 0;
        for (const auto& row : confusion) {
            for (const std::uint64_t count : row) sum += count;
        }
        return sum;
    }
    std::uint64_t right() const noexcept {
        std::uint64_t sum = 0;
        for (std::size_t i = 0; i < confusion.size(); ++i) sum += confusion[i][i];
        return sum;
    }
    /// Share of the words that were recognised, 0 to 1; 0 where there were none.
    double accuracy() const noexcept {
        return words() == 0 ? 0 : static_cast<double>(right()) / static_cast<double>(words());
    }
    double mean_loss() const noexcept {
        return words() == 0 ? 0 : loss / static_cast<double>(words());
    }
    bool operator==(const Exam&) const = default;
};

}  // namespace words
