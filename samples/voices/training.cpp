#include "training.hpp"

#include <ATen/Parallel.h>
#include <torch/nn/functional/loss.h>
#include <torch/utils.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <utility>

#include "headrace/torch.hpp"
#include "log_mel.hpp"
#include "record.hpp"

namespace voices {
namespace {

using Clock = std::chrono::steady_clock;

// How long a wait for a batch may keep us from looking around.
constexpr std::chrono::milliseconds kPatience{100};

// Batch normalisation cannot learn from a single frame: it has no variance.
constexpr std::int64_t kLeastFrames = 2;

double seconds_since(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
}

// The seed has to be set before the network draws its first weights.
Model make_model(const Options& options) {
    at::set_num_threads(static_cast<int>(options.threads));
    torch::manual_seed(options.seed);
    return Model(ModelOptions{.bands = static_cast<std::int64_t>(kBands),
                              .context = options.context,
                              .hidden = options.hidden,
                              .classes = static_cast<std::int64_t>(kLanguages.size())});
}

}  // namespace

// A batch as the network wants it. The frames lie where the loader has put them, and the lease on
// the batch lives as long as they do.
struct Training::Examples {
    torch::Tensor frames;  // float[N, kBands]
    torch::Tensor starts;  // int64[B + 1], in frames
    torch::Tensor labels;  // int64[B]

    explicit Examples(headrace::Batch&& batch) {
        const auto tensors = headrace::torch::to_tensors(std::move(batch));
        const headrace::torch::FieldTensors& mel = tensors[kMelField];
        const headrace::torch::FieldTensors& text = tensors[kTextField];
        constexpr auto kRow = static_cast<std::int64_t>(kBands);
        frames = mel.values.view({-1, kRow});
        starts = torch::div(mel.offsets.to(torch::kLong), kRow, "floor");
        const torch::Tensor first_ints = text.offsets.slice(0, 0, -1);
        static_assert(kLanguageAt == 0);
        labels = text.values.index_select(0, first_ints).to(torch::kLong);
    }
    std::int64_t records() const { return labels.size(0); }
};

Training::Training(const Options& options, samples::Progress& progress,
                   std::function<void()> look_around)
    : options_(options),
      progress_(progress),
      look_around_(std::move(look_around)),
      model_(make_model(options)),
      optimizer_(model_->parameters(), torch::optim::AdamOptions(options.learning_rate)) {}

// Nothing at the end of an epoch, which `epoch_over` then tells, and of the data.
std::optional<headrace::Batch> Training::next(headrace::Loader& loader, bool& epoch_over) {
    epoch_over = false;
    while (true) {
        look_around_();
        auto result = loader.next_for(kPatience);
        switch (result.outcome()) {
            case headrace::Outcome::ready: return std::move(*result);
            case headrace::Outcome::timed_out: continue;
            case headrace::Outcome::end_of_epoch: epoch_over = true; return std::nullopt;
            case headrace::Outcome::end: return std::nullopt;
        }
    }
}

void Training::set_learning_rate(double part_done) {
    for (torch::optim::OptimizerParamGroup& group : optimizer_.param_groups()) {
        static_cast<torch::optim::AdamOptions&>(group.options())
            .lr(options_.learning_rate * std::max(0.0, 1.0 - part_done));
    }
}

void Training::step(const Examples& examples, Sums& sums) {
    if (examples.frames.size(0) < kLeastFrames) return;
    const torch::Tensor scores = model_->forward(examples.frames, examples.starts);
    // Divided by the size of a full batch: the one record of an epoch's short last batch is not to
    // weigh as much as 32.
    const torch::Tensor sum = torch::nn::functional::cross_entropy(
        scores, examples.labels,
        torch::nn::functional::CrossEntropyFuncOptions().reduction(torch::kSum));
    optimizer_.zero_grad();
    (sum / static_cast<double>(options_.batch)).backward();
    optimizer_.step();
    sums.loss += sum.item<double>();
    sums.right +=
        static_cast<std::uint64_t>(scores.argmax(1).eq(examples.labels).sum().item<std::int64_t>());
    sums.records += static_cast<std::uint64_t>(examples.records());
}

void Training::train(headrace::Loader& loader, Ledger& ledger, std::uint64_t epoch_records) {
    model_->train();
    const double all = static_cast<double>(epoch_records) * options_.epochs;
    for (std::uint64_t epoch = 0; epoch < options_.epochs; ++epoch) {
        const auto start = Clock::now();
        Sums sums;
        progress_.begin(
            "epoch " + std::to_string(epoch + 1) + "/" + std::to_string(options_.epochs),
            epoch_records);
        bool epoch_over = false;
        while (auto batch = next(loader, epoch_over)) {
            ledger.enter(*batch);
            set_learning_rate(static_cast<double>(batch->first_index()) / all);
            const std::uint64_t indices = batch->last_index() - batch->first_index();
            const Examples examples(std::move(*batch));
            step(examples, sums);
            const double records = static_cast<double>(std::max<std::uint64_t>(sums.records, 1));
            progress_.advance(indices, sums.loss / records);
        }
        progress_.end();
        if (!epoch_over) throw std::runtime_error("the data ended before the epoch did");
        report_epoch(epoch, sums, seconds_since(start));
    }
}

void Training::report_epoch(std::uint64_t epoch, const Sums& sums, double seconds) {
    const double records = static_cast<double>(std::max<std::uint64_t>(sums.records, 1));
    char text[128];
    std::snprintf(text, sizeof text,
                  "epoch %llu/%u  %llu records  %.0f records/s  loss %.3f  right %.1f %%",
                  static_cast<unsigned long long>(epoch + 1), options_.epochs,
                  static_cast<unsigned long long>(sums.records), records / seconds,
                  sums.loss / records, 100.0 * static_cast<double>(sums.right) / records);
    progress_.line(text);
}

Confusion Training::evaluate(headrace::Loader& loader, Ledger& ledger) {
    model_->eval();
    const torch::NoGradGuard no_gradients;
    Confusion confusion{};
    bool epoch_over = false;
    while (auto batch = next(loader, epoch_over)) {
        ledger.enter(*batch);
        const Examples examples(std::move(*batch));
        if (examples.records() == 0) continue;
        const torch::Tensor taken_for = model_->forward(examples.frames, examples.starts).argmax(1);
        for (std::int64_t record = 0; record < examples.records(); ++record) {
            const auto was = examples.labels[record].item<std::int64_t>();
            const auto taken = taken_for[record].item<std::int64_t>();
            ++confusion[static_cast<std::size_t>(was)][static_cast<std::size_t>(taken)];
        }
    }
    return confusion;
}

}  // namespace voices
