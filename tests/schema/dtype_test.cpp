#include "headrace/dtype.hpp"

#include <gtest/gtest.h>

namespace headrace {
namespace {

template <class T>
void expect_dtype(DType dtype, std::string_view name, int value) {
    EXPECT_EQ(dtype_of<T>, dtype);
    EXPECT_EQ(bytes_of(dtype), sizeof(T)) << name;
    EXPECT_EQ(name_of(dtype), name);
    EXPECT_EQ(static_cast<int>(dtype), value) << name << ": the shared layout holds these values";
}

TEST(DTypeTest, HasOneNameWidthAndValueForEachType) {
    expect_dtype<float>(f32, "f32", 1);
    expect_dtype<std::int32_t>(i32, "i32", 2);
    expect_dtype<Float16>(f16, "f16", 3);
    expect_dtype<BFloat16>(bf16, "bf16", 4);
    expect_dtype<double>(f64, "f64", 5);
    expect_dtype<std::int64_t>(i64, "i64", 6);
    expect_dtype<std::int16_t>(i16, "i16", 7);
    expect_dtype<std::int8_t>(i8, "i8", 8);
    expect_dtype<std::uint8_t>(u8, "u8", 9);
}

TEST(DTypeTest, HasNoWidthForWhatIsNone) {
    for (const int value : {0, 10, 255}) {
        EXPECT_EQ(bytes_of(static_cast<DType>(value)), 0u);
        EXPECT_EQ(name_of(static_cast<DType>(value)), "?");
    }
}

}  // namespace
}  // namespace headrace
