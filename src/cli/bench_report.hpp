// The result of one benchmark run, and how it is told: a table for people, JSON for programs.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "cli/machine.hpp"
#include "cli/record_check.hpp"
#include "headrace/stats.hpp"

namespace headrace::cli {

struct BenchReport {
    std::string benchmark;  ///< "ring", "loader", or the name of a peer
    RecordShape shape;
    std::uint32_t producers = 1;
    std::uint32_t slots = 0;
    std::uint32_t batch = 0;  ///< 0: records are taken one by one
    std::string layout;       ///< empty, as the next two: no loader
    std::string device;
    std::string transfer;

    std::uint64_t records = 0;
    std::uint64_t payload_bytes = 0;
    double seconds = 0;          ///< from the start of writing to the last byte verified
    double cpu_s = 0;            ///< user and system time of all processes
    std::string fault;           ///< empty: every byte was what it had to be
    std::optional<Stats> stats;  ///< of the ring at the end; none for a peer

    Machine machine;
    std::string date;
    std::string version;

    bool verified() const noexcept { return fault.empty(); }
    double records_per_s() const noexcept;
    double payload_bytes_per_s() const noexcept;
    /// Per 10^9 bytes of payload.
    double cpu_s_per_gb() const noexcept;
};

std::string bench_json(const BenchReport& report);
std::string bench_table(const BenchReport& report);

/// Writes the table to standard output and the JSON `object` to `json`: a file, "-" for standard
/// output, and then the table is left out, or empty for no JSON. Throws SystemError when the file
/// cannot be written.
void tell_as(const std::string& table, const std::string& object, const std::string& json);

/// The same with a report. Returns the exit status: 0, or 1 for a run that was not verified.
int tell(const BenchReport& report, const std::string& json);

}  // namespace headrace::cli
