// The network that learns which language it hears, over ragged batches: frames end to end, and the
// offsets at which each recording begins. No frame of padding is made or read.
#pragma once

#include <torch/nn.h>
#include <torch/types.h>

#include <cstdint>

namespace voices {

struct ModelOptions {
    std::int64_t bands = 40;    ///< values of a frame
    std::int64_t context = 7;   ///< frames that the first layer sees at once; odd
    std::int64_t hidden = 128;  ///< units of the first layer
    std::int64_t classes = 5;
};

/// Frames with their neighbours, through one layer, pooled over each recording, to one score per
/// class. On one thread at a time, like any module.
class ModelImpl : public torch::nn::Module {
  public:
    /// Throws c10::Error when `context` is even or a number is below 1.
    explicit ModelImpl(const ModelOptions& options);

    /// `frames`  float[N, bands], recording after recording, N > 0.
    /// `starts`  int64[B + 1], in frames: recording r is frames starts[r] to starts[r + 1],
    /// starts[0]
    ///           is 0 and starts[B] is N. Recordings of no frame are allowed.
    /// Returns float[B, classes], unnormalised.
    torch::Tensor forward(const torch::Tensor& frames, const torch::Tensor& starts);

  private:
    ModelOptions options_;
    torch::nn::BatchNorm1d norm_;
    torch::nn::Linear hidden_;
    torch::nn::LayerNorm pooled_norm_;
    torch::nn::Linear scores_;
};
TORCH_MODULE(Model);

/// The recording that each of N frames belongs to: int64[N]. N is given, for a GPU would have to be
/// asked and waited for.
torch::Tensor recording_of_frames(const torch::Tensor& starts, std::int64_t frames);

/// float[N, context * bands]: each frame with those around it, earliest first. Beyond an end of its
/// recording the frame at that end is repeated: a context never reaches into a neighbour.
torch::Tensor with_context(const torch::Tensor& frames, const torch::Tensor& starts,
                           const torch::Tensor& recordings, std::int64_t context);

/// float[B, 2 * H]: mean and standard deviation of float[N, H] over each recording's frames; for a
/// recording of no frame, zeros and the square root of the deviation's floor.
torch::Tensor pool(const torch::Tensor& values, const torch::Tensor& starts,
                   const torch::Tensor& recordings);

}  // namespace voices
