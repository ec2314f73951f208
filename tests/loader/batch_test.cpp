// What is in a batch, bit by bit, in the four layouts.
#include "headrace/batch.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <random>

#include "gtest/seed.hpp"
#include "loader/loader_fixture.hpp"

namespace headrace {
namespace {

class BatchTest : public LoaderFixture {
  protected:
    // 40 shuffled records in batches of 8, all of them looked at.
    void expect_layout(LoaderOptions loader_options, float float_pad, std::int32_t int_pad) {
        RingOptions ring_options = options(40);
        ring_options.shuffle_seed = 11;
        Ring ring = Ring::create(ring_options);
        Writer writer(ring);
        loader_options.batch = 8;
        Loader loader(ring, loader_options);
        int batches = 0;
        for (const Batch& batch : loader.epoch()) {
            EXPECT_EQ(batch.layout(), loader_options.layout);
            EXPECT_EQ(batch.schema(), ring.schema());
            ASSERT_EQ(batch.size(), 8u);
            expect_content(batch, float_pad, int_pad);
            ++batches;
        }
        EXPECT_EQ(batches, 5);
    }
};

TEST_F(BatchTest, LiesPacked) {
    expect_layout({.layout = Layout::packed}, 0, 0);
}

TEST_F(BatchTest, IgnoresPadValuesWherePacked) {
    expect_layout({.layout = Layout::packed, .pad_values = {{"floats", 5}}}, 0, 0);
}

TEST_F(BatchTest, LiesTrimmedToItsLongest) {
    expect_layout({.layout = Layout::trimmed}, 0, 0);
}

TEST_F(BatchTest, LiesPaddedToTheCapacity) {
    expect_layout({.layout = Layout::padded}, 0, 0);
}

TEST_F(BatchTest, LiesInRowsAsTheRingHasThem) {
    expect_layout({.layout = Layout::rows}, 0, 0);
    expect_layout({.layout = Layout::rows, .pad_values = {{"floats", 5}}}, 0, 0);
}

TEST_F(BatchTest, TellsItsDevice) {
    Ring ring = Ring::create(options(2));
    Writer writer(ring);
    Loader loader(ring, {.batch = 2});
    const auto batch = loader.next();
    ASSERT_TRUE(batch);
    EXPECT_EQ(batch->device().name(), "host");
    EXPECT_EQ(batch->device().cuda_ordinal(), std::nullopt);
}

TEST_F(BatchTest, FillsTailsWithThePadValueOfEachField) {
    const std::map<std::string, double> pads{{"floats", 0.1}, {"ints", -100}};
    expect_layout({.layout = Layout::trimmed, .pad_values = pads}, 0.1f, -100);
    expect_layout({.layout = Layout::padded, .pad_values = pads}, 0.1f, -100);
}

TEST_F(BatchTest, FillsTailsWithNegativeZeroAndNan) {
    expect_layout({.layout = Layout::padded, .pad_values = {{"floats", -0.0}}}, -0.0f, 0);
    const double nan = std::numeric_limits<double>::quiet_NaN();
    expect_layout({.layout = Layout::padded, .pad_values = {{"floats", nan}}},
                  static_cast<float>(nan), 0);
}

TEST_F(BatchTest, TellsIndicesAndItems) {
    RingOptions shuffled = options(16);
    shuffled.shuffle_seed = 3;
    shuffled.epochs = 2;
    Ring ring = Ring::create(shuffled);
    Writer writer(ring);
    Loader loader(ring, {.batch = 8});
    std::uint64_t index = 0;
    for (int i = 0; i < 6; ++i) {
        const auto batch = loader.next();
        if (!batch) continue;
        EXPECT_EQ(batch->first_index(), index);
        for (std::size_t record = 0; record < batch->size(); ++record, ++index) {
            EXPECT_EQ(batch->indices()[record], index);
            EXPECT_EQ(batch->items()[record], ring.sampler()->item_of(index));
        }
        EXPECT_EQ(batch->last_index(), index);
        EXPECT_EQ(batch->epoch(), (index - 1) / 16);
    }
    EXPECT_EQ(index, 32u);
}

TEST_F(BatchTest, HoldsRecordsOfLengthZeroOnly) {
    Ring ring = Ring::create(options(2));
    Producer producer = ring.producer();
    for (int i = 0; i < 2; ++i) producer.put({}, {});
    Loader loader(ring, {.batch = 2, .layout = Layout::trimmed});
    const auto batch = loader.next();
    ASSERT_TRUE(batch);
    EXPECT_EQ(batch->size(), 2u);
    EXPECT_EQ(batch->total("floats"), 0);
    EXPECT_EQ(batch->longest("floats"), 0);
    EXPECT_EQ(batch->width("floats"), 0);
    const std::int32_t* const offsets = batch->offsets("floats");
    EXPECT_EQ(std::vector<std::int32_t>(offsets, offsets + 3), std::vector<std::int32_t>(3));
}

TEST_F(BatchTest, RefusesFieldsAndDtypesThatItDoesNotHave) {
    Ring ring = Ring::create(options(2));
    Writer writer(ring);
    Loader loader(ring, {.batch = 2});
    const auto batch = loader.next();
    ASSERT_TRUE(batch);
    EXPECT_TRUE(contains(error_text<UsageError>([&] { batch->values<float>("mel"); }),
                         "no field \"mel\"; there are: floats f32[32], ints i32[4]"));
    EXPECT_TRUE(contains(error_text<UsageError>([&] { batch->values<double>("floats"); }),
                         "is of dtype f32, asked for as f64"));
    EXPECT_THROW(batch->offsets("mel"), UsageError);
    EXPECT_THROW(batch->total("mel"), UsageError);
    EXPECT_TRUE(contains(error_text<UsageError>([&] { batch->data(2); }), "no field number 2"));
    EXPECT_THROW(batch->longest(2), UsageError);
    EXPECT_THROW(batch->host_offsets(~std::size_t{0}), UsageError);
}

TEST_F(BatchTest, MayBeWrittenTo) {
    Ring ring = Ring::create(options(0));
    Producer producer = ring.producer();
    Loader loader(ring, {.batch = 1, .layout = Layout::padded, .depth = 1});
    for (int i = 0; i < 5; ++i) {
        write(producer, 1);
        const auto batch = loader.next();
        ASSERT_TRUE(batch);
        expect_content(*batch);
        std::fill_n(batch->values<float>("floats"), 32, -1.0f);
        std::fill_n(batch->values<std::int32_t>("ints"), 4, -1);
    }
}

TEST_F(BatchTest, IsReleasedOnceHoweverOftenItIsAsked) {
    Ring ring = Ring::create(options(0));
    Producer producer = ring.producer();
    write(producer, 4);
    Loader loader(ring, {.batch = 1, .depth = 2});
    auto first = std::move(*loader.next());
    auto second = std::move(*loader.next());
    EXPECT_EQ(second.first_index(), 1u);
    first = std::move(second);  // the first goes back with `second`, or at once
    second.release();
    second.release();
    EXPECT_EQ(first.first_index(), 1u);
    expect_content(first);
    EXPECT_EQ(loader.state().index, 1u);
    first.release();
    EXPECT_EQ(loader.state().index, 2u);
    EXPECT_EQ(loader.next()->first_index(), 2u);
}

// Every dtype, random bytes: only the width matters.
TEST_F(BatchTest, CarriesEveryDtypeBitByBit) {
    const std::uint64_t seed = test_seed();
    SCOPED_TRACE(seed_note(seed));
    std::mt19937_64 random(seed);
    RingOptions all = options(64);
    std::vector<Field> fields;
    for (int dtype = 1; dtype <= 9; ++dtype) {
        fields.push_back({"f" + std::to_string(dtype), static_cast<DType>(dtype),
                          static_cast<std::uint32_t>(1 + random() % 40)});
    }
    all.schema = Schema(fields);
    all.slots = 13;  // no power of two, and batches wrap at its end
    Ring ring = Ring::create(all);
    Producer producer = ring.producer();
    Loader loader(ring, {.batch = 4, .layout = Layout::trimmed});
    for (int round = 0; round < 16; ++round) {
        std::vector<std::vector<std::vector<std::byte>>> wanted(fields.size());
        for (int i = 0; i < 4; ++i) {
            auto record = producer.claim();
            std::vector<std::int64_t> lengths;
            for (std::size_t field = 0; field < fields.size(); ++field) {
                const std::span<std::byte> bytes = record->field_bytes(field);
                for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
                lengths.push_back(
                    static_cast<std::int64_t>(random() % (fields[field].capacity + 1)));
                const std::size_t used =
                    static_cast<std::size_t>(lengths.back()) * bytes_of(fields[field].dtype);
                const std::span<std::byte> payload = bytes.first(used);
                wanted[field].emplace_back(payload.begin(), payload.end());
            }
            record->publish_lengths(lengths);
        }
        const auto batch = loader.next();
        ASSERT_TRUE(batch);
        for (std::size_t field = 0; field < fields.size(); ++field) {
            const auto row =
                static_cast<std::size_t>(batch->width(field)) * bytes_of(fields[field].dtype);
            const auto* found = static_cast<const std::byte*>(batch->data(field));
            for (std::vector<std::byte>& record : wanted[field]) {
                record.resize(row);
                ASSERT_EQ(std::vector<std::byte>(found, found + row), record) << fields[field].name;
                found += row;
            }
        }
    }
}

}  // namespace
}  // namespace headrace
