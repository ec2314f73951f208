#include "model.hpp"

namespace voices {
namespace {

// Under the square root of the deviation, whose slope at zero is infinite: a unit that never fires
// would turn the gradient into NaN. Small against the variances seen, which are about 0.1.
constexpr double kVarianceFloor = 1e-5;

}  // namespace

torch::Tensor recording_of_frames(const torch::Tensor& starts, std::int64_t frames) {
    // A bare number would be taken for the repeats.
    return torch::repeat_interleave(starts.diff(), torch::optional<std::int64_t>(frames));
}

torch::Tensor with_context(const torch::Tensor& frames, const torch::Tensor& starts,
                           const torch::Tensor& recordings, std::int64_t context) {
    const std::int64_t count = frames.size(0);
    const torch::Tensor first = starts.index_select(0, recordings).unsqueeze(1);
    const torch::Tensor last = starts.index_select(0, recordings + 1).unsqueeze(1) - 1;
    const auto places = torch::TensorOptions().dtype(torch::kLong).device(frames.device());
    const torch::Tensor around = torch::arange(context, places).unsqueeze(0) - context / 2;
    const torch::Tensor wanted = torch::arange(count, places).unsqueeze(1) + around;
    const torch::Tensor inside = torch::minimum(torch::maximum(wanted, first), last);
    return frames.index_select(0, inside.flatten()).view({count, context * frames.size(1)});
}

torch::Tensor pool(const torch::Tensor& values, const torch::Tensor& starts,
                   const torch::Tensor& recordings) {
    const std::int64_t batch = starts.size(0) - 1;
    const torch::Tensor none = torch::zeros({batch, values.size(1)}, values.options());
    const torch::Tensor counts = starts.diff().clamp_min(1).to(values.scalar_type()).unsqueeze(1);
    const torch::Tensor mean = none.index_add(0, recordings, values) / counts;
    // Not E[x^2] - E[x]^2, which cancels: the deviation from the mean itself.
    const torch::Tensor deviation = values - mean.index_select(0, recordings);
    const torch::Tensor variance = none.index_add(0, recordings, deviation.square()) / counts;
    return torch::cat({mean, (variance + kVarianceFloor).sqrt()}, 1);
}

ModelImpl::ModelImpl(const ModelOptions& options)
    : options_(options),
      norm_(torch::nn::BatchNorm1dOptions(options.bands)),
      hidden_(options.context * options.bands, options.hidden),
      pooled_norm_(torch::nn::LayerNormOptions({2 * options.hidden})),
      scores_(2 * options.hidden, options.classes) {
    TORCH_CHECK(options.context >= 1 && options.context % 2 == 1, "context: found ",
                options.context, " frames, wanted an odd number");
    TORCH_CHECK(options.hidden >= 1, "hidden: found ", options.hidden, " units, wanted 1 or more");
    register_module("norm", norm_);
    register_module("hidden", hidden_);
    register_module("pooled_norm", pooled_norm_);
    register_module("scores", scores_);
}

torch::Tensor ModelImpl::forward(const torch::Tensor& frames, const torch::Tensor& starts) {
    const torch::Tensor recordings = recording_of_frames(starts, frames.size(0));
    const torch::Tensor seen =
        with_context(norm_->forward(frames), starts, recordings, options_.context);
    const torch::Tensor units = torch::relu(hidden_->forward(seen));
    // Normalised once more: deviations are several times smaller than means.
    return scores_->forward(pooled_norm_->forward(pool(units, starts, recordings)));
}

}  // namespace voices
