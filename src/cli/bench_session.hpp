// What the benchmarks of ring and loader have in common: a ring, producer processes at a gate, a
// clock for the wall and one for the processors.
#pragma once

#include <chrono>
#include <string>

#include "cli/bench_report.hpp"
#include "cli/command_line.hpp"
#include "cli/interrupt.hpp"
#include "cli/producer_processes.hpp"
#include "headrace/ring.hpp"

namespace headrace::cli {

/// Use: make it, make the consumer or loader, start(), take everything, stop(), report(). One
/// thread. While it lives Ctrl-C closes the ring, which ends everybody's waits.
class BenchSession {
  public:
    /// Makes the ring and the producers, and waits until these are attached. Throws what the ring
    /// throws, and SystemError when a producer does not come up.
    BenchSession(const BenchOptions& options, Interrupt& interrupt);
    ~BenchSession();
    BenchSession(const BenchSession&) = delete;
    BenchSession& operator=(const BenchSession&) = delete;

    Ring& ring() noexcept { return ring_; }
    /// How long a benchmark waits for a record before it is a failure.
    static constexpr std::chrono::milliseconds kStall{60'000};

    /// Starts the clocks and lets the producers begin.
    void start();
    /// Stops the wall clock. Call it when the last byte has been verified.
    void stop() noexcept { stopped_ = std::chrono::steady_clock::now(); }
    /// Ends the ring and waits for the producers. Returns what went wrong with them, or nothing.
    std::string end();
    /// The same, and adds everything up. `check` has seen every
    /// record. Statistics are the ring's, or the loader's where `stats` is given.
    BenchReport report(RecordCheck& check, const Stats* stats = nullptr);

  private:
    BenchOptions options_;
    Interrupt& interrupt_;
    Ring ring_;
    ProducerProcesses producers_;  // after the ring: its destructor waits for those that use it
    std::chrono::steady_clock::time_point started_;
    std::chrono::steady_clock::time_point stopped_;
    double cpu_s_before_ = 0;
};

/// Run a benchmark and tell its result. Return the exit status: 0, 1 for what was not verified, 130
/// after Ctrl-C. Throw as the library does.
int bench_ring(const BenchOptions& options);
int bench_loader(const BenchOptions& options);
/// The hidden subcommand: one producer of a benchmark.
int bench_producer(const BenchProducerOptions& options);

}  // namespace headrace::cli
