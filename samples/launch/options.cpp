#include "launch/options.hpp"

#include <cmath>
#include <exception>
#include <filesystem>

#include "headrace/error.hpp"
#include "headrace/schema.hpp"
#include "launch/stop.hpp"
#include "launch/text.hpp"

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

void expect(bool holds, const std::string& option, const std::string& found,
            const std::string& wanted) {
    if (!holds) throw OptionError("--" + option + ": found " + found + ", wanted " + wanted);
}

void expect_between(const std::string& option, std::uint64_t found, std::uint64_t least,
                    std::uint64_t most) {
    expect(found >= least && found <= most, option, std::to_string(found),
           std::to_string(least) + " to " + std::to_string(most));
}

void expect_slots(std::uint32_t slots, std::uint32_t batch) {
    expect(slots == 0 || slots / 2 >= batch, "slots", std::to_string(slots),
           "two batches of " + std::to_string(batch) + " or more");
}

void expect_name(const std::string& option, const std::string& found, std::size_t most_bytes) {
    bool is_name = true;
    try {
        headrace::check_name(option, found, most_bytes);
    } catch (const headrace::UsageError&) {
        is_name = false;
    }
    expect(is_name, option, "\"" + found + "\"",
           "1 to " + std::to_string(most_bytes) + " letters, digits, '_', '-' and '.'");
}

void expect_seconds(const std::string& option, double found) {
    expect(found >= 0 && found <= kMostSeconds, option, format("%g", found),
           format("0 to %g", kMostSeconds));
}

std::chrono::milliseconds milliseconds_of(double seconds) {
    return std::chrono::milliseconds(std::llround(1000 * seconds));
}

void expect_file(const std::string& option, const std::string& file) {
    if (file.empty()) return;
    namespace fs = std::filesystem;
    expect(fs::is_directory(fs::absolute(file).parent_path()) && !fs::is_directory(file), option,
           "\"" + file + "\"", "a file in a folder that exists");
}

int run_main(const char* program, const std::function<int()>& body) {
    try {
        return body();
    } catch (const Stopped&) {
        return Stop::exit_status();
    } catch (const OptionError& error) {
        std::fprintf(stderr, "%s: %s\n", program, error.what());
        return 2;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s: %s\n", program, error.what());
        return 1;
    }
}

}  // namespace samples
