// The code of docs/torch.md, run as it stands there: outside of our namespace, as a trainer is.
#include <gtest/gtest.h>
#include <torch/data/dataloader.h>
#include <torch/serialize.h>
#include <torch/types.h>
#include <unistd.h>

#include <cstdint>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "headrace/headrace.hpp"
#include "headrace/torch.hpp"
#include "headrace/torch_data.hpp"

namespace {

constexpr std::int64_t kBands = 4;

headrace::RingOptions voices() {
    static int number = 0;
    return {
        .name = "torch-guide-" + std::to_string(getpid()) + "-" + std::to_string(++number),
        .schema = {{"mel", headrace::f32, 40}, {"label", headrace::i64, 1}},
        .slots = 16,
        .epoch_records = 24,
        .epochs = 2,
    };
}

// So many rows of `kBands` as the item's number modulo 10 says.
torch::Tensor mel_of(std::uint64_t item) {
    return torch::full({static_cast<std::int64_t>(item % 10), kBands}, static_cast<float>(item));
}

void produce(headrace::Producer producer) {
    while (auto record = producer.claim()) {
        const torch::Tensor mel = mel_of(record->item());
        const torch::Tensor label = torch::tensor(static_cast<std::int64_t>(record->item() % 3));
        headrace::torch::publish(*record, {mel, label});
    }
}

TEST(TorchGuideTest, TakesTensorsOfBatches) {
    auto ring = headrace::Ring::create(voices());
    std::thread process([&] { produce(ring.producer()); });
    const headrace::Device device = headrace::Device::host();
    double sum = 0, wanted = 0;
    const auto train_step = [&](const torch::Tensor& frames, const torch::Tensor& starts,
                                const torch::Tensor& labels) {
        sum += frames.sum().item<double>();
        EXPECT_EQ(frames.size(1), kBands);
        EXPECT_EQ(starts.size(0), labels.size(0) + 1);
    };

    headrace::Loader loader(ring, {.batch = 8, .device = device, .depth = 3});
    const headrace::StreamRef stream = headrace::torch::current_stream(loader.device());
    while (auto batch = loader.next(stream)) {
        const auto tensors = headrace::torch::to_tensors(std::move(*batch));
        const torch::Tensor frames = tensors["mel"].values.view({-1, kBands});     // [total, bands]
        const torch::Tensor starts = tensors["mel"].offsets.floor_divide(kBands);  // [B + 1]
        train_step(frames, starts, tensors["label"].values);
    }

    for (std::uint64_t item = 0; item < 24; ++item) wanted += mel_of(item).sum().item<double>();
    EXPECT_EQ(sum, wanted);
    ring.close();
    process.join();
}

TEST(TorchGuideTest, MasksNestsAndOwns) {
    auto ring = headrace::Ring::create(voices());
    std::thread process([&] { produce(ring.producer()); });

    headrace::Loader loader(ring, {.batch = 8, .layout = headrace::Layout::rows});
    const auto tensors = headrace::torch::to_owned_tensors(std::move(*loader.next()));
    // The batch has been given back already; these are packed, and LibTorch's.
    const torch::Tensor nested = headrace::torch::nested_of(tensors, "mel", kBands);
    const torch::Tensor third = nested.unbind()[3];  // [3, bands]
    EXPECT_TRUE(third.equal(mel_of(3)));

    const auto rows = headrace::torch::to_tensors(std::move(*loader.next()));
    const torch::Tensor mask = headrace::torch::mask_of(rows, "mel");  // bool[B, width]
    const torch::Tensor mel = rows["mel"].values.masked_fill(~mask, 0);
    const torch::Tensor lengths = headrace::torch::lengths_of(rows, "mel");  // int64[B]
    const torch::Tensor means = mel.sum(1) / lengths.clamp_min(1);
    EXPECT_EQ(means[0].item<float>(), 8);
    EXPECT_EQ(means[1].item<float>(), 9);
    EXPECT_EQ(means[2].item<float>(), 0) << "item 10 has no element";
    ring.close();
    process.join();
}

TEST(TorchGuideTest, LoopsByTorchData) {
    const headrace::RingOptions ring_options = voices();
    const headrace::LoaderOptions loader_options{.batch = 8, .layout = headrace::Layout::padded};
    const std::string checkpoint = testing::TempDir() + ring_options.name + ".pt";
    std::int64_t batches = 0;
    const auto train_step = [&](const torch::Tensor& data, const torch::Tensor& target) {
        EXPECT_EQ(data.size(0), target.size(0));
        ++batches;
    };
    {
        headrace::torch_data::RingDataset dataset(ring_options, loader_options);
        std::thread process([&] { produce(dataset.ring().producer()); });
        auto data_loader = torch::data::make_data_loader(
            dataset.map(headrace::torch_data::AsExample("mel", "label")), /*batch_size=*/8);
        for (auto& batch : *data_loader) {
            train_step(batch.data, batch.target);
        }
        torch::save(dataset, checkpoint);
        dataset.close();
        process.join();
    }
    EXPECT_EQ(batches, 3);
    headrace::torch_data::RingDataset dataset(ring_options, loader_options);
    torch::load(dataset, checkpoint);  // before the first loop
    EXPECT_EQ(dataset.state().index, 24u);
}

}  // namespace
