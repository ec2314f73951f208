// The command line of `voices`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "launch/options.hpp"
#include "recordings.hpp"

namespace voices {

struct Options {
    std::string name;             ///< of the rings, see ring_names.hpp; voices-PID unless given
    std::uint32_t producers = 4;  ///< to start; 0: they are started elsewhere
    double linger_s = 30;         ///< without a producer, after one died or the last one finished
    std::string device = "best";  ///< see samples::find_torch_device()
    std::uint32_t epochs = 5;
    std::uint32_t batch = 32;
    std::uint32_t slots = 0;  ///< of each ring; as given, or four batches
    std::uint64_t seed = 7;
    double capacity_seconds = 10;
    double learning_rate = 0.004;
    std::uint32_t hidden = 128;
    std::uint32_t context = 7;  ///< frames, odd
    std::uint32_t threads = 1;
    std::size_t limit = 0;  ///< recordings to use; 0: all
    std::string data = kDebianRecordings;
    std::string directory;  ///< as in headrace::RingOptions
    std::string json;       ///< file for the results; empty: none
    bool quiet = false;

    /// Frames that a record has room for.
    std::size_t capacity_frames() const;
};

using samples::OptionError;

/// Nothing when --help was asked for and has been printed. Throws OptionError that names the
/// option, what was found and what was wanted.
std::optional<Options> parse_options(int argc, char** argv);

}  // namespace voices
