// LibTorch's names of the dtypes of a schema.
#pragma once

#include <c10/core/ScalarType.h>

#include <string>

#include "headrace/dtype.hpp"
#include "headrace/error.hpp"

namespace headrace::torch {

/// LibTorch's name of a dtype; the widths and meanings are the same. Throws UsageError for a value
/// that is no DType.
inline at::ScalarType scalar_type_of(DType dtype) {
    switch (dtype) {
        case DType::f32: return at::kFloat;
        case DType::i32: return at::kInt;
        case DType::f16: return at::kHalf;
        case DType::bf16: return at::kBFloat16;
        case DType::f64: return at::kDouble;
        case DType::i64: return at::kLong;
        case DType::i16: return at::kShort;
        case DType::i8: return at::kChar;
        case DType::u8: return at::kByte;
    }
    throw UsageError("dtype " + std::to_string(static_cast<unsigned>(dtype)) +
                     ": LibTorch has no name for it");
}

}  // namespace headrace::torch
