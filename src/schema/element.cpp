#include "schema/element.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>

#include "headrace/error.hpp"

namespace headrace::schema {

namespace {

template <class T>
Element bytes_of_value(T value) {
    Element element{};
    std::memcpy(element.data(), &value, sizeof(value));
    return element;
}

template <class T>
Element encode_integer(double value, std::string_view what) {
    // 2^63 is a double, the largest int64 is not: compare with the power of two above the range.
    const double low = static_cast<double>(std::numeric_limits<T>::min());
    const double above = std::ldexp(1.0, std::numeric_limits<T>::digits);
    if (!(value >= low && value < above) || std::trunc(value) != value) {
        throw UsageError(std::string(what) + ": " + std::to_string(value) +
                         ", wanted a whole number in the range of the dtype");
    }
    return bytes_of_value(static_cast<T>(value));
}

// Rounds to `keep` bits below the leading one by adding and taking away a power of two that leaves
// no room for more; the processor's own rounding is to nearest even.
double round_to_bits(double value, int keep, int least_exponent) {
    int exponent = 0;
    std::frexp(value, &exponent);  // value = m * 2^exponent, 0.5 <= m < 1
    const int unit = std::max(exponent - 1, least_exponent) - keep;
    return std::ldexp(std::nearbyint(std::ldexp(value, -unit)), unit);
}

std::uint16_t to_bfloat16(double value) {
    if (std::isnan(value)) return 0x7fc0;
    // Straight from the double, for rounding twice may round wrongly.
    const double rounded = std::isinf(value) ? value : round_to_bits(value, 7, -126);
    const auto bits = std::bit_cast<std::uint32_t>(static_cast<float>(rounded));
    return static_cast<std::uint16_t>(bits >> 16);
}

std::uint16_t to_float16(double value) {
    const auto sign = static_cast<std::uint16_t>(std::signbit(value) ? 0x8000 : 0);
    if (std::isnan(value)) return 0x7e00;
    const double magnitude = std::isinf(value) ? value : round_to_bits(std::fabs(value), 10, -14);
    if (std::fabs(magnitude) >= 65536.0) return static_cast<std::uint16_t>(sign | 0x7c00);
    if (magnitude < 0x1p-14) {  // subnormal: a multiple of 2^-24
        return static_cast<std::uint16_t>(sign | static_cast<unsigned>(magnitude * 0x1p24));
    }
    int exponent = 0;
    const double mantissa = std::frexp(magnitude, &exponent);  // 0.5 <= mantissa < 1
    const auto fraction = static_cast<unsigned>((mantissa * 2 - 1) * 1024);
    return static_cast<std::uint16_t>(sign | static_cast<unsigned>(exponent + 14) << 10 | fraction);
}

}  // namespace

Element encode(DType dtype, double value, std::string_view what) {
    // The largest finite value of each, and half a unit more, which rounds to infinity.
    const double limit = dtype == DType::f16    ? 65520.0
                         : dtype == DType::bf16 ? 0x1.ffp127
                         : dtype == DType::f32  ? 0x1.ffffffp127
                                                : HUGE_VAL;
    if (std::isfinite(value) && std::fabs(value) >= limit) {
        throw UsageError(std::string(what) + ": " + std::to_string(value) +
                         ", wanted a value in the range of the dtype");
    }
    switch (dtype) {
        case DType::f32: return bytes_of_value(static_cast<float>(value));
        case DType::f64: return bytes_of_value(value);
        case DType::f16: return bytes_of_value(to_float16(value));
        case DType::bf16: return bytes_of_value(to_bfloat16(value));
        case DType::i64: return encode_integer<std::int64_t>(value, what);
        case DType::i32: return encode_integer<std::int32_t>(value, what);
        case DType::i16: return encode_integer<std::int16_t>(value, what);
        case DType::i8: return encode_integer<std::int8_t>(value, what);
        case DType::u8: return encode_integer<std::uint8_t>(value, what);
    }
    throw UsageError(std::string(what) + ": unknown dtype");
}

}  // namespace headrace::schema
