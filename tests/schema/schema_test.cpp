#include "headrace/schema.hpp"

#include <gtest/gtest.h>

#include "gtest/error_text.hpp"
#include "headrace/error.hpp"

namespace headrace {
namespace {

std::string refusal_of(std::vector<Field> fields) {
    return error_text<UsageError>([&] { Schema schema(std::move(fields)); });
}

TEST(SchemaTest, KeepsFieldsInOrder) {
    const Schema schema{{"mel", f32, 64'000}, {"text", i32, 256}, {"id", i64, 1}};
    ASSERT_EQ(schema.size(), 3u);
    EXPECT_EQ(schema[1], (Field{"text", i32, 256}));
    EXPECT_EQ(schema.index_of("mel"), 0u);
    EXPECT_EQ(schema.index_of("id"), 2u);
    EXPECT_EQ(schema.to_string(), "mel f32[64000], text i32[256], id i64[1]");
}

TEST(SchemaTest, HasNoFieldUntilItIsGivenOne) {
    EXPECT_EQ(Schema().size(), 0u);
    EXPECT_EQ(Schema().record_bytes(), 0u);
    EXPECT_EQ(Schema().to_string(), "no field");
    EXPECT_TRUE(contains(error_text<UsageError>([] { Schema().index_of("mel"); }), "no field"));
}

TEST(SchemaTest, MakesTheClassicPair) {
    const Schema schema = Schema::float_int(256, 16);
    EXPECT_EQ(schema, (Schema{{"floats", f32, 256}, {"ints", i32, 16}}));
    EXPECT_NE(schema, Schema::float_int(256, 17));
}

TEST(SchemaTest, CountsBytesAtFullCapacity) {
    EXPECT_EQ(Schema::float_int(256, 16).record_bytes(), 256u * 4 + 16 * 4);
    const Schema all{{"a", f64, 3}, {"b", i64, 3}, {"c", f16, 3}, {"d", bf16, 3}, {"e", i16, 3},
                     {"f", i8, 3},  {"g", u8, 3},  {"h", f32, 3}, {"i", i32, 3}};
    EXPECT_EQ(all.record_bytes(), 3u * (8 + 8 + 2 + 2 + 2 + 1 + 1 + 4 + 4));
    const Schema huge{{"a", f64, 0xffff'ffff}, {"b", f64, 0xffff'ffff}};
    EXPECT_EQ(huge.record_bytes(), 2 * 8 * std::uint64_t{0xffff'ffff}) << "no 32-bit arithmetic";
}

TEST(SchemaTest, RefusesACapacityOfZero) {
    EXPECT_TRUE(contains(refusal_of({{"mel", f32, 0}}), "field \"mel\": capacity 0, wanted"));
}

TEST(SchemaTest, RefusesADtypeThatDoesNotExist) {
    for (const int value : {0, 10, 255}) {
        const std::string refusal = refusal_of({{"mel", static_cast<DType>(value), 1}});
        EXPECT_TRUE(contains(refusal, "dtype " + std::to_string(value) + " is unknown, wanted 1"));
    }
}

TEST(SchemaTest, RefusesAFieldThatIsThereTwice) {
    EXPECT_TRUE(contains(refusal_of({{"a", f32, 1}, {"b", f32, 1}, {"a", i32, 2}}),
                         "the field \"a\" is there twice"));
}

TEST(SchemaTest, HoldsFourteenFieldsAndNoMore) {
    std::vector<Field> fields;
    for (std::size_t i = 0; i < kMaxFields; ++i) fields.push_back({"f" + std::to_string(i), u8, 1});
    EXPECT_EQ(Schema(fields).size(), kMaxFields);
    fields.push_back({"one-more", u8, 1});
    EXPECT_TRUE(contains(refusal_of(fields), "15 fields, wanted at most 14"));
}

TEST(SchemaTest, TakesNamesUpToTheirLimit) {
    const std::string longest(kMaxFieldNameBytes, 'x');
    EXPECT_EQ(Schema({{longest, f32, 1}}).index_of(longest), 0u);
    EXPECT_TRUE(contains(refusal_of({{longest + "x", f32, 1}}), "32 bytes long, wanted 1 to 31"));
    EXPECT_TRUE(contains(refusal_of({{"", f32, 1}}), "0 bytes long, wanted 1 to 31"));
}

TEST(SchemaTest, TakesLettersDigitsAndThreeSignsInNames) {
    EXPECT_EQ(Schema({{"aZ09_-.", f32, 1}}).size(), 1u);
    EXPECT_EQ(Schema({{"...", f32, 1}}).size(), 1u);
    for (const char* const bad : {"a/b", "a b", "a\"b", "a\nb", "ä"}) {
        EXPECT_TRUE(contains(refusal_of({{bad, f32, 1}}), "wanted letters, digits")) << bad;
    }
    EXPECT_THROW(Schema({{std::string("a\0b", 3), f32, 1}}), UsageError);
    for (const char* const folder : {".", ".."}) {
        EXPECT_TRUE(contains(refusal_of({{folder, f32, 1}}), "is a directory, wanted a name"));
    }
}

TEST(SchemaTest, NamesTheFieldsThereAreWhenOneIsMissing) {
    const Schema schema = Schema::float_int(4, 2);
    EXPECT_EQ(error_text<UsageError>([&] { schema.index_of("mel"); }),
              "no field \"mel\"; there are: floats f32[4], ints i32[2]");
    EXPECT_TRUE(contains(error_text<UsageError>([&] { schema.expect(2, f32); }),
                         "no field number 2; there are: floats f32[4], ints i32[2]"));
}

TEST(SchemaTest, NamesBothDtypesWhenTheyDiffer) {
    const Schema schema = Schema::float_int(4, 2);
    EXPECT_EQ(schema.index_of("ints", i32), 1u);
    EXPECT_EQ(error_text<UsageError>([&] { schema.index_of("ints", f32); }),
              "field \"ints\" is of dtype i32, asked for as f32");
    schema.expect(0, f32);
    EXPECT_THROW(schema.expect(0, i32), UsageError);
}

}  // namespace
}  // namespace headrace
