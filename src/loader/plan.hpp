// From what was taken out of the ring to what a device is asked to do: pure arithmetic.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "device/backend.hpp"
#include "headrace/loader.hpp"
#include "ring/consumer_core.hpp"
#include "ring/layout.hpp"

namespace headrace::detail {

// The shape of one field of a batch, on the host.
struct FieldShape {
    std::int64_t longest = 0;
    std::int64_t total = 0;
    std::int64_t width = 0;
};

// What every batch of a loader has in common.
struct BatchForm {
    Schema schema;
    Layout layout = Layout::packed;
    std::uint32_t batch = 0;
    bool wide_offsets = false;
    std::vector<schema::Element> pads;     // one a field
    std::vector<std::int64_t> row_widths;  // elements of a ring's row, one a field
    // Bytes of device memory for the values of one batch, and whether that is less than a batch of
    // full records takes: then fields lie where they fit, else always in the same places.
    std::uint64_t values_bytes = 0;
    bool is_limited = false;

    // Throws UsageError: no batch size, more than half the slots, offsets that could pass int32, a
    // pad value for no field or out of its dtype's range, a depth, layout or transfer that does not
    // exist.
    static BatchForm of(const Schema& schema, std::uint32_t slots, const LoaderOptions& options);
    // Elements of a row of a batch whose longest record is so long; 0 when packed.
    std::int64_t width_of(std::size_t field, std::int64_t longest) const;
    // Bytes of the largest batch of a field.
    std::uint64_t most_bytes(std::size_t field) const;

    // What a device is told before the first batch: of rows that lie in `memory` as `geometry`
    // says.
    device::CopyForm copy_form(Transfer transfer, const std::byte* memory,
                               const ring::Geometry& geometry) const;

    // The head of a batch (BatchPlan::head): for each field its offsets, and the slots.
    std::size_t offsets_at(std::size_t field) const noexcept;
    std::size_t slots_at() const noexcept { return offsets_at(schema.size()); }
    std::size_t head_bytes() const noexcept;
};

// Memory of a batch, as the device gave it.
struct BatchMemory {
    std::byte* values = nullptr;  // on the device, BatchForm::values_bytes
    std::byte* head = nullptr;    // on the device, BatchForm::head_bytes()
    std::byte* host_head = nullptr;
};

// Fills `shapes` (one a field), the head on the host, `plan`, which refers to `taken` and that
// head, and `target`. `slots` are those of the records. Allocates nothing the second time. Throws
// SystemError when the values do not fit.
void make_plan(const BatchForm& form, const Taken& taken, std::span<const std::uint32_t> slots,
               const BatchMemory& memory, std::vector<FieldShape>& shapes, device::BatchPlan& plan,
               device::BatchTarget& target);

}  // namespace headrace::detail
