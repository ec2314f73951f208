#include "cli/record_check.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

namespace headrace::cli {
namespace {

struct Record {
    std::vector<float> floats;
    std::vector<std::int32_t> ints;
};

Record record_at(std::uint64_t index, const RecordCheck& expected) {
    Record record{std::vector<float>(expected.floats_of(index)),
                  std::vector<std::int32_t>(expected.ints_of(index))};
    write_pattern(std::span(record.floats), pattern_base(index, kFloats));
    write_pattern(std::span(record.ints), pattern_base(index, kInts));
    return record;
}

constexpr RecordShape kShape{40, 6, 1.0};

TEST(RecordCheckTest, CountsWhatIsRight) {
    RecordCheck check({40, 6, 0.5});
    std::uint64_t bytes = 0;
    for (std::uint64_t index = 0; index < 50; ++index) {
        const Record record = record_at(index, check);
        bytes += 4 * (record.floats.size() + record.ints.size());
        EXPECT_TRUE(check.check(index, record.floats, record.ints));
    }
    EXPECT_EQ(check.records(), 50u);
    EXPECT_EQ(check.payload_bytes(), bytes);
    EXPECT_TRUE(check.mismatch().empty());
}

TEST(RecordCheckTest, NamesRecordFieldAndElement) {
    RecordCheck check(kShape);
    Record record = record_at(17, check);
    record.ints[3] ^= 1;
    EXPECT_FALSE(check.check(17, record.floats, record.ints));
    EXPECT_EQ(check.mismatch().find("record 17, field \"ints\", element 3: found 0x"), 0u)
        << check.mismatch();
    EXPECT_EQ(check.records(), 0u);
}

TEST(RecordCheckTest, NamesALengthThatIsWrong) {
    RecordCheck check(kShape);
    Record record = record_at(2, check);
    record.floats.pop_back();
    EXPECT_FALSE(check.check(2, record.floats, record.ints));
    EXPECT_EQ(check.mismatch(), "record 2, field \"floats\": 39 elements found, 40 wanted");
}

TEST(RecordCheckTest, RefusesTheRecordBefore) {
    RecordCheck check(kShape);
    const Record record = record_at(8, check);
    EXPECT_FALSE(check.check(9, record.floats, record.ints));
    EXPECT_EQ(check.mismatch().find("record 9, field \"floats\", element 0"), 0u);
}

TEST(RecordCheckTest, KeepsTheFirstFault) {
    RecordCheck check(kShape);
    EXPECT_FALSE(check.fail("first"));
    EXPECT_FALSE(check.fail("second"));
    EXPECT_EQ(check.mismatch(), "first");
}

}  // namespace
}  // namespace headrace::cli
