#include "model.hpp"

#include <ATen/ops/relu.h>

namespace words {
namespace {

// The offsets of a batch end with the number of all n-grams: they go in as they are.
torch::nn::EmbeddingBagOptions table_options(const ModelOptions& options) {
    return torch::nn::EmbeddingBagOptions(options.rows, options.width)
        .mode(torch::kSum)  // the one that knows weights
        .include_last_offset(true);
}

}  // namespace

ModelImpl::ModelImpl(const ModelOptions& options)
    : table_(table_options(options)),
      hidden_(options.width, options.hidden),
      scores_(options.hidden, options.classes) {
    register_module("table", table_);
    register_module("hidden", hidden_);
    register_module("scores", scores_);
}

torch::Tensor ModelImpl::forward(const torch::Tensor& ngrams, const torch::Tensor& offsets,
                                 const torch::Tensor& weights) {
    const torch::Tensor word = table_->forward(ngrams, offsets, weights);
    return scores_->forward(at::relu(hidden_->forward(word)));
}

}  // namespace words
