// The command line of `torch_distributed`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "headrace/rank.hpp"
#include "headrace/sampler.hpp"
#include "launch/options.hpp"
#include "word_lists.hpp"

namespace distributed {

struct Options {
    headrace::RankOptions rank = {};  ///< what is not given is asked of the environment
    std::string store;                ///< file in which the ranks find each other; empty: no file
    std::string device = "best";  ///< best: a GPU for each rank where there are enough, else host
    std::uint32_t epochs = 3;
    std::uint32_t batch = 128;    ///< of each rank
    std::uint32_t producers = 1;  ///< of each rank
    std::size_t words = 20'000;   ///< of each language; 0: all
    std::uint64_t seed = 7;
    headrace::Remainder remainder = headrace::Remainder::drop;
    std::string lists = words::kDebianLists;
    std::string checkpoint;     ///< file, written by rank 0 and read by all; empty: none
    std::uint64_t every = 500;  ///< steps between two checkpoints
    bool resume = false;
    std::uint64_t steps = 0;  ///< stop after so many; 0: after the last epoch
    std::string ledger;       ///< FILE.RANK: a line for each record learned from; empty: none
    std::string directory;    ///< as in headrace::RingOptions
    std::string results;      ///< JSON, written by rank 0; empty: none
};

/// Nothing when --help was asked for and has been printed. Throws samples::OptionError that names
/// the option, what was found and what was wanted.
std::optional<Options> parse_options(int argc, char** argv);

}  // namespace distributed
