// The command line of `cuda_loop`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "launch/options.hpp"

namespace cuda_loop {

struct Options {
    std::uint32_t epochs = 5;
    std::uint64_t records = 4096;  ///< of an epoch
    std::uint32_t batch = 64;
    std::uint32_t producers = 2;
    float rate = 0.3f;             ///< of learning: times the mean gradient of a batch
    std::uint64_t unreadable = 0;  ///< every N-th record is a hole; 0: none
    std::string device = "best";
    std::string transfer = "automatic";
    std::string ring = "cuda_loop";
};

using samples::OptionError;

/// Nothing when --help was asked for and has been printed. Throws OptionError that names the
/// option, what was found and what was wanted.
std::optional<Options> parse_options(int argc, char** argv);

}  // namespace cuda_loop
