// Element types of a record's fields. Only the width matters to the ring and to the devices; the
// name is there so that a trainer and its producers cannot disagree about what the bits mean.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace headrace {

/// Element type of a field. The values are part of the shared layout and are never renumbered.
enum class DType : std::uint8_t {
    f32 = 1,
    i32 = 2,
    f16 = 3,
    bf16 = 4,
    f64 = 5,
    i64 = 6,
    i16 = 7,
    i8 = 8,
    u8 = 9,
};
using enum DType;

/// The bits of an IEEE 754 binary16 number. The core does no arithmetic with it.
struct Float16 {
    std::uint16_t bits;  ///< sign, 5 bits of exponent, 10 of mantissa
    bool operator==(const Float16&) const = default;
};

/// The bits of a bfloat16 number: the upper half of an IEEE 754 binary32.
struct BFloat16 {
    std::uint16_t bits;  ///< sign, 8 bits of exponent, 7 of mantissa
    bool operator==(const BFloat16&) const = default;
};

/// Bytes of one element, 1 to 8; 0 for a value that is no DType.
constexpr std::size_t bytes_of(DType dtype) noexcept {
    switch (dtype) {
        case DType::f64:
        case DType::i64: return 8;
        case DType::f32:
        case DType::i32: return 4;
        case DType::f16:
        case DType::bf16:
        case DType::i16: return 2;
        case DType::i8:
        case DType::u8: return 1;
    }
    return 0;
}

/// "f32", "i32" and so on; "?" for a value that is no DType.
constexpr std::string_view name_of(DType dtype) noexcept {
    switch (dtype) {
        case DType::f32: return "f32";
        case DType::i32: return "i32";
        case DType::f16: return "f16";
        case DType::bf16: return "bf16";
        case DType::f64: return "f64";
        case DType::i64: return "i64";
        case DType::i16: return "i16";
        case DType::i8: return "i8";
        case DType::u8: return "u8";
    }
    return "?";
}

/// The DType that a C++ type is read and written as. Specialise it for a type of your own with the
/// same bits (`__half`, `c10::BFloat16`): `template <> struct DTypeOf<__half> { static constexpr
/// DType value = DType::f16; };`
template <class T>
struct DTypeOf;
// clang-format off
template <> struct DTypeOf<float> { static constexpr DType value = DType::f32; };
template <> struct DTypeOf<double> { static constexpr DType value = DType::f64; };
template <> struct DTypeOf<std::int64_t> { static constexpr DType value = DType::i64; };
template <> struct DTypeOf<std::int32_t> { static constexpr DType value = DType::i32; };
template <> struct DTypeOf<std::int16_t> { static constexpr DType value = DType::i16; };
template <> struct DTypeOf<std::int8_t> { static constexpr DType value = DType::i8; };
template <> struct DTypeOf<std::uint8_t> { static constexpr DType value = DType::u8; };
template <> struct DTypeOf<Float16> { static constexpr DType value = DType::f16; };
template <> struct DTypeOf<BFloat16> { static constexpr DType value = DType::bf16; };
// clang-format on

/// The same, shorter: dtype_of<float>.
template <class T>
inline constexpr DType dtype_of = DTypeOf<T>::value;

}  // namespace headrace
