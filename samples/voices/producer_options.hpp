// The command line of `voices_producer`: the producer reads it, the trainer writes it.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "launch/options.hpp"
#include "recordings.hpp"

namespace voices {

struct ProducerOptions {
    std::string name = "voices";  ///< of the trainer's rings, see ring_names.hpp
    std::string data = kDebianRecordings;
    std::size_t limit = 0;  ///< recordings to use; 0: all
    std::string directory;  ///< as in headrace::AttachOptions
    double wait_s = 60;     ///< for a trainer that is not there yet

    bool operator==(const ProducerOptions&) const = default;
};

/// Nothing when --help was asked for and has been printed. Throws samples::OptionError that names
/// the option, what was found and what was wanted.
std::optional<ProducerOptions> parse_producer_options(int argc, char** argv);

/// What parse_producer_options() reads the same options from, without the program: --name, and
/// whatever is not the default.
std::vector<std::string> to_arguments(const ProducerOptions& options);

/// `program` and these arguments, as they are typed into a shell.
std::string to_shell(const std::string& program, const std::vector<std::string>& arguments);

}  // namespace voices
