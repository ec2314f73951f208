// The command line of `torch_trainer`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "launch/options.hpp"
#include "word_lists.hpp"

namespace words {

struct Options {
    std::string device = "best";
    std::uint32_t epochs = 4;
    std::uint32_t batch = 256;
    std::uint32_t slots = 0;  ///< of each ring; as given, or four batches
    std::uint32_t depth = 2;  ///< LoaderOptions::depth
    std::uint32_t producers = 2;
    std::size_t words = 50'000;  ///< of each language; 0: all
    std::uint64_t seed = 7;
    std::uint32_t threads = 1;
    double rate = 0.01;
    std::string lists = kDebianLists;
    std::string checkpoint;     ///< file; empty: none is written
    std::uint64_t every = 500;  ///< steps between two checkpoints; 0: only after each epoch
    bool resume = false;
    std::uint64_t steps = 0;  ///< stop after so many; 0: after the last epoch
    std::string curve;        ///< picture; empty: none
    std::string results;      ///< file; empty: none
    bool owned = false;       ///< tensors of LibTorch's own memory
    std::string directory;    ///< as in headrace::RingOptions
    bool quiet = false;
};

using samples::OptionError;

/// Nothing when --help was asked for and has been printed. Throws OptionError that names the
/// option, what was found and what was wanted.
std::optional<Options> parse_options(int argc, char** argv);

}  // namespace words
