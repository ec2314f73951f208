#include <torch/types.h>

#include <random>
#include <thread>

#include "torch_fixture.hpp"

namespace headrace {
namespace {

using torch::BatchTensors;
using torch::to_tensors;
using namespace std::chrono_literals;

using ToTensorsTest = TorchFixture;

// ---- what they hold ----------------------------------------------------------------------------

TEST_F(ToTensorsTest, HaveTheValuesOfAPackedBatch) {
    make(3, 3);
    put(2, 1);
    put(0, 2);
    put(3, 0);
    Batch batch = take();
    const float* const memory = batch.values<float>("a");
    const BatchTensors tensors = to_tensors(std::move(batch));
    EXPECT_EQ(tensors.size(), 3u);
    EXPECT_EQ(tensors.layout, Layout::packed);
    EXPECT_EQ(tensors.epoch, 0u);
    EXPECT_EQ(tensors.first_index, 0u);
    EXPECT_EQ(tensors.last_index, 3u);
    EXPECT_EQ(tensors.indices, (std::vector<std::uint64_t>{0, 1, 2}));
    EXPECT_EQ(tensors.items, (std::vector<std::uint64_t>{0, 1, 2}));
    const auto& a = tensors["a"];
    EXPECT_EQ(a.values.data_ptr<float>(), memory) << "a copy";
    EXPECT_EQ(to_vector<float>(a.values), (std::vector<float>{0, 1, 20, 21, 22}));
    EXPECT_EQ(to_vector<std::int32_t>(a.offsets), (std::vector<std::int32_t>{0, 2, 2, 5}));
    EXPECT_EQ(a.longest, 3);
    EXPECT_EQ(a.total, 5);
    const auto& b = tensors["b"];
    EXPECT_EQ(to_vector<std::int32_t>(b.values), (std::vector<std::int32_t>{0, 1, 1}));
    EXPECT_EQ(to_vector<std::int32_t>(b.offsets), (std::vector<std::int32_t>{0, 1, 3, 3}));
    const auto on_host = tensors.host_offsets("b");
    EXPECT_EQ(std::vector<std::int64_t>(on_host.begin(), on_host.end()),
              (std::vector<std::int64_t>{0, 1, 3, 3}));
    EXPECT_TRUE(contains(error_text<UsageError>([&] { tensors["c"]; }), "a"));
    EXPECT_THROW(tensors.host_offsets("c"), UsageError);
}

TEST_F(ToTensorsTest, HaveARowForEachRecordWhenTrimmed) {
    make(2, 2, {.layout = Layout::trimmed});
    put(2, 0);
    put(3, 0);
    const BatchTensors tensors = to_tensors(take());
    EXPECT_EQ(tensors["a"].values.sizes(), (at::IntArrayRef{2, 3}));
    EXPECT_EQ(to_vector<float>(tensors["a"].values), (std::vector<float>{0, 1, -1, 10, 11, 12}));
    EXPECT_EQ(tensors["b"].values.sizes(), (at::IntArrayRef{2, 0}));
    EXPECT_EQ(to_vector<std::int32_t>(tensors["a"].offsets), (std::vector<std::int32_t>{0, 2, 5}));
}

TEST_F(ToTensorsTest, AreAsWideAsTheCapacityWhenPadded) {
    make(2, 2, {.layout = Layout::padded});
    put(1, 1);
    put(8, 4);
    const BatchTensors tensors = to_tensors(take());
    EXPECT_EQ(tensors["a"].values.sizes(), (at::IntArrayRef{2, 8}));
    EXPECT_EQ(to_vector<float>(tensors["a"].values[0]),
              (std::vector<float>{0, -1, -1, -1, -1, -1, -1, -1}));
    EXPECT_EQ(to_vector<std::int32_t>(tensors["b"].values),
              (std::vector<std::int32_t>{0, 0, 0, 0, 1, 1, 1, 1}));
}

TEST_F(ToTensorsTest, AreTheRingsRowsInTheLayoutRows) {
    make(2, 2, {.layout = Layout::rows});
    put(1, 1);
    put(8, 4);
    const BatchTensors tensors = to_tensors(take());
    EXPECT_EQ(tensors.layout, Layout::rows);
    const at::Tensor& a = tensors["a"].values;
    EXPECT_EQ(a.sizes(), (at::IntArrayRef{2, 8})) << "32 bytes are a row of the ring";
    EXPECT_EQ(a[0][0].item<float>(), 0);
    EXPECT_EQ(to_vector<float>(a[1]), (std::vector<float>{10, 11, 12, 13, 14, 15, 16, 17}));
}

TEST_F(ToTensorsTest, HaveWideOffsetsWhereTheLoaderHas) {
    make(2, 2, {.offsets = i64});
    put(2, 4);
    put(3, 0);
    const BatchTensors tensors = to_tensors(take());
    EXPECT_EQ(to_vector<std::int64_t>(tensors["a"].offsets), (std::vector<std::int64_t>{0, 2, 5}));
    EXPECT_EQ(tensors.host_offsets("b")[2], 4);
}

TEST_F(ToTensorsTest, AreThereForABatchWithoutARecord) {
    for (const Layout layout : {Layout::packed, Layout::trimmed, Layout::padded}) {
        make(2, 2, {.layout = layout});
        for (int i = 0; i < 2; ++i) producer_->claim()->skip("a hole");
        {
            const BatchTensors tensors = to_tensors(take());
            EXPECT_EQ(tensors.size(), 0u);
            EXPECT_EQ(tensors["a"].values.numel(), 0);
            EXPECT_EQ(tensors["a"].values.scalar_type(), at::kFloat);
            EXPECT_EQ(tensors["a"].total, 0);
            EXPECT_EQ(tensors["a"].longest, 0);
            EXPECT_EQ(tensors["a"].values.sum().item<float>(), 0);
            EXPECT_EQ(to_vector<std::int32_t>(tensors["a"].offsets), std::vector<std::int32_t>{0});
        }
        EXPECT_TRUE(is_given_back(2));
    }
}

TEST_F(ToTensorsTest, HaveTheDTypeOfTheField) {
    RingOptions options = RingFixture::options(2);
    std::vector<Field> fields;
    for (int dtype = 1; dtype <= 9; ++dtype) {
        fields.push_back({"of_" + std::to_string(dtype), static_cast<DType>(dtype), 5});
    }
    options.schema = Schema(fields);
    ring_.emplace(Ring::create(options));
    loader_.emplace(*ring_, LoaderOptions{.batch = 2});
    producer_.emplace(ring_->producer());
    // 5 and 2 elements, 1, 2 and so on, written as LibTorch writes them.
    for (const int length : {5, 2}) {
        auto record = producer_->claim();
        std::vector<at::Tensor> tensors;
        for (const Field& field : fields) {
            tensors.push_back(at::arange(1, length + 1, torch::scalar_type_of(field.dtype)));
        }
        torch::publish(*record, tensors);
    }
    const BatchTensors batch = to_tensors(take());
    for (std::size_t field = 0; field < fields.size(); ++field) {
        const at::Tensor& values = batch.fields[field].values;
        EXPECT_EQ(values.scalar_type(), torch::scalar_type_of(fields[field].dtype));
        EXPECT_EQ(to_vector<double>(values.to(at::kDouble)),
                  (std::vector<double>{1, 2, 3, 4, 5, 1, 2}))
            << name_of(fields[field].dtype);
    }
}

TEST_F(ToTensorsTest, AreTheCallersToWrite) {
    make(2, 2);
    put(2, 0);
    put(1, 0);
    const BatchTensors tensors = to_tensors(take());
    tensors["a"].values.mul_(2).add_(1);
    EXPECT_EQ(to_vector<float>(tensors["a"].values), (std::vector<float>{1, 3, 21}));
}

// ---- how long ----------------------------------------------------------------------------------

TEST_F(ToTensorsTest, GiveTheBatchBackWithTheLastOfThem) {
    make(4, 2, {.depth = 1});
    for (int i = 0; i < 4; ++i) put(3, 1);
    at::Tensor view;
    {
        const BatchTensors tensors = to_tensors(take());
        view = tensors["a"].values.slice(0, 1, 3).view({2, 1});
        EXPECT_EQ(position(), 0u);
    }
    EXPECT_EQ(position(), 0u);
    // The one batch there is is out: the next cannot come.
    EXPECT_EQ(loader_->next_for(20ms).outcome(), Outcome::timed_out);
    EXPECT_EQ(to_vector<float>(view), (std::vector<float>{1, 2}));
    view.reset();
    EXPECT_TRUE(is_given_back(2));
    EXPECT_EQ(to_vector<float>(to_tensors(take())["a"].values),
              (std::vector<float>{20, 21, 22, 30, 31, 32}));
}

TEST_F(ToTensorsTest, HoldTheBatchForItsOffsetsAlone) {
    make(2, 2);
    put(0, 0);
    put(0, 0);
    at::Tensor offsets = to_tensors(take())["a"].offsets;
    EXPECT_EQ(position(), 0u);
    EXPECT_EQ(to_vector<std::int32_t>(offsets), (std::vector<std::int32_t>{0, 0, 0}));
    offsets.reset();
    EXPECT_TRUE(is_given_back(2));
}

TEST_F(ToTensorsTest, HoldTheBatchAndNotTheObjectAroundThem) {
    make(2, 2);
    put(1, 1);
    put(1, 1);
    BatchTensors tensors = to_tensors(take());
    const BatchTensors copy = tensors;
    EXPECT_NO_THROW(tensors.used_on(StreamRef{}));
    tensors.fields.clear();
    EXPECT_EQ(position(), 0u) << "the copy has them still";
    EXPECT_NO_THROW(tensors.used_on(StreamRef{}));
    const_cast<BatchTensors&>(copy).fields.clear();
    EXPECT_TRUE(is_given_back(2));
    EXPECT_TRUE(contains(error_text<UsageError>([&] { tensors.used_on(StreamRef{}); }),
                         "the batch has been given back"));
    EXPECT_EQ(copy.host_offsets("a")[2], 2) << "what was told stays";
}

TEST_F(ToTensorsTest, MayBeLetGoOfOnAnotherThread) {
    make(2, 2);
    put(1, 1);
    put(1, 1);
    std::thread([tensors = to_tensors(take())]() mutable { tensors = BatchTensors{}; }).join();
    EXPECT_TRUE(is_given_back(2));
}

TEST_F(ToTensorsTest, OutliveLoaderAndRing) {
    make(2, 2);
    put(2, 1);
    put(1, 1);
    const BatchTensors tensors = to_tensors(take());
    producer_.reset();
    loader_.reset();
    ring_.reset();
    EXPECT_EQ(to_vector<float>(tensors["a"].values), (std::vector<float>{0, 1, 10}));
}

// What autograd keeps for the way back lies in the batch.
TEST_F(ToTensorsTest, AreHeldByAutograd) {
    make(2, 2);
    put(2, 0);
    put(1, 0);
    const at::Tensor weight = ::torch::ones({1}, at::TensorOptions().requires_grad(true));
    at::Tensor loss = (to_tensors(take())["a"].values * weight).sum();
    EXPECT_EQ(position(), 0u);
    loss.backward();
    EXPECT_EQ(weight.grad().item<float>(), 0 + 1 + 10);
    loss.reset();
    EXPECT_TRUE(is_given_back(2));
}

// Views of views, kept for as long as it happens, dropped on other threads, in any order.
TEST_F(ToTensorsTest, KeepTheirValuesWhateverIsHeld) {
    const std::uint64_t seed = test_seed();
    SCOPED_TRACE(seed_note(seed));
    std::mt19937_64 random(seed);
    constexpr std::uint64_t kRecords = 400;
    make(kRecords, 2, {.depth = 4});
    struct Held {
        at::Tensor view;
        std::vector<float> values;
    };
    std::vector<Held> held;
    for (std::uint64_t record = 0; record < kRecords; record += 2) {
        for (int i = 0; i < 2; ++i) put(1 + static_cast<std::uint32_t>(random() % 8), 0);
        if (held.size() == 3) {  // of four batches
            const std::size_t which = random() % held.size();
            ASSERT_EQ(to_vector<float>(held[which].view), held[which].values);
            std::thread([gone = std::move(held[which])] {}).join();
            held.erase(held.begin() + static_cast<std::ptrdiff_t>(which));
        }
        const at::Tensor values = to_tensors(take())["a"].values;
        const auto from = static_cast<std::int64_t>(random() % 2);  // some have one element only
        const at::Tensor view = values.slice(0, from).unsqueeze(1).t();
        held.push_back({view, to_vector<float>(view.clone())});
    }
    held.clear();
    EXPECT_TRUE(is_given_back(kRecords));
}

TEST(ScalarTypeTest, NamesEveryDType) {
    using torch::scalar_type_of;
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
        EXPECT_EQ(c10::elementSize(scalar_type_of(dtype)), bytes_of(dtype));
    }
    EXPECT_THROW(scalar_type_of(static_cast<DType>(99)), UsageError);
}

TEST(TorchDeviceTest, IsTheCpuForTheHost) {
    EXPECT_TRUE(torch::device_of(Device::host()).is_cpu());
    EXPECT_EQ(torch::current_stream(Device::host()).native, nullptr);
    EXPECT_EQ(torch::stream_of(c10::Stream(c10::Stream::DEFAULT, c10::Device(c10::kCPU))).native,
              nullptr);
}

}  // namespace
}  // namespace headrace
