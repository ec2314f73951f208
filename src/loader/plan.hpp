// From what was taken out of the ring to what a device is asked to do: pure arithmetic.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "device/backend.hpp"
#include "headrace/loader.hpp"
#include "ring/consumer_core.hpp"

namespace headrace::detail {

// The shape of one field of a batch, on the host.
struct FieldShape {
    std::span<std::int32_t>
        offsets;  // [batch + 1], quick to copy from; the first records + 1 count
    std::int64_t longest = 0;
    std::int64_t width = 0;
};

// What every batch of a loader has in common.
struct BatchForm {
    Schema schema;
    Layout layout = Layout::packed;
    std::uint32_t batch = 0;
    std::vector<schema::Element> pads;  // one a field

    // Throws UsageError: no batch size, more than half the slots, offsets that could pass int32, a
    // pad value for no field or out of its dtype's range, a depth or layout that does not exist.
    static BatchForm of(const Schema& schema, std::uint32_t slots, const LoaderOptions& options);
    // Bytes of the largest batch of a field.
    std::uint64_t most_bytes(std::size_t field) const;
};

// Fills `shapes` (one a field) and `plan`, which refers to `taken`, `slots` and `shapes`. `rows`
// are the rows of slot 0, one a field, `row_bytes` their distances. Allocates nothing the second
// time.
void make_plan(const BatchForm& form, const Taken& taken, std::span<const std::uint64_t> slots,
               std::vector<FieldShape>& shapes, std::span<const std::byte* const> rows,
               std::span<const std::uint64_t> row_bytes, device::BatchPlan& plan);

}  // namespace headrace::detail
