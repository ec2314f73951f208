// Numbers as people read them. Decimal prefixes throughout: 1 MB is a million bytes.
#pragma once

#include <cstdint>
#include <string>

namespace headrace::cli {

/// 1,234,567
std::string count_text(std::uint64_t count);
/// Three digits and a prefix, for rates: "0", "12.3", "999", "1.23 k", "13.9 M". Never negative.
std::string si_text(double value);
/// "1.23 MB", "512 B"
std::string bytes_text(double bytes);
/// "3.4 ms", "12.3 s", "4 min 03 s", "2 h 05 min"
std::string seconds_text(double seconds);
/// A share of a whole as "31 %"; "-" where the whole is zero. Shares above nothing and below one
/// per cent are "< 1 %".
std::string share_text(double part, double whole);

}  // namespace headrace::cli
