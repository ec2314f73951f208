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

constexpr auto kClasses = static_cast<std::int64_t>(kLanguages.size());

double seconds_since(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
}

// The seed has to be set before the network draws its first weights, which are the same on every
// device.
Model make_model(const Options& options, const torch::Device& device) {
    at::set_num_threads(static_cast<int>(options.threads));
    torch::manual_seed(options.seed);
    Model model(ModelOptions{.bands = static_cast<std::int64_t>(kBands),
                             .context = options.context,
                             .hidden = options.hidden,
                             .classes = kClasses});
    model->to(device);
    return model;
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

Training::Sums::Sums(const torch::Device& device)
    : loss(torch::zeros({}, torch::TensorOptions(device).dtype(torch::kDouble))),
      right(torch::zeros({}, torch::TensorOptions(device).dtype(torch::kLong))) {}

double Training::Sums::mean_loss() const {
    return loss.item<double>() / static_cast<double>(std::max<std::uint64_t>(records, 1));
}

Training::Training(const Options& options, const headrace::Device& device,
                   samples::Progress& progress, std::function<void()> look_around)
    : options_(options),
      device_(headrace::torch::device_of(device)),
      progress_(progress),
      look_around_(std::move(look_around)),
      model_(make_model(options, device_)),
      optimizer_(model_->parameters(), torch::optim::AdamOptions(options.learning_rate)) {}

// Nothing at the end of an epoch, which `epoch_over` then tells, and of the data.
std::optional<headrace::Batch> Training::next(headrace::Loader& loader, bool& epoch_over) {
    epoch_over = false;
    while (true) {
        look_around_();
        auto result = loader.next_for(kPatience, headrace::torch::current_stream(loader.device()));
        switch (result.outcome()) {
            case headrace::Outcome::ready: return std::move(*result);
            case headrace::Outcome::timed_out: continue;
            case headrace::Outcome::end_of_epoch: epoch_over = true; return std::nullopt;
            case headrace::Outcome::end: return std::nullopt;
        }
    }
}

// The ledger reads on the host. A copy from a GPU waits for it, so there is one in the first epoch
// only, when every recording comes once.
void Training::enter(const headrace::Batch& batch, Ledger& ledger) const {
    std::int32_t* const ints = batch.values<std::int32_t>(kTextField);
    const std::int64_t count = batch.total(kTextField);
    const auto size = static_cast<std::size_t>(count);
    if (device_.is_cpu() || count == 0) {
        ledger.enter(batch, Ledger::Ints(ints, size));
    } else if (batch.epoch() > 0) {
        ledger.enter(batch, std::nullopt);
    } else {
        const auto there = torch::TensorOptions(device_).dtype(torch::kInt);
        const torch::Tensor copy = torch::from_blob(ints, {count}, there).cpu();
        ledger.enter(batch, Ledger::Ints(copy.data_ptr<std::int32_t>(), size));
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
    sums.loss += sum.detach();
    sums.right += scores.argmax(1).eq(examples.labels).sum();
    sums.records += static_cast<std::uint64_t>(examples.records());
}

void Training::train(headrace::Loader& loader, Ledger& ledger, std::uint64_t epoch_records) {
    model_->train();
    const double all = static_cast<double>(epoch_records) * options_.epochs;
    for (std::uint64_t epoch = 0; epoch < options_.epochs; ++epoch) {
        const auto start = Clock::now();
        Sums sums(device_);
        progress_.begin(
            "epoch " + std::to_string(epoch + 1) + "/" + std::to_string(options_.epochs),
            epoch_records);
        bool epoch_over = false;
        while (auto batch = next(loader, epoch_over)) {
            enter(*batch, ledger);
            set_learning_rate(static_cast<double>(batch->first_index()) / all);
            const std::uint64_t indices = batch->last_index() - batch->first_index();
            const Examples examples(std::move(*batch));
            step(examples, sums);
            progress_.advance(indices,
                              device_.is_cpu() ? std::optional(sums.mean_loss()) : std::nullopt);
        }
        progress_.end();
        if (!epoch_over) throw std::runtime_error("the data ended before the epoch did");
        report_epoch(epoch, sums, start);
    }
}

void Training::report_epoch(std::uint64_t epoch, const Sums& sums, Clock::time_point start) {
    const double records = static_cast<double>(std::max<std::uint64_t>(sums.records, 1));
    const double loss = sums.mean_loss();
    const auto right = static_cast<double>(sums.right.item<std::int64_t>());
    const double seconds = seconds_since(start);  // the device has been waited for
    char text[128];
    std::snprintf(text, sizeof text,
                  "epoch %llu/%u  %llu records  %.0f records/s  loss %.3f  right %.1f %%",
                  static_cast<unsigned long long>(epoch + 1), options_.epochs,
                  static_cast<unsigned long long>(sums.records),
                  static_cast<double>(sums.records) / seconds, loss, 100.0 * right / records);
    progress_.line(text);
}

Confusion Training::evaluate(headrace::Loader& loader, Ledger& ledger) {
    model_->eval();
    const torch::NoGradGuard no_gradients;
    // By language times the number of languages, plus the one it was taken for.
    const auto there = torch::TensorOptions(device_).dtype(torch::kLong);
    torch::Tensor counts = torch::zeros({kClasses * kClasses}, there);
    bool epoch_over = false;
    while (auto batch = next(loader, epoch_over)) {
        enter(*batch, ledger);
        const Examples examples(std::move(*batch));
        if (examples.records() == 0) continue;
        const torch::Tensor taken_for = model_->forward(examples.frames, examples.starts).argmax(1);
        const torch::Tensor places = examples.labels * kClasses + taken_for;
        counts.index_add_(0, places, torch::ones_like(places));
    }
    counts = counts.cpu();
    Confusion confusion{};
    for (std::size_t was = 0; was < confusion.size(); ++was) {
        for (std::size_t taken = 0; taken < confusion.size(); ++taken) {
            const std::size_t place = was * confusion.size() + taken;
            confusion[was][taken] =
                static_cast<std::uint64_t>(counts.data_ptr<std::int64_t>()[place]);
        }
    }
    return confusion;
}

}  // namespace voices
