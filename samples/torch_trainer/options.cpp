#include "options.hpp"

#include <cxxopts.hpp>
#include <filesystem>

namespace words {
namespace {

namespace fs = std::filesystem;

constexpr std::uint32_t kMostEpochs = 1u << 20;
constexpr std::uint32_t kMostProducers = 64;
constexpr std::uint32_t kMostBatch = 1u << 16;
constexpr std::uint32_t kMostDepth = 64;  // a loader's
constexpr std::uint32_t kMostThreads = 1024;

template <class T>
std::shared_ptr<cxxopts::Value> number(T& target) {
    return cxxopts::value<T>(target)->default_value(std::to_string(target));
}
std::shared_ptr<cxxopts::Value> text(std::string& target) {
    return cxxopts::value<std::string>(target)->default_value(target);
}

cxxopts::Options describe(Options& options) {
    cxxopts::Options described("torch_trainer",
                               "Learns to tell which of five languages a word is of, from lists "
                               "that producer processes read.");
    auto add = described.add_options();
    add("device", "best, host, cuda:0, ...", text(options.device), "NAME");
    add("epochs", "Times that every word is seen", number(options.epochs), "N");
    add("batch", "Words of a batch", number(options.batch), "N");
    add("slots", "Places of each ring; 0: four batches", number(options.slots), "N");
    add("depth", "Batches on the device", number(options.depth), "N");
    add("producers", "Producer processes", number(options.producers), "N");
    add("words", "Use so many words of each language; 0: all", number(options.words), "N");
    add("seed", "Of the order of the words and of the network", number(options.seed), "N");
    add("threads", "Threads of the trainer", number(options.threads), "N");
    add("rate", "Of learning, in the first epoch; it halves with each",
        cxxopts::value(options.rate)->default_value("0.01"), "X");
    add("lists", "Folder of the word lists", text(options.lists), "DIR");
    add("checkpoint", "Keep the run in this file", text(options.checkpoint), "FILE");
    add("every", "Steps between two checkpoints; 0: only after each epoch", number(options.every),
        "N");
    add("resume", "Go on from the checkpoint", cxxopts::value<bool>(options.resume));
    add("steps", "Stop after so many steps; 0: after the last epoch", number(options.steps), "N");
    add("curve", "Draw the learning curve, an .svg or a .png; the numbers beside it, as .tsv",
        text(options.curve), "FILE");
    add("results", "Write the results to a file, too, as JSON", text(options.results), "FILE");
    add("owned", "Train on tensors of LibTorch's own memory, not the loader's",
        cxxopts::value<bool>(options.owned));
    add("directory", "Where the rings' sockets lie; empty: the usual place",
        text(options.directory), "DIR");
    add("quiet", "Print nothing but errors", cxxopts::value<bool>(options.quiet));
    add("h,help", "This text");
    return described;
}

void expect(bool holds, const std::string& option, const std::string& found,
            const std::string& wanted) {
    if (!holds) throw OptionError("--" + option + ": found " + found + ", wanted " + wanted);
}

void expect(const char* option, std::uint64_t found, std::uint64_t most) {
    expect(found >= 1 && found <= most, option, std::to_string(found),
           "1 to " + std::to_string(most));
}

// Told now, not after minutes of training.
void expect_file(const char* option, const std::string& file) {
    if (file.empty()) return;
    expect(fs::is_directory(fs::absolute(file).parent_path()) && !fs::is_directory(file), option,
           "\"" + file + "\"", "a file in a folder that exists");
}

void check(const Options& options) {
    expect("epochs", options.epochs, kMostEpochs);
    expect("batch", options.batch, kMostBatch);
    expect("depth", options.depth, kMostDepth);
    expect("producers", options.producers, kMostProducers);
    expect("threads", options.threads, kMostThreads);
    expect(options.slots == 0 || options.slots / 2 >= options.batch, "slots",
           std::to_string(options.slots),
           "two batches of " + std::to_string(options.batch) + " or more");
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
