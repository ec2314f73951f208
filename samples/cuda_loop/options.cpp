#include "options.hpp"

#include <cxxopts.hpp>

namespace cuda_loop {
namespace {

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
    const auto number = [](auto& target) {
        return cxxopts::value(target)->default_value(std::to_string(target));
    };
    const auto text = [](std::string& target) {
        return cxxopts::value(target)->default_value(target);
    };
    auto add = described.add_options();
    add("epochs", "Times that every recording is seen", number(options.epochs), "N");
    add("records", "Recordings of an epoch", number(options.records), "N");
    add("batch", "Recordings of a batch", number(options.batch), "N");
    add("producers", "Producer processes to start", number(options.producers), "N");
    add("rate", "Rate of learning: times the mean gradient of a batch",
        cxxopts::value(options.rate)->default_value("0.3"), "X");
    add("unreadable", "Every N-th recording cannot be read; 0: all can", number(options.unreadable),
        "N");
    add("device", "best, host, cuda:0, ...", text(options.device), "NAME");
    add("transfer", "How batches go to a GPU: automatic, copy, trim, direct, gather",
        text(options.transfer), "NAME");
    add("ring", "Name of the ring", text(options.ring), "NAME");
    add("h,help", "This text");
    return described;
}

void expect(const char* option, std::uint64_t found, std::uint64_t least, std::uint64_t most) {
    if (found >= least && found <= most) return;
    throw OptionError(std::string("--") + option + ": found " + std::to_string(found) +
                      ", wanted " + std::to_string(least) + " to " + std::to_string(most));
}

}  // namespace

std::optional<Options> parse_options(int argc, char** argv) {
    Options options;
    cxxopts::Options described = describe(options);
    if (!samples::parse(described, argc, argv)) return std::nullopt;
    expect("epochs", options.epochs, 1, kMostEpochs);
    expect("records", options.records, 1, kMostRecords);
    expect("batch", options.batch, 1, kMostBatch);
    // None: they are started by hand.
    expect("producers", options.producers, 0, kMostProducers);
    if (!(options.rate > 0 && options.rate <= kMostRate)) {
        throw OptionError("--rate: found " + std::to_string(options.rate) +
                          ", wanted more than 0, at most 100");
    }
    return options;
}

}  // namespace cuda_loop
