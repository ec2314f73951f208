// Where the records of a job lie, in its packed field and in its source. Positions are bytes of 64
// bits; offsets are read as the job has them, 32 bits or 64.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "kernels/field_job.hpp"
#include "kernels/host_device.hpp"

namespace headrace::kernels {

// The last record of [first, end) whose key is not above `value`. Keys do not fall from one record
// to the next, and that of `first` is not above `value`.
template <class Key>
HEADRACE_HOST_DEVICE std::uint32_t last_not_above(std::uint32_t first, std::uint32_t end,
                                                  std::uint64_t value, const Key& key) {
    std::uint32_t found = first;
    while (end - found > 1) {
        const std::uint32_t middle = found + (end - found) / 2;
        if (key(middle) <= value) {
            found = middle;
        } else {
            end = middle;
        }
    }
    return found;
}

// Offset: std::int32_t or std::int64_t.
template <class Offset>
class Records {
  public:
    HEADRACE_HOST_DEVICE explicit Records(const FieldJob& job)
        : offsets_(static_cast<const Offset*>(job.offsets)),
          rows_(job.rows),
          row_bytes_(job.row_bytes),
          element_bytes_(job.element_bytes) {}

    // In the packed field, bytes. begin(records) is the end of the field.
    HEADRACE_HOST_DEVICE std::uint64_t begin(std::uint64_t record) const {
        return static_cast<std::make_unsigned_t<Offset>>(offsets_[record]) * element_bytes_;
    }

    // In the source, bytes.
    HEADRACE_HOST_DEVICE std::uint64_t source(std::uint64_t record) const {
        if (is_packed()) return begin(record);
        return (rows_ != nullptr ? rows_[record] : record) * row_bytes_;
    }
    HEADRACE_HOST_DEVICE bool is_packed() const { return row_bytes_ == 0; }

    // The record of [first, end) that holds the byte `position` of the packed field, given that one
    // of them does: the last that begins there or before, for of those that begin at the same place
    // all but the last are empty.
    HEADRACE_HOST_DEVICE std::uint32_t holding(std::uint32_t first, std::uint32_t end,
                                               std::uint64_t position) const {
        return last_not_above(first, end, position,
                              [this](std::uint32_t record) { return begin(record); });
    }

  private:
    const Offset* offsets_;
    const std::uint32_t* rows_;
    std::uint64_t row_bytes_;
    std::uint64_t element_bytes_;
};

}  // namespace headrace::kernels
