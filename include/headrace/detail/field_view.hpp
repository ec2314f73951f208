// Where a field's rows lie in a mapping of the ring. Not part of the interface: it is here so that
// the accessors of records are inline.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "headrace/dtype.hpp"

namespace headrace::detail {

struct FieldView {
    std::byte* rows;          // row of slot 0
    std::uint64_t row_bytes;  // from one slot's row to the next
    std::uint32_t capacity;   // elements
    std::uint32_t element_bytes;
    DType dtype;
};

// The rows of one mapping, one entry a field, and its number of slots.
struct RowView {
    std::span<const FieldView> fields;
    std::uint64_t slots;
};

}  // namespace headrace::detail
