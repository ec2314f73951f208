// One element of any dtype, as bytes.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

#include "headrace/dtype.hpp"

namespace headrace::schema {

using Element = std::array<std::byte, 8>;

// `value` as an element: the first bytes_of(dtype) bytes, the rest zero. Floating point rounds to
// nearest even; an integer dtype takes whole numbers in its range only. Throws UsageError that
// names `what`.
Element encode(DType dtype, double value, std::string_view what);

}  // namespace headrace::schema
