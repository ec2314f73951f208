// What it costs to bring one field of a batch over the link in each of the ways, from rates that
// were measured on this machine: pure arithmetic, no device. Times in seconds, rates in bytes a
// second. Each field is charged as if it were alone: a launch that serves several fields counts for
// each, and the strip kernel counts in full, though it overlaps with the copies of the next batch.
#pragma once

#include <cstdint>
#include <span>

#include "device/backend.hpp"

namespace headrace::device {

struct LinkRates {
    double copy_bytes_per_s = 0;    // the copy engine, large copies
    double copy_s = 0;              // submission of one copy: what small ones cost at the least
    double rows_bytes_per_s = 0;    // the copy engine in copies by rows (2D), wide rows
    double row_s = 0;               // one row of such a copy: what short rows cost at the least
    double entry_s = 0;             // one copy among many submitted together
    double gather_bytes_per_s = 0;  // a kernel reading mapped memory; 0: it cannot
    double strip_bytes_per_s = 0;   // a kernel packing payload on the device
    double launch_s = 0;            // one kernel that has nothing to do
};

// One field of a batch, in bytes.
struct FieldLoad {
    std::uint64_t records = 0;
    std::uint64_t runs = 0;       // pieces of consecutive slots
    std::uint64_t row_bytes = 0;  // of a slot
    std::uint64_t longest_bytes = 0;
    std::uint64_t payload_bytes = 0;
    std::size_t element_bytes = 0;
    // Whole rows are what is wanted: nothing is stripped behind copy and trim.
    bool keeps_rows = false;
    std::span<const std::uint32_t> lengths;  // elements, [records]
};

double cost_of_copy(const LinkRates& rates, const FieldLoad& load) noexcept;
double cost_of_trim(const LinkRates& rates, const FieldLoad& load) noexcept;
double cost_of_direct(const LinkRates& rates, const FieldLoad& load) noexcept;
double cost_of_gather(const LinkRates& rates, const FieldLoad& load) noexcept;

// The cheapest; never Transfer::automatic. `has_place`: there is memory on the device for whole
// rows, which copy and trim need.
Transfer cheapest(const LinkRates& rates, const FieldLoad& load, bool has_place) noexcept;

}  // namespace headrace::device
