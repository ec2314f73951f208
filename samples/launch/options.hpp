// What the samples' command lines have in common.
#pragma once

#include <cxxopts.hpp>
#include <functional>
#include <stdexcept>

namespace samples {

/// What was asked for cannot be: the program says why and ends with status 2.
class OptionError : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

/// Reads the command line into what `options` is bound to, then calls `take`, if there is one, for
/// the rest. False when --help was asked for and has been printed. Throws OptionError that names
/// what cannot be read.
bool parse(cxxopts::Options& options, int argc, char** argv,
           const std::function<void(const cxxopts::ParseResult&)>& take = {});

}  // namespace samples
