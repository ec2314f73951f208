#include "learner.hpp"

#include <ATen/ops/ones_like.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>
#include <torch/nn/functional/loss.h>
#include <torch/utils.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string_view>
#include <type_traits>

#include "hash.hpp"
#include "record.hpp"

namespace words {
namespace {

using torch::optim::AdamParamState;

constexpr std::uint64_t kForTheTensors = 6;  // purpose of the hash; see word_lists.cpp

// The first weights are drawn on the CPU, so that every device begins with the same.
Model make_model(const LearnerOptions& options, const at::Device& device) {
    torch::manual_seed(options.seed);
    Model model(options.model);
    model->to(device);
    return model;
}

// Adam keeps its averages by a parameter's address; LibTorch before 2.0 by that address as text.
template <class Key>
Key key_of(const at::Tensor& parameter) {
    if constexpr (std::is_same_v<Key, std::string>) {
        std::ostringstream text;
        text << parameter.unsafeGetTensorImpl();
        return text.str();
    } else {
        return parameter.unsafeGetTensorImpl();
    }
}

template <class Optimizer>
AdamParamState& state_of(Optimizer& adam, const at::Tensor& parameter) {
    using Key = typename std::decay_t<decltype(adam.state())>::key_type;
    auto& state = adam.state()[key_of<Key>(parameter)];
    if (!state) {
        auto made = std::make_unique<AdamParamState>();
        made->step(0);
        made->exp_avg(at::zeros_like(parameter));
        made->exp_avg_sq(at::zeros_like(parameter));
        state = std::move(made);
    }
    return static_cast<AdamParamState&>(*state);
}

at::Tensor sum_of_losses(const at::Tensor& scores, const at::Tensor& labels) {
    return torch::nn::functional::cross_entropy(
        scores, labels, torch::nn::functional::CrossEntropyFuncOptions().reduction(torch::kSum));
}

[[noreturn]] void refuse(const std::string& found, const std::string& wanted) {
    throw std::runtime_error("a batch of words: found " + found + ", wanted " + wanted +
                             "; is the producer of this version?");
}

}  // namespace

Examples to_examples(const headrace::torch::BatchTensors& batch) {
    const auto& ngrams = batch[kNgrams];
    const auto& weights = batch[kWeights];
    const auto& label = batch[kLabel];
    if (!std::ranges::equal(batch.host_offsets(kNgrams), batch.host_offsets(kWeights))) {
        refuse("words with more n-grams than weights, or fewer", "one weight an n-gram");
    }
    if (label.total != static_cast<std::int64_t>(batch.size())) {
        refuse(
            std::to_string(label.total) + " labels of " + std::to_string(batch.size()) + " words",
            "one a word");
    }
    return {.ngrams = ngrams.values,
            .offsets = ngrams.offsets,
            .weights = weights.values,
            .labels = label.values.to(at::kLong),
            .records = label.total};
}

std::uint64_t hash_of(const NamedTensors& tensors) {
    std::uint64_t state = 0;
    for (const auto& [name, tensor] : tensors) {
        const at::Tensor bytes = tensor.cpu().contiguous();
        const std::string_view text(static_cast<const char*>(bytes.data_ptr()), bytes.nbytes());
        state = mix(state ^ hash(text, kForTheTensors));
    }
    return state;
}

Learner::Learner(const LearnerOptions& options, const at::Device& device, Reduce reduce)
    : options_(options),
      reduce_(std::move(reduce)),
      model_(make_model(options, device)),
      adam_(model_->parameters(), torch::optim::AdamOptions(options.rate)) {
    // Made now and not with the first step, so that they are there to be restored.
    for (const at::Tensor& parameter : model_->parameters()) state_of(adam_, parameter);
    const auto there = at::TensorOptions().device(device);
    exam_loss_ = at::zeros({}, there.dtype(at::kDouble));
    confusion_ = at::zeros({options.model.classes * options.model.classes}, there.dtype(at::kLong));
}

void Learner::set_epoch(std::uint64_t epoch) {
    const double rate =
        std::ldexp(options_.rate, -static_cast<int>(std::min<std::uint64_t>(epoch, 1'000)));
    for (torch::optim::OptimizerParamGroup& group : adam_.param_groups()) {
        static_cast<torch::optim::AdamOptions&>(group.options()).lr(rate);
    }
}

at::Tensor Learner::scores_of(const Examples& examples) {
    return model_->forward(examples.ngrams, examples.offsets, examples.weights);
}

Step Learner::step(const Examples& examples) {
    std::vector<at::Tensor> parameters = model_->parameters();
    for (at::Tensor& parameter : parameters) parameter.mutable_grad().reset();
    Step result;
    if (examples.records > 0) {
        const at::Tensor scores = scores_of(examples);
        const at::Tensor loss = sum_of_losses(scores, examples.labels);
        (loss / static_cast<double>(options_.batch)).backward();
        result.loss = loss.detach();
        result.right = scores.detach().argmax(1).eq(examples.labels).sum();
    } else {
        const auto there = at::TensorOptions().device(parameters.front().device());
        result.loss = at::zeros({}, there.dtype(at::kFloat));
        result.right = at::zeros({}, there.dtype(at::kLong));
        if (!reduce_) return result;
        for (at::Tensor& parameter : parameters) {
            parameter.mutable_grad() = at::zeros_like(parameter);
        }
    }
    if (reduce_) {
        std::vector<at::Tensor> gradients;
        for (const at::Tensor& parameter : parameters) gradients.push_back(parameter.grad());
        reduce_(gradients);
    }
    adam_.step();
    return result;
}

void Learner::examine(const Examples& examples) {
    if (examples.records == 0) return;
    const c10::NoGradGuard no_gradients;
    const at::Tensor scores = scores_of(examples);
    exam_loss_ += sum_of_losses(scores, examples.labels);
    const at::Tensor places = examples.labels * options_.model.classes + scores.argmax(1);
    confusion_.index_add_(0, places, at::ones_like(places));
}

Exam Learner::end_exam() {
    Exam exam;
    exam.loss = exam_loss_.item<double>();
    const at::Tensor counts = confusion_.cpu();
    const std::int64_t* next = counts.data_ptr<std::int64_t>();
    for (auto& row : exam.confusion) {
        for (std::uint64_t& count : row) count = static_cast<std::uint64_t>(*next++);
    }
    exam_loss_.zero_();
    confusion_.zero_();
    return exam;
}

NamedTensors Learner::tensors() const {
    NamedTensors all;
    auto& adam = const_cast<torch::optim::Adam&>(adam_);  // all states are there: none is made
    for (const auto& parameter : model_->named_parameters()) {
        std::string name = parameter.key();
        std::replace(name.begin(), name.end(), '.', '_');  // an archive takes dots for nesting
        const AdamParamState& state = state_of(adam, parameter.value());
        all.emplace_back(name, parameter.value().detach());
        all.emplace_back(name + "_mean", state.exp_avg());
        all.emplace_back(name + "_square", state.exp_avg_sq());
    }
    return all;
}

std::int64_t Learner::steps() const {
    auto& adam = const_cast<torch::optim::Adam&>(adam_);
    return state_of(adam, model_->parameters().front()).step();
}

void Learner::set_steps(std::int64_t steps) {
    for (const at::Tensor& parameter : model_->parameters()) state_of(adam_, parameter).step(steps);
}

}  // namespace words
