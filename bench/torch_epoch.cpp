// An epoch of training through Headrace, through torch::data, and with the data on the device
// already: which share of that ceiling is left, and what making tensors of a batch costs.
//
// All three train the network of samples/torch_trainer on the same words, in batches of the same
// size, and take turns. The word lists are read before anything is timed.
//   usage: torch_epoch PRODUCER [BATCH [PRODUCERS [WORDS [TURNS [THREADS [LISTS]]]]]]
// PRODUCER is samples/torch_trainer's words_producer, LISTS the folder of the word lists. Prints
// one JSON object.
#include <ATen/Parallel.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/tensor.h>
#include <torch/cuda.h>
#include <torch/data/dataloader.h>
#include <torch/data/datasets/base.h>
#include <torch/data/datasets/map.h>
#include <torch/data/samplers/random.h>
#include <torch/data/transforms/base.h>
#include <torch/version.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/machine.hpp"
#include "cli/report_json.hpp"
#include "headrace/headrace.hpp"
#include "headrace/torch.hpp"
#include "launch/processes.hpp"
#include "learner.hpp"
#include "ngrams.hpp"
#include "producer_command.hpp"
#include "record.hpp"
#include "utf8.hpp"
#include "word_lists.hpp"

namespace headrace::bench {
namespace {

using Clock = std::chrono::steady_clock;

struct Arguments {
    std::string producer;
    std::uint32_t batch = 256;
    std::uint32_t producers = 1;
    std::size_t words = 20'000;  // of each language
    std::uint32_t turns = 5;
    std::uint32_t threads = 1;  // of LibTorch's
    std::string lists = words::kDebianLists;
};

template <class T>
void take(int argc, char** argv, int at, T& target) {
    if (at >= argc) return;
    const std::string_view text = argv[at];
    const auto [end, error] = std::from_chars(text.begin(), text.end(), target);
    if (error != std::errc{} || end != text.end() || target == 0) {
        throw UsageError("argument " + std::to_string(at) + ": found \"" + std::string(text) +
                         "\", wanted a number above 0");
    }
}

Arguments parse(int argc, char** argv) {
    if (argc < 2) throw UsageError("the first argument is missing: the path of words_producer");
    Arguments arguments{.producer = argv[1]};
    take(argc, argv, 2, arguments.batch);
    take(argc, argv, 3, arguments.producers);
    take(argc, argv, 4, arguments.words);
    take(argc, argv, 5, arguments.turns);
    take(argc, argv, 6, arguments.threads);
    if (argc > 7) arguments.lists = argv[7];
    return arguments;
}

// What every way of feeding must have brought: the sums do not depend on the order.
struct Brought {
    std::uint64_t records = 0;
    std::uint64_t ngrams = 0;
    std::int64_t labels = 0;
    bool operator==(const Brought&) const = default;

    void add(const words::Examples& examples) {
        records += static_cast<std::uint64_t>(examples.records);
        ngrams += static_cast<std::uint64_t>(examples.ngrams.size(0));
    }
};

struct Turn {
    double seconds = 0;
    Brought brought;
};

double seconds_since(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
}

double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    const std::size_t middle = values.size() / 2;
    return values.size() % 2 != 0 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

// One epoch: `next` gives batches until there is none.
template <class Next>
Turn train(words::Learner& learner, const at::Device& device, Next next) {
    Turn turn;
    at::Tensor labels = at::zeros({}, at::TensorOptions().dtype(at::kLong).device(device));
    const auto start = Clock::now();
    while (auto examples = next()) {
        learner.step(*examples);
        turn.brought.add(*examples);
        labels += examples->labels.sum();
    }
    turn.brought.labels = labels.item<std::int64_t>();  // waits for the device
    turn.seconds = seconds_since(start);
    return turn;
}

// ---- through torch::data -----------------------------------------------------------------------

struct Sample {
    at::Tensor ngrams, weights;
    std::int64_t label = 0;
};

// What a dataset of torch::data looks like: one word at a call, made of text when it is asked for,
// as the producers do.
class WordDataset : public ::torch::data::datasets::Dataset<WordDataset, Sample> {
  public:
    explicit WordDataset(const std::vector<words::Word>& list) : list_(&list) {}
    Sample get(std::size_t index) override {
        const words::Word& word = (*list_)[index];
        const std::u32string letters = words::code_points_of(word.text).value();
        std::array<std::int32_t, words::kMostNgrams> rows{};
        std::array<float, words::kMostNgrams> weights{};
        const auto count = static_cast<std::int64_t>(words::write_ngrams(letters, rows, weights));
        Sample sample{.ngrams = at::empty({count}, at::kInt),
                      .weights = at::empty({count}, at::kFloat),
                      .label = static_cast<std::int64_t>(word.language)};
        std::copy_n(rows.begin(), count, sample.ngrams.data_ptr<std::int32_t>());
        std::copy_n(weights.begin(), count, sample.weights.data_ptr<float>());
        return sample;
    }
    // LibTorch's optional, which is not std::optional in all versions.
    using Size =
        decltype(std::declval<const ::torch::data::datasets::Dataset<WordDataset, Sample>&>()
                     .size());
    Size size() const override { return list_->size(); }

