#include "options.hpp"

#include <unistd.h>

#include <cmath>
#include <cxxopts.hpp>

#include "log_mel.hpp"
#include "ring_names.hpp"

namespace voices {
namespace {

using samples::expect;
using samples::expect_between;
using samples::expect_file;
using samples::expect_name;
using samples::expect_seconds;
using samples::expect_slots;
using samples::value;

// An hour: far over the longest recording, and a record of it still counts in 32 bits.
constexpr double kMostSeconds = 3600;
constexpr std::uint32_t kMostProducers = 64;
constexpr std::uint32_t kMostBatch = 1u << 16;  // many times all recordings there are

cxxopts::Options describe(Options& options) {
    cxxopts::Options described(
        "voices",
        "Learns to tell five languages (four voices) apart from recordings that "
        "producer processes prepare.");
    auto add = described.add_options();
    add("name", "Of the rings, for producers that are started elsewhere; empty: voices-PID",
        value(options.name), "NAME");
    add("producers", "Producer processes to start; 0: they are started elsewhere",
        value(options.producers), "N");
    add("linger", "Seconds that the run goes on without a producer, after the last one went",
        value(options.linger_s), "S");
    add("device", "best, host, cuda:0, ...", value(options.device), "NAME");
    add("epochs", "Times that every recording is seen", value(options.epochs), "N");
    add("batch", "Recordings of a batch", value(options.batch), "N");
    add("slots", "Places of each ring; 0: four batches", value(options.slots), "N");
    add("seed", "Of the order of the recordings and of the network", value(options.seed), "N");
    add("capacity-seconds", "Longer recordings are cut", value(options.capacity_seconds), "S");
    add("lr", "Learning rate at the start; it falls to 0", value(options.learning_rate), "X");
    add("hidden", "Units of the network", value(options.hidden), "N");
    add("context", "Frames that a unit sees, odd", value(options.context), "N");
    add("threads", "Threads of the trainer", value(options.threads), "N");
    add("limit", "Use so many recordings only; 0: all", value(options.limit), "N");
    add("data", "Folder of the recordings", value(options.data), "DIR");
    add("directory", "Where the rings' sockets lie; empty: the usual place",
        value(options.directory), "DIR");
    add("json", "Write the results to a file, too", value(options.json), "FILE");
    add("quiet", "Print nothing but errors", cxxopts::value<bool>(options.quiet));
    add("h,help", "This text");
    return described;
}

void check(const Options& options) {
    const auto at_least_one = [](std::uint32_t number, const char* name) {
        expect(number >= 1, name, std::to_string(number), "1 or more");
    };
    if (!options.name.empty()) expect_name("name", options.name, kMostNameBytes);
    expect_between("producers", options.producers, 0, kMostProducers);
    expect_seconds("linger", options.linger_s);
    at_least_one(options.epochs, "epochs");
    expect_between("batch", options.batch, 1, kMostBatch);
    at_least_one(options.hidden, "hidden");
    at_least_one(options.threads, "threads");
    expect(options.context % 2 == 1, "context", std::to_string(options.context), "an odd number");
    expect_slots(options.slots, options.batch);
    expect(options.capacity_seconds >= 0.01 && options.capacity_seconds <= kMostSeconds,
           "capacity-seconds", std::to_string(options.capacity_seconds), "0.01 to 3600");
    expect(options.learning_rate > 0 && options.learning_rate <= 1, "lr",
           std::to_string(options.learning_rate), "more than 0, at most 1");
    expect_file("json", options.json);
}

}  // namespace

std::size_t Options::capacity_frames() const {
    return static_cast<std::size_t>(
        std::llround(capacity_seconds * static_cast<double>(kFramesPerSecond)));
}

std::optional<Options> parse_options(int argc, char** argv) {
    Options options;
    cxxopts::Options described = describe(options);
    if (!samples::parse(described, argc, argv)) return std::nullopt;
    check(options);
    if (options.name.empty()) options.name = "voices-" + std::to_string(getpid());
    if (options.slots == 0) options.slots = 4 * options.batch;
    return options;
}

}  // namespace voices
