#include "schema/element.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>

#include "gtest/error_text.hpp"
#include "gtest/seed.hpp"
#include "headrace/error.hpp"

namespace headrace::schema {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// The value, and that nothing stands behind it.
template <class T>
T encoded(DType dtype, double value) {
    const Element element = encode(dtype, value, "test");
    T read{};
    std::memcpy(&read, element.data(), sizeof(read));
    for (std::size_t i = sizeof(T); i < element.size(); ++i) {
        EXPECT_EQ(element[i], std::byte{0}) << "byte " << i << " of " << name_of(dtype);
    }
    return read;
}

std::uint16_t f16_of(double value) {
    return encoded<std::uint16_t>(DType::f16, value);
}
std::uint16_t bf16_of(double value) {
    return encoded<std::uint16_t>(DType::bf16, value);
}

// What the bits of a small float mean, by its definition.
double value_of(unsigned bits, int fraction_bits, int exponent_bits) {
    const int bias = (1 << (exponent_bits - 1)) - 1;
    const unsigned fraction = bits & ((1u << fraction_bits) - 1);
    const int exponent = static_cast<int>(bits >> fraction_bits & ((1u << exponent_bits) - 1));
    const double sign = (bits & 0x8000) != 0 ? -1 : 1;
    if (exponent == (1 << exponent_bits) - 1) return fraction != 0 ? kNan : sign * kInfinity;
    const double one = exponent == 0 ? 0.0 : 1.0;
    return sign *
           std::ldexp(one + std::ldexp(fraction, -fraction_bits), std::max(exponent, 1) - bias);
}

// Every number, and what lies half way to the next one: that goes to the even one.
void expect_nearest_even(std::uint16_t (*encode_one)(double), int fraction_bits,
                         int exponent_bits) {
    const unsigned infinity = ((1u << exponent_bits) - 1) << fraction_bits;
    for (const unsigned sign : {0u, 0x8000u}) {
        for (unsigned bits = 0; bits < infinity; ++bits) {
            const double value = value_of(sign | bits, fraction_bits, exponent_bits);
            ASSERT_EQ(encode_one(value), sign | bits) << value;
            // Past the largest comes the power of two that would be next; it is refused.
            const double next = bits + 1 < infinity
                                    ? value_of(sign | (bits + 1), fraction_bits, exponent_bits)
                                    : 2 * value_of(sign | ((bits + 1) - (1u << fraction_bits)),
                                                   fraction_bits, exponent_bits);
            const double half = value + (next - value) / 2;
            if (bits + 1 == infinity) {
                ASSERT_EQ(encode_one(std::nextafter(half, value)), sign | bits) << half;
                ASSERT_THROW(encode_one(half), UsageError) << "would become infinite";
                continue;
            }
            ASSERT_EQ(encode_one(half), sign | ((bits + 1) & ~1u)) << half;
            ASSERT_EQ(encode_one(std::nextafter(half, value)), sign | bits) << half;
            ASSERT_EQ(encode_one(std::nextafter(half, next)), sign | (bits + 1)) << half;
        }
    }
}

TEST(ElementTest, RoundsFloat16ToNearestEven) {
    expect_nearest_even(f16_of, 10, 5);
}

TEST(ElementTest, RoundsBFloat16ToNearestEven) {
    expect_nearest_even(bf16_of, 7, 8);
}

TEST(ElementTest, KnowsTheUsualSmallFloats) {
    EXPECT_EQ(f16_of(1.0), 0x3c00);
    EXPECT_EQ(f16_of(-2.0), 0xc000);
    EXPECT_EQ(f16_of(65504.0), 0x7bff);
    EXPECT_EQ(f16_of(-0.0), 0x8000);
    EXPECT_EQ(bf16_of(1.0), 0x3f80);
    EXPECT_EQ(bf16_of(-100.0), 0xc2c8);
    EXPECT_EQ(bf16_of(-0.0), 0x8000);
}

TEST(ElementTest, KeepsInfinityAndNan) {
    EXPECT_EQ(f16_of(kInfinity), 0x7c00);
    EXPECT_EQ(f16_of(-kInfinity), 0xfc00);
    EXPECT_EQ(bf16_of(kInfinity), 0x7f80);
    EXPECT_EQ(bf16_of(-kInfinity), 0xff80);
    EXPECT_TRUE(std::isnan(value_of(f16_of(kNan), 10, 5)));
    EXPECT_TRUE(std::isnan(value_of(bf16_of(kNan), 7, 8)));
    EXPECT_THROW(encoded<float>(DType::f32, 1e300), UsageError);
    EXPECT_EQ(encoded<float>(DType::f32, -kInfinity), -std::numeric_limits<float>::infinity());
    EXPECT_TRUE(std::isnan(encoded<float>(DType::f32, kNan)));
    EXPECT_TRUE(std::isnan(encoded<double>(DType::f64, kNan)));
}

TEST(ElementTest, RoundsTheWideFloatsAsTheProcessorDoes) {
    const std::uint64_t seed = test_seed();
    SCOPED_TRACE(seed_note(seed));
    std::mt19937_64 random(seed);
    std::uniform_real_distribution<double> magnitude(-40, 38);
    for (int i = 0; i < 10'000; ++i) {
        const double value = std::pow(10.0, magnitude(random)) * ((i & 1) != 0 ? -1 : 1);
        ASSERT_EQ(std::bit_cast<std::uint32_t>(encoded<float>(DType::f32, value)),
                  std::bit_cast<std::uint32_t>(static_cast<float>(value)));
        ASSERT_EQ(encoded<double>(DType::f64, value), value);
    }
    EXPECT_TRUE(std::signbit(encoded<float>(DType::f32, -0.0)));
}

template <class T>
void expect_whole_range(DType dtype) {
    const double low = static_cast<double>(std::numeric_limits<T>::min());
    const double above = std::ldexp(1.0, std::numeric_limits<T>::digits);
    // The largest double below 2^63 is 2^63 - 1024.
    const double high = sizeof(T) < 8 ? above - 1 : std::nextafter(above, 0.0);
    EXPECT_EQ(encoded<T>(dtype, low), std::numeric_limits<T>::min());
    EXPECT_EQ(encoded<T>(dtype, high), static_cast<T>(high));
    EXPECT_EQ(encoded<T>(dtype, 0), T{0});
    EXPECT_EQ(encoded<T>(dtype, -0.0), T{0});
    EXPECT_EQ(encoded<T>(dtype, 100), T{100});
    const double below = sizeof(T) < 8 ? low - 1 : std::nextafter(low, -kInfinity);
    for (const double bad : {below, above, 0.5, 1.0000001, kInfinity, -kInfinity, kNan}) {
        EXPECT_TRUE(contains(error_text<UsageError>([&] { encode(dtype, bad, "pad of \"x\""); }),
                             "pad of \"x\": " + std::to_string(bad) +
                                 ", wanted a whole number in the range of the dtype"))
            << name_of(dtype);
    }
}

TEST(ElementTest, TakesWholeNumbersInTheRangeOfAnIntegerOnly) {
    expect_whole_range<std::int64_t>(DType::i64);
    expect_whole_range<std::int32_t>(DType::i32);
    expect_whole_range<std::int16_t>(DType::i16);
    expect_whole_range<std::int8_t>(DType::i8);
    expect_whole_range<std::uint8_t>(DType::u8);
    EXPECT_EQ(encoded<std::int8_t>(DType::i8, -100), -100);
}

TEST(ElementTest, RefusesADtypeThatDoesNotExist) {
    EXPECT_TRUE(
        contains(error_text<UsageError>([] { encode(static_cast<DType>(77), 0, "pad of \"x\""); }),
                 "pad of \"x\": unknown dtype"));
}

}  // namespace
}  // namespace headrace::schema