  private:
    const std::vector<words::Word>* list_;
};

// What torch::data calls a collation; its workers do it.
class Collate
    : public ::torch::data::transforms::BatchTransform<std::vector<Sample>, words::Examples> {
  public:
    words::Examples apply_batch(std::vector<Sample> samples) override {
        std::vector<at::Tensor> ngrams, weights;
        std::vector<std::int32_t> offsets{0};
        std::vector<std::int64_t> labels;
        for (const Sample& sample : samples) {
            ngrams.push_back(sample.ngrams);
            weights.push_back(sample.weights);
            offsets.push_back(offsets.back() + static_cast<std::int32_t>(sample.ngrams.size(0)));
            labels.push_back(sample.label);
        }
        return {.ngrams = at::cat(ngrams),
                .offsets = at::tensor(offsets, at::kInt),
                .weights = at::cat(weights),
                .labels = at::tensor(labels, at::kLong),
                .records = static_cast<std::int64_t>(samples.size())};
    }
};

words::Examples moved(const words::Examples& examples, const at::Device& device) {
    return {.ngrams = examples.ngrams.to(device),
            .offsets = examples.offsets.to(device),
            .weights = examples.weights.to(device),
            .labels = examples.labels.to(device),
            .records = examples.records};
}

class TorchData {
  public:
    TorchData(const Arguments& arguments, const std::vector<words::Word>& list)
        : loader_(::torch::data::make_data_loader(
              WordDataset(list).map(Collate()),
              ::torch::data::samplers::RandomSampler(static_cast<std::int64_t>(list.size())),
              ::torch::data::DataLoaderOptions()
                  .batch_size(arguments.batch)
                  .workers(arguments.producers))) {}

    Turn epoch(words::Learner& learner, const at::Device& device) {
        auto at = loader_->begin();
        bool is_first = true;
        return train(learner, device, [&]() -> std::optional<words::Examples> {
            if (!is_first) ++at;
            is_first = false;
            if (at == loader_->end()) return std::nullopt;
            return moved(*at, device);
        });
    }

  private:
    using Loader = ::torch::data::StatelessDataLoader<
        ::torch::data::datasets::MapDataset<WordDataset, Collate>,
        ::torch::data::samplers::RandomSampler>;
    std::unique_ptr<Loader> loader_;
};

// ---- through Headrace --------------------------------------------------------------------------

class Headrace {
  public:
    Headrace(const Arguments& arguments, const words::WordLists& lists, const Device& device)
        : ring_(Ring::create({.name = "bench-torch-" + std::to_string(getpid()),
                              .schema = words::record_schema(),
                              .slots = 4 * arguments.batch,
                              .epoch_records = lists.train.size(),
                              .shuffle_seed = 7})),
          producers_(
              words::producer_command(
                  arguments.producer, lists,
                  {.folder = arguments.lists, .limit = arguments.words, .train = ring_.name()}),
              arguments.producers,
              [](const std::string& text) { std::fprintf(stderr, "%s\n", text.c_str()); }),
          loader_(ring_, {.batch = arguments.batch, .device = device}) {}
    ~Headrace() { ring_.close(); }

    Turn epoch(words::Learner& learner, const at::Device& device) {
        return train(learner, device, [&]() -> std::optional<words::Examples> {
            auto result = loader_.next(torch::current_stream(loader_.device()));
            if (!result) return std::nullopt;
            const auto start = Clock::now();
            const auto tensors = torch::to_tensors(std::move(*result));
            tensors_us_.push_back(1e6 * seconds_since(start));
            return words::to_examples(tensors);
        });
    }
    std::vector<double>& tensors_us() { return tensors_us_; }
    std::string verdict() const { return loader_.stats().verdict(); }

