#include "options.hpp"

#include <cxxopts.hpp>

namespace cuda_loop {
namespace {

using samples::expect_between;
using samples::value;

// The ring has four batches of places, 8 KiB each: half a gigabyte.
constexpr std::uint32_t kMostBatch = 1u << 14;
constexpr std::uint32_t kMostProducers = 64;
constexpr std::uint64_t kMostRecords = 1ull << 40;  // far from where epochs * records overflows
constexpr std::uint32_t kMostEpochs = 1u << 20;
constexpr float kMostRate = 100;

cxxopts::Options describe(Options& options) {
    cxxopts::Options described("cuda_loop",
                               "Learns to tell worn bearings from sound ones, on a GPU or on the "
                               "host; producer processes make the recordings.");
    auto add = described.add_options();
    add("epochs", "Times that every recording is seen", value(options.epochs), "N");
    add("records", "Recordings of an epoch", value(options.records), "N");
    add("batch", "Recordings of a batch", value(options.batch), "N");
    add("producers", "Producer processes to start", value(options.producers), "N");
    add("rate", "Rate of learning: times the mean gradient of a batch", value(options.rate), "X");
    add("unreadable", "Every N-th recording cannot be read; 0: all can", value(options.unreadable),
        "N");
    add("device", "best, host, cuda:0, ...", value(options.device), "NAME");
    add("transfer", "How batches go to a GPU: automatic, copy, trim, direct, gather",
        value(options.transfer), "NAME");
    add("ring", "Name of the ring", value(options.ring), "NAME");
    add("h,help", "This text");
    return described;
}

}  // namespace

std::optional<Options> parse_options(int argc, char** argv) {
    Options options;
    cxxopts::Options described = describe(options);
    if (!samples::parse(described, argc, argv)) return std::nullopt;
    expect_between("epochs", options.epochs, 1, kMostEpochs);
    expect_between("records", options.records, 1, kMostRecords);
    expect_between("batch", options.batch, 1, kMostBatch);
    // None: they are started by hand.
    expect_between("producers", options.producers, 0, kMostProducers);
    samples::expect(options.rate > 0 && options.rate <= kMostRate, "rate",
                    std::to_string(options.rate), "more than 0, at most 100");
    return options;
}

}  // namespace cuda_loop
