// The fields of a record: what a producer writes and a trainer reads. Values only; no memory, no
// operating system.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "headrace/dtype.hpp"
#include "headrace/export.hpp"

namespace headrace {

/// Fields of a record, at most. A slot's descriptor, its state and one 32-bit length per field, is
/// one 64-byte cache line: hence 14.
inline constexpr std::size_t kMaxFields = 14;
/// Bytes of a field's name, at most.
inline constexpr std::size_t kMaxFieldNameBytes = 31;

/// One field: every record holds 0 to `capacity` elements of `dtype` of it. The true length travels
/// with each record.
struct Field {
    std::string name = {};       ///< letters, digits, '_', '-' and '.'
    DType dtype = DType::f32;    ///< of each element
    std::uint32_t capacity = 0;  ///< elements
    bool operator==(const Field&) const = default;
};

/// The fields of a record, in order. Immutable; checked when it is made.
class HEADRACE_EXPORT Schema {
  public:
    Schema() = default;  ///< no field at all; a ring refuses it

    /// Throws UsageError for a capacity of zero, a name that is empty, too long, repeated or not
    /// made of letters, digits, '_', '-' and '.', an unknown dtype, or more than kMaxFields fields.
    Schema(std::initializer_list<Field> fields);
    /// The same, for fields that are told at run time.
    explicit Schema(std::vector<Field> fields);

    /// The classic pair: `floats` (f32) and `ints` (i32).
    static Schema float_int(std::uint32_t max_floats, std::uint32_t max_ints);

    /// Fields.
    std::size_t size() const noexcept { return fields_.size(); }
    /// All of them, in order.
    const std::vector<Field>& fields() const noexcept { return fields_; }
    /// The field at a place; throws std::out_of_range where there is none.
    const Field& operator[](std::size_t field) const { return fields_.at(field); }

    /// The place of a field; throws UsageError that lists the fields there are.
    std::size_t index_of(std::string_view name) const;
    /// The same, and throws UsageError when the field's dtype is not `wanted`.
    std::size_t index_of(std::string_view name, DType wanted) const;
    /// Throws UsageError when there is no such field, or it is of another dtype.
    void expect(std::size_t field, DType wanted) const;

    /// Bytes of one record with every field at its capacity, without alignment.
    std::uint64_t record_bytes() const noexcept;
    /// `mel f32[64000], text i32[256]`
    std::string to_string() const;

    bool operator==(const Schema&) const = default;

  private:
    std::vector<Field> fields_;
};

/// Throws UsageError unless `name` is 1 to `max_bytes` of letters, digits, '_', '-' and '.', and
/// neither "." nor "..". `what` starts the message: `ring name`, `field name`.
HEADRACE_EXPORT void check_name(std::string_view what, std::string_view name,
                                std::size_t max_bytes);

}  // namespace headrace