  private:
    Ring ring_;
    samples::Processes producers_;
    Loader loader_;
    std::vector<double> tensors_us_;  // of each call of to_tensors
};

// ---- on the device already ---------------------------------------------------------------------

class Resident {
  public:
    Resident(const Arguments& arguments, const std::vector<words::Word>& list,
             const at::Device& device) {
        WordDataset dataset(list);
        std::vector<Sample> samples;
        for (std::size_t place = 0; place < list.size(); ++place) {
            samples.push_back(dataset.get(permute(place, list.size(), kOrder)));
            if (samples.size() == arguments.batch || place + 1 == list.size()) {
                batches_.push_back(moved(Collate().apply_batch(samples), device));
                samples.clear();
            }
        }
    }
    Turn epoch(words::Learner& learner, const at::Device& device) {
        std::size_t at = 0;
        return train(learner, device, [&]() -> std::optional<words::Examples> {
            if (at == batches_.size()) return std::nullopt;
            return batches_[at++];
        });
    }

  private:
    static constexpr std::uint64_t kOrder = 7;  // names one of all orders
    std::vector<words::Examples> batches_;
};

// ---- the report --------------------------------------------------------------------------------

cli::Json figures_of(const std::vector<Turn>& turns, const std::vector<Turn>& ceiling) {
    std::vector<double> seconds, shares;
    for (std::size_t turn = 0; turn < turns.size(); ++turn) {
        seconds.push_back(turns[turn].seconds);
        shares.push_back(ceiling[turn].seconds / turns[turn].seconds);
    }
    return {{"seconds", median(seconds)},
            {"share_of_ceiling", median(shares)},
            {"seconds_by_turn", seconds}};
}

int run(const Arguments& arguments) {
    at::set_num_threads(static_cast<int>(arguments.threads));
    const words::WordLists lists = words::read_word_lists(arguments.lists, arguments.words);
    const Device device = ::torch::cuda::is_available() ? Device::best() : Device::host();
    const at::Device there = torch::device_of(device);
    words::Learner learner({.batch = arguments.batch}, there);
    Resident resident(arguments, lists.train, there);
    TorchData torch_data(arguments, lists.train);
    Headrace headrace(arguments, lists, device);

    std::vector<Turn> on_device, by_torch_data, by_headrace;
    const auto turn = [&] {
        on_device.push_back(resident.epoch(learner, there));
        by_torch_data.push_back(torch_data.epoch(learner, there));
        by_headrace.push_back(headrace.epoch(learner, there));
    };
    turn();  // to warm up
    const Brought wanted = on_device.front().brought;
    for (auto* turns : {&on_device, &by_torch_data, &by_headrace}) turns->clear();
    headrace.tensors_us().clear();
    for (std::uint32_t i = 0; i < arguments.turns; ++i) turn();

    bool verified = wanted.records == lists.train.size();
    for (const auto* turns : {&on_device, &by_torch_data, &by_headrace}) {
        for (const Turn& one : *turns) verified = verified && one.brought == wanted;
    }
    std::vector<double>& us = headrace.tensors_us();
    std::sort(us.begin(), us.end());
    const cli::Json report{
        {"benchmark", "torch_epoch"},
        {"verified", verified},
        {"device", device.name()},
        {"libtorch", TORCH_VERSION},
        {"batch", arguments.batch},
        {"producers", arguments.producers},
        {"threads", arguments.threads},
        {"records", wanted.records},
        {"turns", arguments.turns},
        {"on_device", figures_of(on_device, on_device)},
        {"torch_data", figures_of(by_torch_data, on_device)},
        {"headrace", figures_of(by_headrace, on_device)},
        {"to_tensors_us", {{"median", median(us)}, {"p99", us[us.size() * 99 / 100]}}},
        {"verdict", headrace.verdict()},
        {"date", cli::utc_now()},
        {"machine", cli::machine_json(cli::this_machine())}};
    std::printf("%s\n", report.dump(2).c_str());
    return verified ? 0 : 1;
}

}  // namespace
}  // namespace headrace::bench

int main(int argc, char** argv) {
    try {
        return headrace::bench::run(headrace::bench::parse(argc, argv));
    } catch (const std::exception& error) {
        std::fprintf(stderr, "torch_epoch: %s\n", error.what());
        return 1;
    }
}
