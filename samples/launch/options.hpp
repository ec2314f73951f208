// What the samples' command lines have in common: options with their defaults, how they are read
// and refused, and what a program makes of it.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cxxopts.hpp>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>

namespace samples {

/// What was asked for cannot be: the program says why and ends with status 2.
class OptionError : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

/// An option that is read into `target`, a number or a text. What that holds now is the default.
template <class T>
std::shared_ptr<cxxopts::Value> value(T& target) {
    std::string text;
    if constexpr (std::is_same_v<T, std::string>) {
        text = target;
    } else if constexpr (std::is_floating_point_v<T>) {
        char digits[32];
        std::snprintf(digits, sizeof digits, "%g", static_cast<double>(target));
        text = digits;
    } else {
        text = std::to_string(target);
    }
    return cxxopts::value<T>(target)->default_value(text);
}

/// Reads the command line into what `options` is bound to, then calls `take`, if there is one, for
/// the rest. False when --help was asked for and has been printed. Throws OptionError that names
/// what cannot be read.
bool parse(cxxopts::Options& options, int argc, char** argv,
           const std::function<void(const cxxopts::ParseResult&)>& take = {});

/// Throws OptionError, `--option: found FOUND, wanted WANTED`, where it does not hold.
void expect(bool holds, const std::string& option, const std::string& found,
            const std::string& wanted);
/// The same, of a number from `least` to `most`.
void expect_between(const std::string& option, std::uint64_t found, std::uint64_t least,
                    std::uint64_t most);
/// Of --slots: two batches or more, or 0, which leaves it to the program.
void expect_slots(std::uint32_t slots, std::uint32_t batch);
/// Of a name that a ring's name is to begin with: 1 to `most_bytes` of what headrace::check_name()
/// lets in.
void expect_name(const std::string& option, const std::string& found, std::size_t most_bytes);
/// Of a span of time in seconds: 0 to kMostSeconds.
void expect_seconds(const std::string& option, double found);
inline constexpr double kMostSeconds = 1e6;  ///< eleven days; far from where milliseconds overflow
std::chrono::milliseconds milliseconds_of(double seconds);
/// Of a file to be written, before minutes of work have been done for it: it is in a folder that
/// exists. An empty name is no file.
void expect_file(const std::string& option, const std::string& file);

/// What main() does: runs `body` and returns its status; of what it throws, tells on standard error
/// in the name of `program`, and returns 2 for an OptionError, 1 for another error, and what a
/// shell expects for Stopped.
int run_main(const char* program, const std::function<int()>& body);

}  // namespace samples
