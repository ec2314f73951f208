// What `headrace bench device` found out, and how it is told: a table for people, JSON for
// programs.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/machine.hpp"
#include "device/ceilings.hpp"

namespace headrace::cli {

/// A number of some kind, as it is told.
enum class Unit { bytes_per_s, seconds, share, times };

/// What was hoped for, beside what came of it.
struct Aim {
    std::string of;  ///< "share of the ceiling", "times copy"
    Unit unit = Unit::share;
    double found = 0;
    bool is_least = true;  ///< at least so much is wanted, else at most
    double wanted = 0;
    bool reached() const noexcept { return is_least ? found >= wanted : found <= wanted; }
};

/// One figure, against its ceiling.
struct Finding {
    std::string question;  ///< what was done: "copy", "strip"
    std::string load;      ///< what with: "64 records of 262 kB, half full"
    Unit unit = Unit::bytes_per_s;
    double figure = 0;  ///< the median of the turns
    std::vector<double> turns = {};
    std::string ceiling = {};  ///< its name; empty: there is none
    double ceiling_figure = 0;
    std::optional<Aim> aim = {};
    std::optional<double> link_bytes_per_payload_byte = {};

    double share() const noexcept { return ceiling_figure > 0 ? figure / ceiling_figure : 0; }
};

struct DeviceReport {
    std::string device;  ///< "cuda:0"
    device::DeviceDescription about;
    std::string host_memory;  ///< "pinned" or "bounced", as in Stats
    std::string refusal;      ///< why it is bounced
    bool quick = false;
    std::vector<Finding> findings;
    std::vector<std::string> notes;  ///< what was left out, and why
    std::string fault;               ///< empty: all that was moved arrived as it was sent
    double seconds = 0;

    Machine machine;
    std::string date;
    std::string version;

    bool verified() const noexcept { return fault.empty(); }
    /// Keeps the first one.
    void fail(const std::string& what);
};

/// Of an odd or even number of values, at least one.
double median(std::vector<double> values);
/// The value that the share `rank` of them does not pass.
double quantile(std::vector<double> values, double rank);

std::string device_json(const DeviceReport& report);
std::string device_table(const DeviceReport& report);

/// As tell() of bench_report.hpp. A missed aim is told, not an error.
int tell(const DeviceReport& report, const std::string& json);

}  // namespace headrace::cli
