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

// A plan of `records` random records in the layouts, against the plain sums.
void expect_plan(Layout layout, std::size_t records, std::mt19937_64& random) {
    const BatchForm form = BatchForm::of(kSchema, 64, {.batch = 32, .layout = layout});
    std::vector<std::int32_t> offsets[2] = {std::vector<std::int32_t>(33, -1),
                                            std::vector<std::int32_t>(33, -1)};
    std::vector<FieldShape> shapes(2);
    for (std::size_t field = 0; field < 2; ++field) shapes[field].offsets = offsets[field];
    Taken taken;
    std::vector<std::uint64_t> slots;
    for (std::size_t field = 0; field < 2; ++field) {
        for (std::size_t i = 0; i < records; ++i) {
            taken.lengths.push_back(
                static_cast<std::uint32_t>(random() % (kSchema[field].capacity + 1)));
        }
    }
    for (std::size_t i = 0; i < records; ++i) slots.push_back(random() % 64);
    const std::byte places[2] = {};
    const std::byte* const rows[2] = {&places[0], &places[1]};
    const std::uint64_t row_bytes[2] = {400, 64};
    device::BatchPlan plan;
    make_plan(form, taken, slots, shapes, rows, row_bytes, plan);
    make_plan(form, taken, slots, shapes, rows, row_bytes, plan);  // as for the next batch

    EXPECT_EQ(plan.layout, layout);
    EXPECT_EQ(plan.slots.data(), slots.data());
    ASSERT_EQ(plan.fields.size(), 2u);
    for (std::size_t i = 0; i < 2; ++i) {
        const device::FieldPlan& field = plan.fields[i];
        EXPECT_EQ(field.element_bytes, i == 0 ? 4u : 1u);
        EXPECT_EQ(field.capacity, kSchema[i].capacity);
        EXPECT_EQ(field.rows, rows[i]);
        EXPECT_EQ(field.row_bytes, row_bytes[i]);
        std::int32_t end = 0;
        std::int64_t longest = 0;
        ASSERT_EQ(field.lengths.size(), records);
        ASSERT_EQ(field.offsets.size(), records + 1);
        EXPECT_EQ(field.offsets[0], 0);
        for (std::size_t record = 0; record < records; ++record) {
            const std::uint32_t length = taken.lengths[i * records + record];
            EXPECT_EQ(field.lengths[record], length);
            end += static_cast<std::int32_t>(length);
            longest = std::max<std::int64_t>(longest, length);
            EXPECT_EQ(field.offsets[record + 1], end);
        }
        EXPECT_EQ(field.longest, longest);
        EXPECT_EQ(field.width, layout == Layout::packed    ? 0
                               : layout == Layout::trimmed ? longest
                                                           : std::int64_t{kSchema[i].capacity});
    }
}

TEST(PlanTest, SumsLengthsUpInEveryLayout) {
    const std::uint64_t seed = test_seed();
    SCOPED_TRACE(seed_note(seed));
    std::mt19937_64 random(seed);
    for (const Layout layout : {Layout::packed, Layout::trimmed, Layout::padded}) {
        for (const std::size_t records : {0u, 1u, 2u, 31u, 32u}) {
            SCOPED_TRACE(std::to_string(records) + " records, " + std::string(name_of(layout)));
            expect_plan(layout, records, random);
        }
    }
}

}  // namespace
}  // namespace headrace::detail
