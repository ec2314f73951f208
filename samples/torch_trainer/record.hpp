// What one record of the sample is. The producers write it and the trainer reads it.
#pragma once

#include "headrace/producer.hpp"
#include "headrace/schema.hpp"
#include "ngrams.hpp"
#include "word_lists.hpp"

namespace words {

/// The int field: rows of the table, one an n-gram (ngrams.hpp).
inline constexpr const char* kNgrams = "ngrams";
/// The float field: the weight of each n-gram; as long as the first.
inline constexpr const char* kWeights = "weights";
/// The int field of one element: the language, a place in kLanguages.
inline constexpr const char* kLabel = "label";

inline headrace::Schema record_schema() {
    return {{kNgrams, headrace::i32, kMostNgrams},
            {kWeights, headrace::f32, kMostNgrams},
            {kLabel, headrace::i32, 1}};
}

/// Writes a word of read_word_lists() in place, and publishes it.
void publish_word(headrace::ClaimedRecord& record, const Word& word);

}  // namespace words
