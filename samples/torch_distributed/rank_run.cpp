#include "rank_run.hpp"

#include <ATen/Parallel.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

#include "headrace/torch.hpp"
#include "launch/text.hpp"

namespace distributed {
namespace {

using Clock = std::chrono::steady_clock;

// How long a wait for a batch may keep us from looking around.
constexpr std::chrono::milliseconds kPatience{100};

double seconds_since(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
}

std::string ledger_of(const Options& options, const headrace::Rank& rank) {
    return options.ledger.empty() ? "" : options.ledger + "." + std::to_string(rank.rank);
}

}  // namespace

RankRun::RankRun(const Options& options, const headrace::Rank& rank, const words::WordLists& lists,
                 const headrace::Device& device, ProcessGroup& group, samples::Progress& progress)
    : options_(options),
      rank_(rank),
      lists_(lists),
      group_(group),
      progress_(progress),
      learner_({.seed = options.seed, .batch = std::uint64_t{options.batch} * rank.world_size},
               headrace::torch::device_of(device), sum_over_ranks()),
      ledger_(ledger_of(options, rank)),
      sums_(at::zeros(
          {3}, at::TensorOptions().dtype(at::kDouble).device(headrace::torch::device_of(device)))) {
    // Ranks share the machine's cores with each other, and with their producers.
    at::set_num_threads(1);
    // All begin with the weights of rank 0, also where another build draws others.
    for (auto& [name, tensor] : learner_.tensors()) group_.broadcast(tensor);
}

// One message for all parameters: a collective has its price, however little it carries.
words::Learner::Reduce RankRun::sum_over_ranks() {
    return [this](std::vector<at::Tensor>& gradients) {
        std::vector<at::Tensor> flat;
        for (const at::Tensor& gradient : gradients) flat.push_back(gradient.reshape({-1}));
        at::Tensor all = at::cat(flat);
        group_.sum(all);
        std::int64_t at = 0;
        for (at::Tensor& gradient : gradients) {
            gradient.copy_(all.narrow(0, at, gradient.numel()).view(gradient.sizes()));
            at += gradient.numel();
        }
    };
}

// What decides which words come in which order. The number of ranks and their batches do not: they
// say how many words a step takes.
words::Settings RankRun::settings() const {
    return {{"--words", std::to_string(options_.words)},
            {"--seed", std::to_string(options_.seed)},
            {"word lists of the fingerprint", std::to_string(lists_.fingerprint)}};
}

void RankRun::resume() {
    const words::Checkpoint checkpoint = words::read_checkpoint(options_.checkpoint);
    words::expect_settings(checkpoint, settings());
    words::restore(checkpoint, learner_.tensors());
    place_ = checkpoint.place;
    learner_.set_steps(place_.learner_steps);
    is_resumed_ = true;
}

std::optional<headrace::Batch> RankRun::next(headrace::Loader& loader,
                                             const std::function<void()>& look_around,
                                             bool& epoch_over) {
    while (true) {
        look_around();
        auto result = loader.next_for(kPatience, headrace::torch::current_stream(loader.device()));
        switch (result.outcome()) {
            case headrace::Outcome::ready: return std::move(*result);
            case headrace::Outcome::timed_out: break;
            case headrace::Outcome::end_of_epoch: epoch_over = true; return std::nullopt;
            case headrace::Outcome::end: return std::nullopt;
        }
    }
}

void RankRun::run(headrace::Loader& loader, const headrace::Sampler& sampler,
                  const std::function<void()>& look_around) {
    const auto start = Clock::now();
    std::uint64_t index = loader.state().index;
    std::uint64_t epoch = loader.state().epoch;
    const auto is_enough = [this] { return options_.steps > 0 && steps_ >= options_.steps; };
    while (!is_enough()) {
        learner_.set_epoch(epoch);
        bool epoch_over = false;
        auto batch = next(loader, look_around, epoch_over);
        if (!batch) {
            if (!epoch_over) break;
            report(epoch++);
            continue;
        }
        ledger_.enter(sampler, {batch->indices().begin(), batch->indices().end()});
        index = batch->last_index();
        {
            const auto tensors = headrace::torch::to_tensors(std::move(*batch));
            const words::Examples examples = words::to_examples(tensors);
            const words::Step step = learner_.step(examples);
            sums_[0] += step.loss;
            sums_[1] += step.right;
            sums_[2] += examples.records;
        }  // the batch is given back
        ++steps_;
        if (options_.every > 0 && steps_ % options_.every == 0) save(loader, index);
    }
    if (is_enough()) report(epoch);
    seconds_ = seconds_since(start);
    save(loader, index);
}

// All ranks are at the same step, and have the same weights: one file speaks for them.
void RankRun::save(const headrace::Loader& loader, std::uint64_t index) {
    if (options_.checkpoint.empty() || rank_.rank != 0) return;
    place_.learner_steps = learner_.steps();
    place_.train = loader.state();
    if (place_.train.index != index) {
        throw std::logic_error("the loader stands at record " + std::to_string(place_.train.index) +
                               ", wanted " + std::to_string(index) + ": a batch is still held");
    }
    words::write_checkpoint(options_.checkpoint, {settings(), place_, learner_.tensors()});
}

// Waits for the device, and for all ranks.
void RankRun::report(std::uint64_t epoch) {
    group_.sum(sums_);
    const at::Tensor sums = sums_.cpu();  // on the host the same memory: read before it is cleared
    const double loss = sums[0].item<double>();
    const double right = sums[1].item<double>();
    const double records = sums[2].item<double>();
    records_ += static_cast<std::uint64_t>(records);
    sums_.zero_();
    if (rank_.rank != 0) return;
    progress_.line(samples::format("epoch %llu/%u  %u ranks  %.0f words  loss %.3f  right %.1f %%",
                                   static_cast<unsigned long long>(epoch + 1), options_.epochs,
                                   rank_.world_size, records, loss / std::max(records, 1.0),
                                   100 * right / std::max(records, 1.0)));
}

words::Exam RankRun::examine(headrace::Loader& loader, const std::function<void()>& look_around) {
    bool epoch_over = false;
    while (auto batch = next(loader, look_around, epoch_over)) {
        const auto tensors = headrace::torch::to_tensors(std::move(*batch));
        learner_.examine(words::to_examples(tensors));
    }
    return learner_.end_exam();
}

}  // namespace distributed
