#include "loader/plan.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "gtest/error_text.hpp"
#include "gtest/seed.hpp"
#include "headrace/error.hpp"

namespace headrace::detail {
namespace {

const Schema kSchema{{"mel", f32, 100}, {"text", u8, 7}};

std::string refusal_of(const LoaderOptions& options, std::uint32_t slots = 64,
                       const Schema& schema = kSchema) {
    return error_text<UsageError>([&] { BatchForm::of(schema, slots, options); });
}

TEST(BatchFormTest, KnowsTheLargestBatch) {
    const BatchForm form = BatchForm::of(kSchema, 64, {.batch = 32, .layout = Layout::trimmed});
    EXPECT_EQ(form.layout, Layout::trimmed);
    EXPECT_EQ(form.most_bytes(0), 32u * 100 * 4);
    EXPECT_EQ(form.most_bytes(1), 32u * 7);
    EXPECT_EQ(form.pads, std::vector<schema::Element>(2)) << "zero where none is given";
}

TEST(BatchFormTest, KnowsTheRowsOfTheRing) {
    const Schema schema{{"mel", f32, 100}, {"text", u8, 7}, {"wide", f64, 3}, {"line", i16, 32}};
    const BatchForm form = BatchForm::of(schema, 64, {.batch = 32, .layout = Layout::rows});
    const std::vector<std::int64_t> widths{112, 16, 4, 32};
    for (std::size_t i = 0; i < schema.size(); ++i) {
        EXPECT_EQ(form.width_of(i, 2), widths[i]);
        EXPECT_EQ(form.most_bytes(i),
                  32 * static_cast<std::uint64_t>(widths[i]) * bytes_of(schema[i].dtype));
    }
    EXPECT_EQ(form.values_bytes, 32u * (448 + 16 + 32 + 64));
}

TEST(BatchFormTest, EncodesPadValuesByTheirField) {
    const BatchForm form =
        BatchForm::of(kSchema, 64, {.batch = 1, .pad_values = {{"text", 255}, {"mel", -1.5}}});
    float mel = 0;
    std::memcpy(&mel, form.pads[0].data(), sizeof(mel));
    EXPECT_EQ(mel, -1.5f);
    EXPECT_EQ(form.pads[1][0], std::byte{255});
}

TEST(BatchFormTest, RefusesBatchesThatDoNotFitTheRing) {
    EXPECT_TRUE(contains(refusal_of({}), "batch 0, wanted at least 1 record"));
    EXPECT_TRUE(contains(refusal_of({.batch = 33}),
                         "batch 33 in a ring of 64 slots, wanted slots for two batches: 66"));
    EXPECT_TRUE(contains(refusal_of({.batch = 0xffff'ffff}), "two batches: 8589934590"));
    EXPECT_TRUE(contains(refusal_of({.batch = 32}, 63), "batch 32 in a ring of 63 slots"));
    EXPECT_EQ(BatchForm::of(kSchema, 64, {.batch = 32}).batch, 32u);
    EXPECT_EQ(BatchForm::of(kSchema, 2, {.batch = 1}).batch, 1u);
}

TEST(BatchFormTest, RefusesDepthsOutOfRange) {
    EXPECT_TRUE(contains(refusal_of({.batch = 1, .depth = 0}), "depth 0, wanted 1 to 64"));
    EXPECT_TRUE(contains(refusal_of({.batch = 1, .depth = 65}), "depth 65, wanted 1 to 64"));
    EXPECT_EQ(BatchForm::of(kSchema, 64, {.batch = 1, .depth = 64}).batch, 1u);
}

TEST(BatchFormTest, RefusesALayoutThatDoesNotExist) {
    EXPECT_TRUE(contains(refusal_of({.batch = 1, .layout = static_cast<Layout>(9)}), "layout"));
}

TEST(BatchFormTest, HoldsAsManyElementsAsInt32OffsetsReach) {
    const Schema wide{{"pixels", u8, 1u << 27}};
    EXPECT_TRUE(contains(refusal_of({.batch = 16}, 64, wide),
                         "a batch of 16 records could hold 2147483648 elements of field "
                         "\"pixels\", wanted at most 2^31 - 1"));
    EXPECT_EQ(BatchForm::of(wide, 64, {.batch = 15}).batch, 15u);
    const Schema exact{{"pixels", u8, 0x7fff'ffff}};
    EXPECT_EQ(BatchForm::of(exact, 64, {.batch = 1}).most_bytes(0), 0x7fff'ffffu);
    EXPECT_TRUE(contains(refusal_of({.batch = 2}, 64, exact), "4294967294 elements"));
    EXPECT_EQ(BatchForm::of(exact, 64, {.batch = 2, .offsets = i64}).most_bytes(0), 4294967294u);
}

TEST(BatchFormTest, TakesOffsetsOf32Or64Bits) {
    EXPECT_FALSE(BatchForm::of(kSchema, 64, {.batch = 1, .offsets = i32}).wide_offsets);
    EXPECT_TRUE(BatchForm::of(kSchema, 64, {.batch = 1, .offsets = i64}).wide_offsets);
    EXPECT_TRUE(contains(refusal_of({.batch = 1, .offsets = f32}),
                         "offsets of dtype f32, wanted i32 or i64"));
}

TEST(BatchFormTest, RefusesATransferThatDoesNotExist) {
    EXPECT_TRUE(
        contains(refusal_of({.batch = 1, .transfer = static_cast<Transfer>(9)}), "transfer"));
}

TEST(BatchFormTest, RefusesPadValuesThatDoNotFit) {
    EXPECT_TRUE(contains(refusal_of({.batch = 1, .pad_values = {{"tex", 0}}}),
                         "no field \"tex\"; there are: mel f32[100], text u8[7]"));
    for (const double bad : {-1.0, 256.0, 0.5}) {
        const std::string refusal = refusal_of({.batch = 1, .pad_values = {{"text", bad}}});
        EXPECT_TRUE(contains(refusal, "pad value of field \"text\": " + std::to_string(bad)));
        EXPECT_TRUE(contains(refusal, "wanted a whole number in the range of the dtype"));
    }
}

// Memory for the batches of a form, and what make_plan() writes.
struct Planned {
    explicit Planned(const BatchForm& form)
        : values(form.values_bytes), head(form.head_bytes()), host_head(form.head_bytes()) {}
    BatchMemory memory() { return {values.data(), head.data(), host_head.data()}; }

    std::vector<std::byte> values, head, host_head;
    std::vector<FieldShape> shapes;
    device::BatchPlan plan;
    device::BatchTarget target;
};

Taken random_records(std::size_t records, std::mt19937_64& random) {
    Taken taken;
    for (std::size_t field = 0; field < kSchema.size(); ++field) {
        for (std::size_t i = 0; i < records; ++i) {
            taken.lengths.push_back(
                static_cast<std::uint32_t>(random() % (kSchema[field].capacity + 1)));
        }
    }
    for (std::size_t i = 0; i < records; ++i) taken.indices.push_back(100 + i);
    return taken;
}

// A plan of `records` random records, against the plain sums.
void expect_plan(Layout layout, DType offsets, std::size_t records, std::mt19937_64& random) {
    const BatchForm form =
        BatchForm::of(kSchema, 64, {.batch = 32, .layout = layout, .offsets = offsets});
    const Taken taken = random_records(records, random);
    std::vector<std::uint32_t> slots;
    for (std::size_t i = 0; i < records; ++i) {
        slots.push_back(static_cast<std::uint32_t>(random() % 64));
    }
    Planned planned(form);
    const device::BatchPlan& plan = planned.plan;
    for (int i = 0; i < 2; ++i) {  // the second time as for the next batch
        make_plan(form, taken, slots, planned.memory(), planned.shapes, planned.plan,
                  planned.target);
    }
    EXPECT_EQ(plan.slots.data(), slots.data());
    EXPECT_EQ(plan.head.data(), planned.host_head.data());
    EXPECT_EQ(plan.head.size(), planned.host_head.size());
    if (records != 0) {
        EXPECT_EQ(std::memcmp(plan.head.data() + plan.slots_at, slots.data(), records * 4), 0);
    }
    EXPECT_EQ(planned.target.head, planned.head.data());
    ASSERT_EQ(plan.fields.size(), 2u);
    for (std::size_t i = 0; i < 2; ++i) {
        const device::FieldPlan& field = plan.fields[i];
        std::int64_t end = 0, longest = 0;
        ASSERT_EQ(field.lengths.size(), records);
        ASSERT_EQ(field.offsets.size(), records + 1);
        EXPECT_EQ(field.offsets.wide(), offsets == i64);
        EXPECT_EQ(field.offsets.data(), plan.head.data() + field.offsets_at);
        EXPECT_EQ(field.offsets_at % 256, 0u);
        EXPECT_EQ(field.offsets[0], 0);
        for (std::size_t record = 0; record < records; ++record) {
            const std::uint32_t length = taken.lengths[i * records + record];
            EXPECT_EQ(field.lengths[record], length);
            end += length;
            longest = std::max<std::int64_t>(longest, length);
            EXPECT_EQ(field.offsets[record + 1], end);
        }
        EXPECT_EQ(field.longest, longest);
        const std::int64_t of_ring[] = {112, 16};  // 448 bytes, and 16
        EXPECT_EQ(field.width, layout == Layout::packed    ? 0
                               : layout == Layout::trimmed ? longest
                               : layout == Layout::padded  ? std::int64_t{kSchema[i].capacity}
                                                           : of_ring[i]);
        EXPECT_EQ(planned.shapes[i].total, end);
        EXPECT_EQ(planned.shapes[i].longest, longest);
        EXPECT_EQ(planned.shapes[i].width, field.width);
    }
    EXPECT_EQ(planned.target.values[0], planned.values.data());
    const std::size_t row = layout == Layout::rows ? 448 : 400;
    EXPECT_EQ(planned.target.values[1], planned.values.data() + 32 * row) << "always there";
}

TEST(PlanTest, SumsLengthsUpInEveryLayout) {
    const std::uint64_t seed = test_seed();
    SCOPED_TRACE(seed_note(seed));
    std::mt19937_64 random(seed);
    for (const Layout layout : {Layout::packed, Layout::trimmed, Layout::padded, Layout::rows}) {
        for (const std::size_t records : {0u, 1u, 2u, 31u, 32u}) {
            for (const DType offsets : {i32, i64}) {
                SCOPED_TRACE(std::to_string(records) + " records, " + std::string(name_of(layout)));
                expect_plan(layout, offsets, records, random);
            }
        }
    }
}

// With less memory than full records take, fields lie one behind the other, each where the one
// before it ends.
TEST(PlanTest, FitsABatchIntoALimit) {
    const BatchForm form = BatchForm::of(kSchema, 64, {.batch = 32, .batch_bytes_limit = 1024});
    EXPECT_TRUE(form.is_limited);
    EXPECT_EQ(form.values_bytes, 1024u);
    Planned planned(form);
    Taken taken{.indices = {7, 8}, .lengths = {100, 30, 7, 7}, .holes = {}};
    const std::vector<std::uint32_t> slots{0, 1};
    const auto plan = [&] {
        make_plan(form, taken, slots, planned.memory(), planned.shapes, planned.plan,
                  planned.target);
    };
    plan();
    EXPECT_EQ(planned.target.values[1], planned.values.data() + 768) << "520 bytes, aligned";
    taken.lengths[1] = 100;  // 800 bytes take 1,024, and nothing is left for the other field
    const std::string refusal = error_text<SystemError>(plan);
    EXPECT_TRUE(contains(refusal, "the batch of records 7 to 8 takes 1280 bytes as packed"));
    EXPECT_TRUE(contains(refusal, "batch_bytes_limit is 1024"));
}

TEST(PlanTest, FitsRowsIntoALimit) {
    const LoaderOptions rows{.batch = 32, .layout = Layout::rows, .batch_bytes_limit = 2048};
    const BatchForm form = BatchForm::of(kSchema, 64, rows);
    Planned planned(form);
    Taken taken{.indices = {7, 8}, .lengths = {1, 0, 7, 7}, .holes = {}};
    std::vector<std::uint32_t> slots{0, 1};
    const auto plan = [&] {
        make_plan(form, taken, slots, planned.memory(), planned.shapes, planned.plan,
                  planned.target);
    };
    plan();
    EXPECT_EQ(planned.target.values[1], planned.values.data() + 1024) << "896 bytes, aligned";
    taken = {.indices = {7, 8, 9, 10, 11}, .lengths = std::vector(10, 0u), .holes = {}};
    slots = {0, 1, 2, 3, 4};
    EXPECT_TRUE(contains(error_text<SystemError>(plan), "takes 2560 bytes as rows"));
}

TEST(PlanTest, TakesALimitOfMoreThanEnoughAsNone) {
    const BatchForm none = BatchForm::of(kSchema, 64, {.batch = 32});
    EXPECT_EQ(none.values_bytes, 32u * 100 * 4 + 256);
    EXPECT_FALSE(none.is_limited);
    const BatchForm large =
        BatchForm::of(kSchema, 64, {.batch = 32, .batch_bytes_limit = 1u << 30});
    EXPECT_EQ(large.values_bytes, none.values_bytes);
    EXPECT_FALSE(large.is_limited);
}

}  // namespace
}  // namespace headrace::detail
