// Values of options, read strictly: the whole text must be the value, and an error names the
// option, what was found and what was wanted. cxxopts would say only that an argument failed to
// parse.
#pragma once

#include <cstdint>
#include <string_view>

namespace headrace::cli {

// `option` is how the user wrote it: "--records".

/// A whole number in decimal, from `least` to `most`. Throws UsageError.
std::uint64_t parse_count(std::string_view option, std::string_view text, std::uint64_t least,
                          std::uint64_t most);

/// A number from `least` to `most`; neither "nan" nor "inf" is one. Throws UsageError.
double parse_number(std::string_view option, std::string_view text, double least, double most);

}  // namespace headrace::cli
