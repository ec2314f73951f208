#include "launch/options.hpp"

#include <cstdio>
#include <string>

namespace samples {

bool parse(cxxopts::Options& options, int argc, char** argv,
           const std::function<void(const cxxopts::ParseResult&)>& take) {
    try {
        const auto given = options.parse(argc, argv);
        if (given.count("help") > 0) {
            std::puts(options.help().c_str());
            return false;
        }
        if (!given.unmatched().empty()) {
            throw OptionError("no option \"" + given.unmatched().front() + "\"; see --help");
        }
        if (take) take(given);
    } catch (const cxxopts::exceptions::exception& error) {
        throw OptionError(std::string(error.what()) + "; see --help");
    }
    return true;
}

}  // namespace samples
