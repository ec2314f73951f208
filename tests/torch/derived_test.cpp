// What is made of a batch's tensors: owned ones, lengths, masks, nested tensors.
#include <torch/types.h>

#include <random>

#include "torch_fixture.hpp"

namespace headrace {
namespace {

using torch::BatchTensors;
using torch::lengths_of;
using torch::mask_of;
using torch::nested_of;
using torch::to_owned_tensors;
using torch::to_tensors;

// ---- lengths and masks -------------------------------------------------------------------------

using MaskTest = TorchFixture;

TEST_F(MaskTest, IsTrueWhereARecordIs) {
    for (const Layout layout : {Layout::trimmed, Layout::padded, Layout::rows}) {
        SCOPED_TRACE(std::string(name_of(layout)));
        make(3, 3, {.layout = layout});
        put(2, 0);
        put(0, 0);
        put(3, 0);
        const BatchTensors batch = to_tensors(take());
        const at::Tensor& values = batch["a"].values;
        const at::Tensor mask = mask_of(batch, "a");
        EXPECT_EQ(mask.scalar_type(), at::kBool);
        EXPECT_EQ(mask.sizes(), values.sizes());
        EXPECT_EQ(to_vector<float>(values.masked_select(mask)),
                  (std::vector<float>{0, 1, 20, 21, 22}));
        EXPECT_EQ(mask_of(batch, "b").sum().item<std::int64_t>(), 0);
        EXPECT_EQ(mask_of(batch, "b").sizes(), batch["b"].values.sizes());
    }
}

TEST_F(MaskTest, IsRefusedForAPackedBatch) {
    make(1, 1);
    put(2, 0);
    const BatchTensors batch = to_tensors(take());
    EXPECT_TRUE(contains(error_text<UsageError>([&] { mask_of(batch, "a"); }),
                         "mask_of field \"a\": found a packed batch"));
    EXPECT_THROW(mask_of(batch, "c"), UsageError);
}

TEST_F(MaskTest, HasARowForNoneWithoutARecord) {
    make(1, 1, {.layout = Layout::padded});
    producer_->claim()->skip("a hole");
    const BatchTensors batch = to_tensors(take());
    EXPECT_EQ(mask_of(batch, "a").sizes(), (at::IntArrayRef{0, 8}));
    EXPECT_EQ(lengths_of(batch, "a").sizes(), (at::IntArrayRef{0}));
}

TEST_F(MaskTest, GoesWithLengths) {
    for (const DType offsets : {i32, i64}) {
        make(3, 3, {.offsets = offsets});
        put(2, 4);
        put(0, 1);
        put(8, 0);
        const BatchTensors batch = to_tensors(take());
        EXPECT_EQ(to_vector<std::int64_t>(lengths_of(batch, "a")),
                  (std::vector<std::int64_t>{2, 0, 8}));
        EXPECT_EQ(to_vector<std::int64_t>(lengths_of(batch, "b")),
                  (std::vector<std::int64_t>{4, 1, 0}));
    }
}

// ---- nested tensors ----------------------------------------------------------------------------

using NestedTest = TorchFixture;

TEST_F(NestedTest, HasEachRecordAsAView) {
    make(3, 3);
    put(2, 1);
    put(0, 0);
    put(3, 4);
    const BatchTensors batch = to_tensors(take());
    const at::Tensor nested = nested_of(batch, "a");
    ASSERT_TRUE(nested.is_nested());
    const std::vector<at::Tensor> records = nested.unbind();
    ASSERT_EQ(records.size(), 3u);
    EXPECT_EQ(to_vector<float>(records[0]), (std::vector<float>{0, 1}));
    EXPECT_EQ(records[1].sizes(), (at::IntArrayRef{0}));
    EXPECT_EQ(to_vector<float>(records[2]), (std::vector<float>{20, 21, 22}));
    EXPECT_EQ(records[2].data_ptr<float>(), batch["a"].values.data_ptr<float>() + 2) << "a copy";
    EXPECT_EQ(nested_of(batch, "b").unbind()[2].size(0), 4);
}

TEST_F(NestedTest, HasRowsOfAFixedWidth) {
    make(2, 2);
    put(2, 0);
    put(6, 0);
    const BatchTensors batch = to_tensors(take());
    const std::vector<at::Tensor> records = nested_of(batch, "a", 2).unbind();
    EXPECT_EQ(records[0].sizes(), (at::IntArrayRef{1, 2}));
    EXPECT_EQ(records[1].sizes(), (at::IntArrayRef{3, 2}));
    EXPECT_EQ(to_vector<float>(records[1][2]), (std::vector<float>{14, 15}));
    const at::Tensor padded = at::nested_to_padded_tensor(nested_of(batch, "a", 2), -1);
    EXPECT_EQ(padded.sizes(), (at::IntArrayRef{2, 3, 2}));
    EXPECT_EQ(to_vector<float>(padded[0]), (std::vector<float>{0, 1, -1, -1, -1, -1}));
}

TEST_F(NestedTest, HoldsTheBatch) {
    make(2, 2);
    put(2, 0);
    put(1, 0);
    at::Tensor nested = nested_of(to_tensors(take()), "a");
    EXPECT_EQ(position(), 0u);
    EXPECT_EQ(to_vector<float>(nested.unbind()[1]), std::vector<float>{10});
    nested.reset();
    EXPECT_TRUE(is_given_back(2));
}

TEST_F(NestedTest, OutlivesTheBatchWhenItsTensorsAreOwned) {
    make(2, 2, {.layout = Layout::rows});
    put(2, 0);
    put(1, 0);
    const at::Tensor nested = nested_of(to_owned_tensors(take()), "a");
    EXPECT_TRUE(is_given_back(2));
    EXPECT_EQ(to_vector<float>(nested.unbind()[1]), std::vector<float>{10});
}

TEST_F(NestedTest, IsThereForRecordsWithoutAnElement) {
    make(2, 2);
    put(0, 0);
    put(0, 0);
    const BatchTensors batch = to_tensors(take());
    EXPECT_EQ(nested_of(batch, "a").unbind()[1].sizes(), (at::IntArrayRef{0}));
    EXPECT_EQ(nested_of(batch, "a", 4).unbind()[1].sizes(), (at::IntArrayRef{0, 4}));
}

TEST_F(NestedTest, SaysWhatItCannotBeMadeOf) {
    make(2, 2);
    put(2, 0);
    put(3, 0);
    const BatchTensors batch = to_tensors(take());
    const auto refusal = [&](std::string_view field, std::int64_t row) {
        return error_text<UsageError>([&] { nested_of(batch, field, row); });
    };
    EXPECT_TRUE(contains(refusal("a", 2),
                         "nested_of field \"a\": record 1 has 3 elements, wanted a multiple of the "
                         "row, 2"));
    EXPECT_TRUE(contains(refusal("a", -1), "row -1, wanted 0 or more"));
    EXPECT_TRUE(contains(refusal("c", 0), "c"));

    make(1, 1, {.layout = Layout::trimmed});
    put(1, 0);
    const BatchTensors trimmed = to_tensors(take());
    EXPECT_TRUE(contains(error_text<UsageError>([&] { nested_of(trimmed, "a"); }),
                         "found layout trimmed, wanted packed"));
    make(1, 1);
    producer_->claim()->skip("a hole");
    const BatchTensors empty = to_tensors(take());
    EXPECT_TRUE(contains(error_text<UsageError>([&] { nested_of(empty, "a"); }),
                         "a batch without a record"));
}

// ---- owned tensors -----------------------------------------------------------------------------

using OwnedTest = TorchFixture;

TEST_F(OwnedTest, IsPackedAndTheBatchGivenBack) {
    for (const Layout layout : {Layout::rows, Layout::packed}) {
        SCOPED_TRACE(std::string(name_of(layout)));
        make(3, 3, {.layout = layout, .depth = 1});
        put(2, 1);
        put(0, 2);
        put(3, 0);
        Batch lease = take();
        const BatchTensors batch = to_owned_tensors(std::move(lease));
        EXPECT_EQ(position(), 3u) << "at once";
        EXPECT_EQ(batch.layout, Layout::packed);
        EXPECT_EQ(batch.size(), 3u);
        EXPECT_EQ(to_vector<float>(batch["a"].values), (std::vector<float>{0, 1, 20, 21, 22}));
        EXPECT_EQ(to_vector<std::int32_t>(batch["a"].offsets),
                  (std::vector<std::int32_t>{0, 2, 2, 5}));
        EXPECT_EQ(to_vector<std::int32_t>(batch["b"].values), (std::vector<std::int32_t>{0, 1, 1}));
        EXPECT_EQ(batch["a"].total, 5);
        EXPECT_EQ(batch["a"].longest, 3);
        EXPECT_EQ(batch.host_offsets("a")[3], 5);
        EXPECT_NO_THROW(batch.used_on(StreamRef{})) << "its memory depends on nobody";
    }
}

TEST_F(OwnedTest, HasWideOffsetsWhereTheLoaderHas) {
    make(2, 2, {.layout = Layout::rows, .offsets = i64});
    put(2, 4);
    put(3, 0);
    EXPECT_EQ(to_vector<std::int64_t>(to_owned_tensors(take())["a"].offsets),
              (std::vector<std::int64_t>{0, 2, 5}));
}

TEST_F(OwnedTest, IsThereForABatchWithoutARecord) {
    make(1, 1, {.layout = Layout::rows});
    producer_->claim()->skip("a hole");
    const BatchTensors batch = to_owned_tensors(take());
    EXPECT_EQ(batch.size(), 0u);
    EXPECT_EQ(batch["a"].values.numel(), 0);
    EXPECT_EQ(to_vector<std::int32_t>(batch["a"].offsets), std::vector<std::int32_t>{0});
    EXPECT_TRUE(is_given_back(1));
}

TEST_F(OwnedTest, IsRefusedForOtherLayouts) {
    make(1, 1, {.layout = Layout::padded});
    put(1, 1);
    Batch batch = take();
    EXPECT_TRUE(contains(error_text<UsageError>([&] { to_owned_tensors(std::move(batch)); }),
                         "found a batch of layout padded, wanted rows or packed"));
    EXPECT_EQ(to_tensors(std::move(batch))["a"].total, 1) << "the batch was the caller's still";
}

// The same values whichever way.
TEST_F(OwnedTest, EqualsTheViewOfThePackedBatch) {
    const std::uint64_t seed = test_seed();
    SCOPED_TRACE(seed_note(seed));
    std::mt19937_64 random(seed);
    std::vector<std::pair<std::uint32_t, std::int32_t>> lengths;
    for (int i = 0; i < 60; ++i) lengths.emplace_back(random() % 9, random() % 5);
    const auto run = [&](const LoaderOptions& options, bool owned) {
        make(lengths.size(), 6, options);
        std::vector<at::Tensor> all;
        for (std::size_t i = 0; i < lengths.size(); ++i) {
            put(lengths[i].first, lengths[i].second);
            if (i % 6 != 5) continue;
            const BatchTensors batch = owned ? to_owned_tensors(take()) : to_tensors(take());
            for (const auto& field : batch.fields) {
                all.push_back(field.values.clone());
                all.push_back(field.offsets.clone());
            }
        }
        return all;
    };
    const auto wanted = run({.layout = Layout::packed}, false);
    const auto found = run({.layout = Layout::rows}, true);
    ASSERT_EQ(found.size(), wanted.size());
    for (std::size_t i = 0; i < found.size(); ++i) EXPECT_TRUE(found[i].equal(wanted[i])) << i;
}

}  // namespace
}  // namespace headrace
