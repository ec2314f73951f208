#include <gtest/gtest.h>
#include <torch/types.h>
#include <unistd.h>

#include <chrono>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "headrace/headrace.hpp"
#include "headrace/torch.hpp"

namespace {

using headrace::Batch;
using headrace::Layout;
using headrace::torch::BatchTensors;
using headrace::torch::to_tensors;
using namespace std::chrono_literals;

constexpr auto kDeadline = 30s;

// A ring of this process, written and read by the test itself: records of `a` f32[8] and `b`
// i32[4].
class ToTensorsTest : public testing::Test {
  protected:
    void make(std::uint64_t records, std::uint32_t batch, Layout layout = Layout::packed,
              std::uint32_t depth = 2) {
        static int number = 0;
        headrace::RingOptions ring;
        ring.name = "to-tensors-" + std::to_string(getpid()) + "-" + std::to_string(++number);
        ring.schema = {{"a", headrace::f32, 8}, {"b", headrace::i32, 4}};
        ring.slots = 16;
        ring.epoch_records = records;
        ring.epochs = 1;
        ring_.emplace(headrace::Ring::create(ring));
        headrace::LoaderOptions loader;
        loader.batch = batch;
        loader.layout = layout;
        loader.device = headrace::Device::host();
        loader.depth = depth;
        loader.pad_values = {{"a", -1.0}};
        loader_.emplace(*ring_, loader);
        producer_.emplace(ring_->producer());
    }
    // Publishes the next record: `a` is 10 i, 10 i + 1 and so on, `b` is i as often as asked.
    void put(std::uint32_t floats, std::int32_t ints) {
        auto record = producer_->claim();
        ASSERT_TRUE(record);
        const auto a = record->field<float>("a");
        const auto b = record->field<std::int32_t>("b");
        const std::uint64_t index = record->index();
        for (std::size_t i = 0; i < floats; ++i) a[i] = static_cast<float>(10 * index + i);
        for (std::int32_t i = 0; i < ints; ++i) {
            b[static_cast<std::size_t>(i)] = static_cast<std::int32_t>(index);
        }
        record->publish(floats, ints);
    }
    Batch take() {
        auto batch = loader_->next_for(kDeadline);
        if (!batch) throw std::runtime_error("no batch: " + std::string(name_of(batch.outcome())));
        return std::move(*batch);
    }
    // True as soon as everything before `index` has been given back.
    bool given_back(std::uint64_t index) {
        const auto deadline = std::chrono::steady_clock::now() + kDeadline;
        while (std::chrono::steady_clock::now() < deadline) {
            if (loader_->state().index == index) return true;
            std::this_thread::sleep_for(1ms);
        }
        return false;
    }

