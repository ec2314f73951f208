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

// The same, quicker where that record is near `first`.
template <class Key>
HEADRACE_HOST_DEVICE std::uint32_t next_not_above(std::uint32_t first, std::uint32_t end,
                                                  std::uint64_t value, const Key& key) {
    std::uint32_t found = first;
    std::uint32_t step = 1;  // cannot overflow: what was stepped over so far is step - 1
    while (step < end - found && key(found + step) <= value) {
        found += step;
        step *= 2;
    }
    return last_not_above(found, found + smaller(step, end - found), value, key);
}

// Offset: std::int32_t or std::int64_t.
template <class Offset>
class Records {
  public:
    // `job` must outlive the object: copies of what it says would take up registers.
    HEADRACE_HOST_DEVICE explicit Records(const FieldJob& job) : job_(job) {}
    Records(const FieldJob&&) = delete;

    // In the packed field, bytes. begin(records) is the end of the field.
    HEADRACE_HOST_DEVICE std::uint64_t begin(std::uint64_t record) const {
        const Offset offset = static_cast<const Offset*>(job_.offsets)[record];
        return std::uint64_t{static_cast<std::make_unsigned_t<Offset>>(offset)} *
               job_.element_bytes;
    }

    // In the source, bytes.
    HEADRACE_HOST_DEVICE std::uint64_t source(std::uint64_t record) const {
        if (job_.row_bytes == 0) return begin(record);
        return (job_.rows != nullptr ? job_.rows[record] : record) * job_.row_bytes;
    }

    // The record of [first, end) that holds the byte `position` of the packed field, given that one
    // of them does: the last that begins there or before, for of those that begin at the same place
    // all but the last are empty.
    HEADRACE_HOST_DEVICE std::uint32_t holding(std::uint32_t first, std::uint32_t end,
                                               std::uint64_t position) const {
        return last_not_above(first, end, position,
                              [this](std::uint32_t record) { return begin(record); });
    }
    // The same, quicker where it is near `first`.
    HEADRACE_HOST_DEVICE std::uint32_t next_holding(std::uint32_t first, std::uint32_t end,
                                                    std::uint64_t position) const {
        return next_not_above(first, end, position,
                              [this](std::uint32_t record) { return begin(record); });
    }

  private:
    const FieldJob& job_;
};

}  // namespace headrace::kernels
