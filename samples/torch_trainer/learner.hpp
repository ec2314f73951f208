// The network, its optimizer, and one step of training. It knows nothing of rings and loaders: what
// it learns from are tensors, wherever they lie.
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/optim/adam.h>

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "exam.hpp"
#include "headrace/torch/batch_tensors.hpp"
#include "model.hpp"

namespace words {

/// A batch of words as the network wants it. The tensors share the batch's memory, which goes back
/// to the loader with the last of them.
struct Examples {
    at::Tensor ngrams;   ///< int32[N], rows of the table
    at::Tensor offsets;  ///< int32[B + 1]
    at::Tensor weights;  ///< float[N]
    at::Tensor labels;   ///< int64[B]; a copy
    std::int64_t records = 0;
};

/// `batch` is packed. Throws std::runtime_error when its records are not what record.hpp says, as
/// far as the host can tell: another program wrote them. Waits for no GPU.
Examples to_examples(const headrace::torch::BatchTensors& batch);

struct LearnerOptions {
    ModelOptions model = {};
    double rate = 0.01;         ///< Adam's, in the first epoch
    std::uint64_t seed = 7;     ///< of the first weights; nothing is drawn later
    std::uint64_t batch = 256;  ///< records of a full step, over all ranks
};

/// What a step came to, over the records of its batch and before the weights moved. On the device:
/// to look at them is to wait for it.
struct Step {
    at::Tensor loss;   ///< float[], summed
    at::Tensor right;  ///< int64[], records whose language was recognised
};

using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;

/// Over the bytes of all of them: equal when they are equal bit for bit. Waits for their device.
std::uint64_t hash_of(const NamedTensors& tensors);

/// One thread. Everything is enqueued on LibTorch's current stream, and nothing waits for it but
/// end_exam().
class Learner {
  public:
    /// Called in each step with the gradients of all parameters, before the weights move: where
    /// several ranks learn together it adds those of the others.
    using Reduce = std::function<void(std::vector<at::Tensor>& gradients)>;

    /// Sets LibTorch's seed. `reduce` may be empty.
    Learner(const LearnerOptions& options, const at::Device& device, Reduce reduce = {});

    /// The rate of learning: it halves with each epoch.
    void set_epoch(std::uint64_t epoch);

    /// One step of Adam. The loss is divided by the records of a full batch, not by its own: the
    /// few records of a short last batch do not weigh as much as a whole one. A batch without
    /// records moves nothing, unless other ranks had some. The step's tensors of the batch are free
    /// when it returns.
    Step step(const Examples& examples);

    /// Adds a batch to the exam, and learns nothing from it.
    void examine(const Examples& examples);
    /// Waits for the device. Returns the sums since the last call.
    Exam end_exam();

    /// All that step() changes: parameters and Adam's averages. They may be written to; then
    /// set_steps() too.
    NamedTensors tensors() const;
    /// Steps that Adam has made.
    std::int64_t steps() const;
    void set_steps(std::int64_t steps);

  private:
    at::Tensor scores_of(const Examples& examples);
    void empty_exam();

    LearnerOptions options_;
    Reduce reduce_;
    Model model_;
    torch::optim::Adam adam_;
    at::Tensor exam_loss_;  // double[]
    at::Tensor confusion_;  // int64[classes * classes]
};

}  // namespace words
