#include "options.hpp"

#include <cxxopts.hpp>
#include <filesystem>

namespace words {
namespace {

namespace fs = std::filesystem;
using samples::expect;
using samples::expect_between;
using samples::expect_file;
using samples::expect_slots;
using samples::value;

constexpr std::uint32_t kMostEpochs = 1u << 20;
constexpr std::uint32_t kMostProducers = 64;
constexpr std::uint32_t kMostBatch = 1u << 16;
constexpr std::uint32_t kMostDepth = 64;  // a loader's
constexpr std::uint32_t kMostThreads = 1024;

cxxopts::Options describe(Options& options) {
    cxxopts::Options described("torch_trainer",
                               "Learns to tell which of five languages a word is of, from lists "
                               "that producer processes read.");
    auto add = described.add_options();
    add("device", "best, host, cuda:0, ...", value(options.device), "NAME");
    add("epochs", "Times that every word is seen", value(options.epochs), "N");
    add("batch", "Words of a batch", value(options.batch), "N");
    add("slots", "Places of each ring; 0: four batches", value(options.slots), "N");
    add("depth", "Batches on the device", value(options.depth), "N");
    add("producers", "Producer processes", value(options.producers), "N");
    add("words", "Use so many words of each language; 0: all", value(options.words), "N");
    add("seed", "Of the order of the words and of the network", value(options.seed), "N");
    add("threads", "Threads of the trainer", value(options.threads), "N");
    add("rate", "Of learning, in the first epoch; it halves with each", value(options.rate), "X");
    add("lists", "Folder of the word lists", value(options.lists), "DIR");
    add("checkpoint", "Keep the run in this file", value(options.checkpoint), "FILE");
    add("every", "Steps between two checkpoints; 0: only after each epoch", value(options.every),
        "N");
    add("resume", "Go on from the checkpoint", cxxopts::value<bool>(options.resume));
    add("steps", "Stop after so many steps; 0: after the last epoch", value(options.steps), "N");
    add("curve", "Draw the learning curve, an .svg or a .png; the numbers beside it, as .tsv",
        value(options.curve), "FILE");
    add("results", "Write the results to a file, too, as JSON", value(options.results), "FILE");
    add("owned", "Train on tensors of LibTorch's own memory, not the loader's",
        cxxopts::value<bool>(options.owned));
    add("directory", "Where the rings' sockets lie; empty: the usual place",
        value(options.directory), "DIR");
    add("quiet", "Print nothing but errors", cxxopts::value<bool>(options.quiet));
    add("h,help", "This text");
    return described;
}

void check(const Options& options) {
    expect_between("epochs", options.epochs, 1, kMostEpochs);
    expect_between("batch", options.batch, 1, kMostBatch);
    expect_between("depth", options.depth, 1, kMostDepth);
    expect_between("producers", options.producers, 1, kMostProducers);
    expect_between("threads", options.threads, 1, kMostThreads);
    expect_slots(options.slots, options.batch);
    expect(options.rate > 0 && options.rate <= 1, "rate", std::to_string(options.rate),
           "more than 0, at most 1");
    expect_file("checkpoint", options.checkpoint);
    expect_file("results", options.results);
    expect_file("curve", options.curve);
    const fs::path ending = fs::path(options.curve).extension();
    expect(options.curve.empty() || ending == ".svg" || ending == ".png", "curve",
           "\"" + options.curve + "\"", "a name that ends with .svg or .png");
    expect(!options.resume || !options.checkpoint.empty(), "resume", "no --checkpoint",
           "the file to go on from");
    expect(options.resume || options.checkpoint.empty() || !fs::exists(options.checkpoint),
           "checkpoint", "\"" + options.checkpoint + "\", which is there already",
           "--resume to go on from it, or another name");
}

}  // namespace

std::optional<Options> parse_options(int argc, char** argv) {
    Options options;
    cxxopts::Options described = describe(options);
    if (!samples::parse(described, argc, argv)) return std::nullopt;
    check(options);
    if (options.slots == 0) options.slots = 4 * options.batch;
    return options;
}

}  // namespace words
