#include "options.hpp"

#include <cxxopts.hpp>

namespace distributed {
namespace {

using samples::expect;
using samples::expect_between;
using samples::expect_file;
using samples::value;

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
        value(options.store), "FILE");
    add("device", "best, host or cuda: a GPU for each rank", value(options.device), "NAME");
    add("epochs", "Times that every word is seen", value(options.epochs), "N");
    add("batch", "Words of a batch, on each rank", value(options.batch), "N");
    add("producers", "Producer processes of each rank", value(options.producers), "N");
    add("words", "Use so many words of each language; 0: all", value(options.words), "N");
    add("seed", "Of the order of the words and of the network", value(options.seed), "N");
    add("remainder", "Words that the ranks cannot share evenly: drop, or pad by repeating some",
        value(given.remainder), "POLICY");
    add("lists", "Folder of the word lists", value(options.lists), "DIR");
    add("checkpoint", "Keep the run in this file", value(options.checkpoint), "FILE");
    add("every", "Steps between two checkpoints; 0: only at the end", value(options.every), "N");
    add("resume", "Go on from the checkpoint, with as many ranks as there are now",
        cxxopts::value<bool>(options.resume));
    add("steps", "Stop after so many steps; 0: after the last epoch", value(options.steps), "N");
    add("ledger", "Write a line for each word learned from into FILE.RANK", value(options.ledger),
        "FILE");
    add("results", "Write the results to a file, too, as JSON", value(options.results), "FILE");
    add("directory", "Where the rings' sockets lie; empty: the usual place",
        value(options.directory), "DIR");
    add("h,help", "This text");
    return described;
}

void check(const Options& options, const Given& given) {
    constexpr std::uint32_t kMostBatch = 1u << 16;
    constexpr std::uint32_t kMostProducers = 64;
    expect(given.remainder == "drop" || given.remainder == "pad", "remainder",
           "\"" + given.remainder + "\"", "drop or pad");
    expect(options.device == "best" || options.device == "host" || options.device == "cuda",
           "device", "\"" + options.device + "\"", "best, host or cuda");
    expect(options.epochs >= 1, "epochs", "0", "1 or more");
    expect_between("batch", options.batch, 1, kMostBatch);
    expect_between("producers", options.producers, 1, kMostProducers);
    expect_file("checkpoint", options.checkpoint);
    expect_file("ledger", options.ledger);
    expect_file("results", options.results);
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
