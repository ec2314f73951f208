#include "device/link_cost.hpp"

#include <algorithm>

namespace headrace::device {

namespace {

// A kernel that reads over the link does so in sectors of 32 bytes: one more than is full, for each
// record.
constexpr double kSectorBytes = 32;

// Gathering takes multiprocessors from the trainer's kernels, the copy engine does not: it has to
// be a tenth cheaper to be worth that.
constexpr double kGatherHandicap = 1.1;

double as_double(std::uint64_t number) noexcept {
    return static_cast<double>(number);
}

double strip_s(const LinkRates& rates, const FieldLoad& load) noexcept {
    if (load.keeps_rows) return 0;
    return rates.launch_s + as_double(load.payload_bytes) / rates.strip_bytes_per_s;
}

}  // namespace

double cost_of_copy(const LinkRates& rates, const FieldLoad& load) noexcept {
    const double link_s = as_double(load.records * load.row_bytes) / rates.copy_bytes_per_s;
    return std::max(link_s, as_double(load.runs) * rates.copy_s) + strip_s(rates, load);
}

double cost_of_trim(const LinkRates& rates, const FieldLoad& load) noexcept {
    const double row_s =
        std::max(as_double(load.longest_bytes) / rates.rows_bytes_per_s, rates.row_s);
    return std::max(as_double(load.records) * row_s, as_double(load.runs) * rates.copy_s) +
           strip_s(rates, load);
}

double cost_of_direct(const LinkRates& rates, const FieldLoad& load) noexcept {
    double sum_s = rates.copy_s;
    for (const std::uint32_t length : load.lengths) {
        if (length == 0) continue;
        const double bytes = as_double(length) * as_double(load.element_bytes);
        sum_s += std::max(bytes / rates.copy_bytes_per_s, rates.entry_s);
    }
    return sum_s;
}

double cost_of_gather(const LinkRates& rates, const FieldLoad& load) noexcept {
    const double bytes = as_double(load.payload_bytes) + as_double(load.records) * kSectorBytes;
    return rates.launch_s + bytes / rates.gather_bytes_per_s;
}

Transfer cheapest(const LinkRates& rates, const FieldLoad& load, bool has_place) noexcept {
    Transfer best = Transfer::direct;
    double best_s = cost_of_direct(rates, load);
    const auto consider = [&](Transfer transfer, double cost_s) {
        if (cost_s < best_s) best = transfer, best_s = cost_s;
    };
    if (has_place) {
        consider(Transfer::copy, cost_of_copy(rates, load));
        consider(Transfer::trim, cost_of_trim(rates, load));
    }
    if (rates.gather_bytes_per_s > 0) {
        consider(Transfer::gather, kGatherHandicap * cost_of_gather(rates, load));
    }
    return best;
}

}  // namespace headrace::device
