#include "cli/option_value.hpp"

#include <charconv>
#include <cmath>
#include <sstream>
#include <string>
#include <system_error>

#include "cli/text.hpp"
#include "headrace/error.hpp"

namespace headrace::cli {

namespace {

template <class T>
[[noreturn]] void refuse(std::string_view option, std::string_view text, std::string_view kind,
                         T least, T most) {
    std::ostringstream message;
    message << option << ": found \"" << printable(text) << "\", wanted " << kind << " from "
            << least << " to " << most;
    throw UsageError(message.str());
}

template <class T>
bool read_all(std::string_view text, T& value) {
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, value);
    return error == std::errc{} && stop == end;
}

}  // namespace

std::uint64_t parse_count(std::string_view option, std::string_view text, std::uint64_t least,
                          std::uint64_t most) {
    std::uint64_t value = 0;
    if (!read_all(text, value) || value < least || value > most) {
        refuse(option, text, "a whole number", least, most);
    }
    return value;
}

double parse_number(std::string_view option, std::string_view text, double least, double most) {
    double value = 0;
    // A comparison with NaN is false, so NaN is refused too.
    if (!read_all(text, value) || !(value >= least && value <= most)) {
        refuse(option, text, "a number", least, most);
    }
    return value;
}

}  // namespace headrace::cli
