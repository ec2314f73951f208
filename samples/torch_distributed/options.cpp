#include "options.hpp"

#include <cxxopts.hpp>

namespace distributed {
namespace {

using samples::OptionError;

template <class T>
std::shared_ptr<cxxopts::Value> value(T& target) {
    return cxxopts::value<T>(target);
}
template <class T>
std::shared_ptr<cxxopts::Value> number(T& target) {
    return value(target)->default_value(std::to_string(target));
}
std::shared_ptr<cxxopts::Value> text(std::string& target) {
    return value(target)->default_value(target);
}

// Read as text or number first, then put where they belong.
struct Given {
    std::string remainder = "drop";
};

cxxopts::Options describe(Options& options, Given& given) {
    cxxopts::Options described(
        "torch_distributed",
        "One rank of a data-parallel training: start as many as you like with mpirun or torchrun.");
    auto add = described.add_options();
    add("rank", "This rank; with --world-size, instead of what the environment says",
        cxxopts::value<std::uint32_t>(), "N");
    add("world-size", "Ranks in all", cxxopts::value<std::uint32_t>(), "N");
    add("local-rank", "This rank on its machine: which GPU", cxxopts::value<std::uint32_t>(), "N");
    add("store", "File in which the ranks find each other; empty: as torchrun or mpirun say",
        text(options.store), "FILE");
    add("device", "best, host or cuda: a GPU for each rank", text(options.device), "NAME");
    add("epochs", "Times that every word is seen", number(options.epochs), "N");
    add("batch", "Words of a batch, on each rank", number(options.batch), "N");
    add("producers", "Producer processes of each rank", number(options.producers), "N");
    add("words", "Use so many words of each language; 0: all", number(options.words), "N");
    add("seed", "Of the order of the words and of the network", number(options.seed), "N");
    add("remainder", "Words that the ranks cannot share evenly: drop, or pad by repeating some",
        text(given.remainder), "POLICY");
    add("lists", "Folder of the word lists", text(options.lists), "DIR");
    add("checkpoint", "Keep the run in this file", text(options.checkpoint), "FILE");
    add("every", "Steps between two checkpoints; 0: only at the end", number(options.every), "N");
    add("resume", "Go on from the checkpoint, with as many ranks as there are now",
        cxxopts::value<bool>(options.resume));
    add("steps", "Stop after so many steps; 0: after the last epoch", number(options.steps), "N");
    add("ledger", "Write a line for each word learned from into FILE.RANK", text(options.ledger),
        "FILE");
    add("results", "Write the results to a file, too, as JSON", text(options.results), "FILE");
    add("directory", "Where the rings' sockets lie; empty: the usual place",
        text(options.directory), "DIR");
    add("h,help", "This text");
    return described;
}

void expect(bool holds, const std::string& option, const std::string& found,
            const std::string& wanted) {
    if (!holds) throw OptionError("--" + option + ": found " + found + ", wanted " + wanted);
}

void check(const Options& options, const Given& given) {
    constexpr std::uint32_t kMostBatch = 1u << 16;
    constexpr std::uint32_t kMostProducers = 64;
    expect(given.remainder == "drop" || given.remainder == "pad", "remainder",
           "\"" + given.remainder + "\"", "drop or pad");
    expect(options.device == "best" || options.device == "host" || options.device == "cuda",
           "device", "\"" + options.device + "\"", "best, host or cuda");
    expect(options.epochs >= 1, "epochs", "0", "1 or more");
    expect(options.batch >= 1 && options.batch <= kMostBatch, "batch",
           std::to_string(options.batch), "1 to " + std::to_string(kMostBatch));
    expect(options.producers >= 1 && options.producers <= kMostProducers, "producers",
           std::to_string(options.producers), "1 to " + std::to_string(kMostProducers));
    expect(!options.resume || !options.checkpoint.empty(), "resume", "no --checkpoint",
           "the file to go on from");
}

void take_rank(const cxxopts::ParseResult& result, Options& options) {
    const auto take = [&](const char* name, std::optional<std::uint32_t>& target) {
        if (result.count(name) > 0) target = result[name].as<std::uint32_t>();
    };
    take("rank", options.rank.rank);
    take("world-size", options.rank.world_size);
    take("local-rank", options.rank.local_rank);
}

}  // namespace

std::optional<Options> parse_options(int argc, char** argv) {
    Options options;
    Given given;
    cxxopts::Options described = describe(options, given);
    const auto take = [&options](const cxxopts::ParseResult& result) {
        take_rank(result, options);
    };
    if (!samples::parse(described, argc, argv, take)) return std::nullopt;
    check(options, given);
    if (given.remainder == "pad") options.remainder = headrace::Remainder::pad;
    return options;
}

}  // namespace distributed
