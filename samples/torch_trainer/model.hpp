// The network that tells which language a word is of, over ragged batches: n-grams end to end, and
// the offsets at which each word begins. No n-gram of padding is made or read.
#pragma once

#include <torch/nn/module.h>
#include <torch/nn/modules/embedding.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/pimpl.h>

#include <cstdint>

#include "ngrams.hpp"
#include "word_lists.hpp"

namespace words {

struct ModelOptions {
    std::int64_t rows = kBuckets;  ///< of the table of n-grams
    std::int64_t width = 16;       ///< numbers of such a row
    std::int64_t hidden = 64;      ///< units
    std::int64_t classes = kLanguages.size();
};

/// A weighted sum of table rows for each word, through one layer, to one score for each language.
/// On one thread at a time, like any module.
class ModelImpl : public torch::nn::Module {
  public:
    explicit ModelImpl(const ModelOptions& options);

    /// `ngrams`   int32[N], rows of the table, word after word.
    /// `offsets`  int32[B + 1]: word w is ngrams[offsets[w]] to ngrams[offsets[w + 1]], as in a
    ///            batch of the layout packed. B > 0; words without an n-gram are allowed.
    /// `weights`  float[N], of each n-gram.
    /// Returns float[B, classes], unnormalised. Waits for no GPU.
    torch::Tensor forward(const torch::Tensor& ngrams, const torch::Tensor& offsets,
                          const torch::Tensor& weights);

  private:
    torch::nn::EmbeddingBag table_;
    torch::nn::Linear hidden_;
    torch::nn::Linear scores_;
};
TORCH_MODULE(Model);

}  // namespace words
