// What the peers of `headrace bench ring` have in common: arguments, producers as forked processes
// at a gate, clocks, and the report, all as the command line has them.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "cli/bench_report.hpp"
#include "cli/record_check.hpp"

namespace headrace::bench {

struct PeerOptions {
    cli::RecordShape shape;
    std::uint32_t slots = 0;
    std::uint32_t producers = 0;
    std::uint64_t records = 0;
};

/// One of PeerOptions::producers processes: writes the records `producer`, `producer + producers`
/// and so on below the end. It inherits whatever memory the consumer mapped as shared.
using Produce = std::function<void(std::uint32_t producer)>;
/// Takes every record and has `check` verify it.
using Consume = std::function<void(cli::RecordCheck& check)>;

/// Runs both sides and measures, from the opening of the gate to the return of `consume`. The
/// producers are killed if they still run then.
cli::BenchReport measure(const PeerOptions& options, const Produce& produce,
                         const Consume& consume);

/// main() of a peer: reads the arguments FLOATS INTS FILL SLOTS PRODUCERS RECORDS, calls `run`, and
/// writes the JSON. Returns the exit status.
int peer_main(int argc, char** argv, const char* name,
              const std::function<cli::BenchReport(const PeerOptions&)>& run);

}  // namespace headrace::bench