    std::optional<headrace::Ring> ring_;
    std::optional<headrace::Loader> loader_;
    std::optional<headrace::Producer> producer_;
};

template <class T>
std::vector<T> to_vector(const at::Tensor& tensor) {
    const at::Tensor flat = tensor.contiguous().flatten();
    return {flat.data_ptr<T>(), flat.data_ptr<T>() + flat.numel()};
}

TEST_F(ToTensorsTest, HasTheValuesOfAPackedBatch) {
    make(3, 3);
    put(2, 1);
    put(0, 2);
    put(3, 0);
    Batch batch = take();
    const float* const memory = batch.values<float>("a");
    const BatchTensors tensors = to_tensors(std::move(batch));
    EXPECT_EQ(tensors.size(), 3u);
    EXPECT_EQ(tensors.epoch, 0u);
    EXPECT_EQ(tensors.items, (std::vector<std::uint64_t>{0, 1, 2}));
    const auto& a = tensors["a"];
    EXPECT_EQ(a.values.data_ptr<float>(), memory);  // not a copy
    EXPECT_EQ(to_vector<float>(a.values), (std::vector<float>{0, 1, 20, 21, 22}));
    EXPECT_EQ(to_vector<std::int32_t>(a.offsets), (std::vector<std::int32_t>{0, 2, 2, 5}));
    EXPECT_EQ(a.longest, 3);
    EXPECT_EQ(a.total, 5);
    const auto& b = tensors["b"];
    EXPECT_EQ(to_vector<std::int32_t>(b.values), (std::vector<std::int32_t>{0, 1, 1}));
    EXPECT_EQ(to_vector<std::int32_t>(b.offsets), (std::vector<std::int32_t>{0, 1, 3, 3}));
    EXPECT_THROW(tensors["c"], headrace::UsageError);
}

TEST_F(ToTensorsTest, HasARowForEachRecordWhenTrimmed) {
    make(2, 2, Layout::trimmed);
    put(2, 0);
    put(3, 0);
    const BatchTensors tensors = to_tensors(take());
    EXPECT_EQ(tensors["a"].values.sizes(), (at::IntArrayRef{2, 3}));
    EXPECT_EQ(to_vector<float>(tensors["a"].values), (std::vector<float>{0, 1, -1, 10, 11, 12}));
    EXPECT_EQ(tensors["b"].values.sizes(), (at::IntArrayRef{2, 0}));
    EXPECT_EQ(to_vector<std::int32_t>(tensors["a"].offsets), (std::vector<std::int32_t>{0, 2, 5}));
}

TEST_F(ToTensorsTest, IsAsWideAsTheCapacityWhenPadded) {
    make(2, 2, Layout::padded);
    put(1, 1);
    put(8, 4);
    const BatchTensors tensors = to_tensors(take());
    EXPECT_EQ(tensors["a"].values.sizes(), (at::IntArrayRef{2, 8}));
    EXPECT_EQ(to_vector<float>(tensors["a"].values[0]),
              (std::vector<float>{0, -1, -1, -1, -1, -1, -1, -1}));
    EXPECT_EQ(to_vector<std::int32_t>(tensors["b"].values),
              (std::vector<std::int32_t>{0, 0, 0, 0, 1, 1, 1, 1}));
}

TEST_F(ToTensorsTest, MakesTensorsOfABatchWithoutARecord) {
    for (const Layout layout : {Layout::packed, Layout::trimmed, Layout::padded}) {
        make(2, 2, layout);
        for (int i = 0; i < 2; ++i) producer_->claim()->skip("a hole");
        {
            const BatchTensors tensors = to_tensors(take());
            EXPECT_EQ(tensors.size(), 0u);
            EXPECT_EQ(tensors["a"].values.numel(), 0);
            EXPECT_EQ(tensors["a"].values.scalar_type(), at::kFloat);
            EXPECT_EQ(tensors["a"].total, 0);
            EXPECT_EQ(tensors["a"].longest, 0);
            EXPECT_EQ(to_vector<std::int32_t>(tensors["a"].offsets), std::vector<std::int32_t>{0});
        }
        EXPECT_TRUE(given_back(2));
        producer_.reset();
        loader_.reset();
    }
}

TEST_F(ToTensorsTest, GivesTheBatchBackWithTheLastTensor) {
    make(4, 2, Layout::packed, 1);
    for (int i = 0; i < 4; ++i) put(3, 1);
    at::Tensor view;
    {
        const BatchTensors tensors = to_tensors(take());
        view = tensors["a"].values.slice(0, 1, 3).view({2, 1});
        EXPECT_EQ(loader_->state().index, 0u);
    }
    EXPECT_EQ(loader_->state().index, 0u);
    // The one batch there is is out: the next cannot come.
    EXPECT_EQ(loader_->next_for(20ms).outcome(), headrace::Outcome::timed_out);
    EXPECT_EQ(to_vector<float>(view), (std::vector<float>{1, 2}));
    view.reset();
    EXPECT_TRUE(given_back(2));
    EXPECT_EQ(to_vector<float>(to_tensors(take())["a"].values),
              (std::vector<float>{20, 21, 22, 30, 31, 32}));
}

TEST_F(ToTensorsTest, HoldsTheBatchForItsOffsetsAlone) {
    make(2, 2);
    put(0, 0);
    put(0, 0);
    at::Tensor offsets = to_tensors(take())["a"].offsets;
    EXPECT_EQ(loader_->state().index, 0u);
    EXPECT_EQ(to_vector<std::int32_t>(offsets), (std::vector<std::int32_t>{0, 0, 0}));
    offsets.reset();
    EXPECT_TRUE(given_back(2));
}

TEST_F(ToTensorsTest, MayLetGoOnAnotherThread) {
    make(2, 2);
    put(1, 1);
    put(1, 1);
    std::thread([tensors = to_tensors(take())]() mutable { tensors = BatchTensors{}; }).join();
    EXPECT_TRUE(given_back(2));
}

TEST_F(ToTensorsTest, OutlivesLoaderAndRing) {
    make(2, 2);
    put(2, 1);
    put(1, 1);
    const BatchTensors tensors = to_tensors(take());
    producer_.reset();
    loader_.reset();
    ring_.reset();
    EXPECT_EQ(to_vector<float>(tensors["a"].values), (std::vector<float>{0, 1, 10}));
}

TEST_F(ToTensorsTest, FeedsAutograd) {
    make(2, 2);
    put(2, 0);
    put(1, 0);
    at::Tensor weight = torch::ones({1}, torch::requires_grad());
    {
        const BatchTensors tensors = to_tensors(take());
        at::Tensor loss = (tensors["a"].values * weight).sum();
        EXPECT_EQ(loader_->state().index, 0u);
        loss.backward();
    }
    EXPECT_EQ(weight.grad().item<float>(), 0 + 1 + 10);
    EXPECT_TRUE(given_back(2));
}

TEST(ScalarTypeTest, NamesEveryDType) {
    using headrace::DType;
    using headrace::torch::scalar_type_of;
    EXPECT_EQ(scalar_type_of(DType::f32), at::kFloat);
    EXPECT_EQ(scalar_type_of(DType::i32), at::kInt);
    EXPECT_EQ(scalar_type_of(DType::f16), at::kHalf);
    EXPECT_EQ(scalar_type_of(DType::bf16), at::kBFloat16);
    EXPECT_EQ(scalar_type_of(DType::f64), at::kDouble);
    EXPECT_EQ(scalar_type_of(DType::i64), at::kLong);
    EXPECT_EQ(scalar_type_of(DType::i16), at::kShort);
    EXPECT_EQ(scalar_type_of(DType::i8), at::kChar);
    EXPECT_EQ(scalar_type_of(DType::u8), at::kByte);
    for (int value = 1; value <= 9; ++value) {
        const auto dtype = static_cast<DType>(value);
        EXPECT_EQ(c10::elementSize(scalar_type_of(dtype)), headrace::bytes_of(dtype));
    }
    EXPECT_THROW(scalar_type_of(static_cast<DType>(99)), headrace::UsageError);
}

}  // namespace
