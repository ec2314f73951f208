// The code of docs/from-torch-data.md, run as it stands there.
#include <gtest/gtest.h>
#include <torch/data/dataloader.h>
#include <torch/data/example.h>
#include <unistd.h>

#include <cstdint>
#include <string>
#include <thread>
#include <utility>

#include "headrace/headrace.hpp"
#include "headrace/torch.hpp"
#include "headrace/torch_data.hpp"

namespace {

struct Sample {
    torch::Tensor wave, label;
};

// As long as its number tells, of ones, with the number as its label.
Sample read_sample(std::uint64_t item) {
    const auto number = static_cast<std::int64_t>(item);
    return {torch::ones({number + 1}), torch::full({1}, number, torch::kLong)};
}

void produce(const std::string& name) {
    auto producer = headrace::Producer::attach(name);
    while (auto record = producer.claim()) {
        const Sample sample = read_sample(record->item());  // what get(index) did
        if (record->item() % 2 == 0) {
            headrace::torch::publish(*record, {sample.wave, sample.label});
            continue;
        }
        const auto& [wave, label] = sample;
        headrace::torch::publish(*record, {wave, label});
    }
}

// The sum of what was in the waves, and how many labels there were.
struct Seen {
    double sum = 0;
    std::int64_t records = 0;
};

void expect_epochs(const Seen& seen, int epochs) {
    EXPECT_EQ(seen.records, epochs * 285);
    EXPECT_EQ(seen.sum, epochs * 285 * 286 / 2);
}

TEST(TorchDataGuideTest, KeepsTheLoop) {
    const std::string name = "torch-data-guide-" + std::to_string(getpid());
    std::thread process(produce, name);
    Seen seen;
    const auto train_step = [&](const torch::Tensor& wave, const torch::Tensor& label) {
        EXPECT_EQ(wave.size(1), 1'000);
        seen.sum += wave.sum().item<double>();
        seen.records += label.size(0);
    };
    headrace::torch_data::RingDataset dataset(
        {.name = name,
         .schema = {{"wave", headrace::f32, 1'000}, {"label", headrace::i64, 1}},
         .slots = 256,
         .epoch_records = 285,
         .epochs = 3,
         .shuffle_seed = 7},
        {.batch = 32, .layout = headrace::Layout::padded});
    auto loader =
        torch::data::make_data_loader(dataset.map(headrace::torch_data::AsExample("wave", "label")),
                                      torch::data::DataLoaderOptions().batch_size(32));
    for (int epoch = 0; epoch < 3; ++epoch) {
        for (torch::data::Example<>& batch : *loader) {
            train_step(batch.data, batch.target);
        }
    }
    process.join();
    expect_epochs(seen, 3);
}

TEST(TorchDataGuideTest, GoesWithoutTheIterator) {
    const std::string name = "torch-guide-" + std::to_string(getpid());
    std::thread process(produce, name);
    Seen seen;
    const auto train_step = [&](const torch::Tensor& wave, const torch::Tensor& label) {
        seen.sum += wave.sum().item<double>();
        seen.records += label.size(0);
    };
    auto ring = headrace::Ring::create(
        {.name = name,
         .schema = {{"wave", headrace::f32, 1'000}, {"label", headrace::i64, 1}},
         .slots = 256,
         .epoch_records = 285,
         .epochs = 1});
    {
        headrace::Loader loader(ring, {.batch = 32});
        const headrace::StreamRef stream = headrace::torch::current_stream(loader.device());
        for (headrace::Batch& batch : loader.epoch(stream)) {
            const auto tensors = headrace::torch::to_tensors(std::move(batch));
            train_step(tensors["wave"].values, tensors["label"].values);
        }
    }
    process.join();
    expect_epochs(seen, 1);
}

}  // namespace
