// `headrace bench device`: what the loader's copies, its strip kernel and its training steps reach
// on a GPU, each against a ceiling that is measured in turns with it.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "cli/batch_reader.hpp"
#include "cli/bench_device_report.hpp"
#include "cli/command_line.hpp"
#include "device/backend.hpp"
#include "device/ceilings.hpp"
#include "headrace/loader.hpp"

namespace headrace::cli {

/// How much of everything. Bytes are those of capacities unless said otherwise.
struct DeviceSizes {
    unsigned turns = 7;

    // Batches large enough that starting a copy (2 to 3 us) does not count, in a ring of four:
    // more than a processor's or a GPU's cache holds.
    std::uint64_t batch_bytes = 32u << 20;
    std::uint32_t batches = 4;
    unsigned batches_per_turn = 24;
    std::uint32_t large_record_bytes = 1u << 20;
    std::vector<std::uint32_t> record_bytes{262'144, 65'536, 16'384, 4'096};
    std::vector<double> paddings{0.5, 0.9};
    std::vector<unsigned> mapped_read_blocks{32, 64, 128, 256, 1024};

    std::uint64_t strip_payload_bytes = 256u << 20;  ///< at least: beyond the L2
    std::vector<std::uint32_t> strip_record_bytes{1'024, 4'096, 65'536, 1u << 20};
    double strip_turn_s = 5e-3;  ///< about how long a turn takes

    double step_s = 2e-3;
    unsigned steps_per_turn = 200;
    RecordShape step_shape{16'384, 16, 0.5};
    std::uint32_t step_batch = 64;
    std::uint32_t step_slots = 512;
    unsigned checked_batches = 8;  ///< copied back and verified, before the steps and after them

    static DeviceSizes quick();
};

/// What the questions have in common.
struct DeviceBench {
    device::Backend& backend;
    device::Ceilings& ceilings;
    DeviceSizes sizes;
    DeviceReport& report;
    std::function<bool()> is_interrupted = [] { return false; };

    struct Interrupted {};
    /// Throws Interrupted after Ctrl-C.
    void go_on() const {
        if (is_interrupted()) throw Interrupted();
    }
};

/// Each adds its findings to the report, and what was wrong. Throw as the library does.
void measure_link(DeviceBench& bench);
void measure_strip(DeviceBench& bench);
/// A loader over a ring with records for step_records(), from producers that keep up. `reader` is
/// of `stream`, which was made for most_steps().
void measure_steps(DeviceBench& bench, Loader& loader, device::StepStream& stream,
                   BatchReader& reader);
std::uint64_t step_records(const DeviceSizes& sizes) noexcept;
std::uint64_t most_steps(const DeviceSizes& sizes) noexcept;

/// Returns the exit status, as bench_ring() does.
int bench_device(const DeviceBenchOptions& options);

}  // namespace headrace::cli
