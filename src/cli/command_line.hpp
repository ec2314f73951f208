// From arguments to options. Everything that the user may get wrong throws UsageError here, before
// anything has been started.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cli/record_check.hpp"
#include "headrace/layout.hpp"
#include "headrace/transfer.hpp"

namespace headrace::cli {

/// The words after the subcommand; views into argv.
using Arguments = std::span<const char* const>;

enum class BenchKind { ring, loader };

struct BenchOptions {
    BenchKind kind = BenchKind::ring;
    std::string name;  ///< of the ring
    std::uint32_t producers = 1;
    RecordShape shape{256, 16, 1.0};
    std::uint64_t records = 0;
    std::uint32_t slots = 1024;
    std::uint32_t batch = 256;
    Layout layout = Layout::packed;
    std::string device = "host";
    Transfer transfer = Transfer::automatic;
    std::string json;  ///< a file, "-", or empty
    std::string directory;
};

/// Empty: help was asked for and has been printed.
std::optional<BenchOptions> parse_bench(BenchKind kind, Arguments arguments);

/// Records of a run when none are asked for: some 4 GB of capacity, at least 1,000.
std::uint64_t default_records(const RecordShape& shape) noexcept;

/// What `headrace bench device` measures.
enum class DeviceQuestion { link, strip, step };

struct DeviceBenchOptions {
    std::string device = "cuda:0";
    std::optional<DeviceQuestion> only;  ///< empty: all
    bool quick = false;
    Transfer transfer = Transfer::automatic;  ///< of the loader that feeds the steps
    std::uint32_t producers = 2;
    std::string name;  ///< of the ring of the steps
    std::string json;  ///< a file, "-", or empty
    std::string directory;
};

/// Empty: help was asked for and has been printed. Throws DeviceError where there is no such GPU.
std::optional<DeviceBenchOptions> parse_bench_device(Arguments arguments);

/// The hidden subcommand that the benchmarks start themselves as.
struct BenchProducerOptions {
    std::string name;
    double fill = 1;
    std::int64_t parent = 0;  ///< pid of the benchmark
    std::string directory;
};
BenchProducerOptions parse_bench_producer(Arguments arguments);
/// The arguments that parse_bench_producer() reads, the subcommand's name first.
std::vector<std::string> bench_producer_arguments(const BenchProducerOptions& options);

enum class StatFormat { table, json, prometheus };

struct StatOptions {
    std::string name;
    StatFormat format = StatFormat::table;
    std::optional<double> watch_s;  ///< empty: once
    std::string directory;
};

/// Empty: help was asked for and has been printed.
std::optional<StatOptions> parse_stat(Arguments arguments);

struct ListOptions {
    std::string directory;
};

/// Empty: help was asked for and has been printed.
std::optional<ListOptions> parse_list(Arguments arguments);

}  // namespace headrace::cli
