#include "cli/quantity.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace headrace::cli {

namespace {

std::string fixed(double value, int decimals) {
    char text[64];
    const int length = std::snprintf(text, sizeof text, "%.*f", decimals, value);
    return std::string(text, static_cast<std::size_t>(std::clamp(length, 0, 63)));
}

struct Scaled {
    std::string digits;
    const char* prefix;
};

// Three significant digits; 999.6 is "1.00 k", not "1000".
Scaled scaled(double value) {
    static constexpr const char* kPrefixes[] = {"", "k", "M", "G", "T", "P", "E"};
    if (!(value > 0)) return {"0", ""};
    std::size_t step = 0;
    while (value >= 999.5 && step + 1 < std::size(kPrefixes)) {
        value /= 1000;
        ++step;
    }
    const bool whole = step == 0 && value == std::floor(value);
    const int decimals = whole || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
    return {fixed(value, decimals), kPrefixes[step]};
}

std::string two_digits(std::uint64_t value) {
    std::string digits = std::to_string(value);
    if (digits.size() < 2) digits.insert(0, 1, '0');
    return digits;
}

}  // namespace

std::string count_text(std::uint64_t count) {
    std::string digits = std::to_string(count);
    for (std::size_t place = digits.size(); place > 3;) {
        place -= 3;
        digits.insert(place, 1, ',');
    }
    return digits;
}

std::string si_text(double value) {
    const Scaled parts = scaled(value);
    return *parts.prefix == '\0' ? parts.digits : parts.digits + " " + parts.prefix;
}

std::string bytes_text(double bytes) {
    const Scaled parts = scaled(bytes);
    return parts.digits + " " + parts.prefix + "B";
}

std::string seconds_text(double seconds) {
    if (!(seconds > 0)) return "0 s";
    if (seconds < 0.001) return fixed(seconds * 1e6, 0) + " us";
    if (seconds < 1) return fixed(seconds * 1e3, 1) + " ms";
    if (seconds < 60) return fixed(seconds, 1) + " s";
    const auto whole = static_cast<std::uint64_t>(seconds);
    if (whole < 3600) return std::to_string(whole / 60) + " min " + two_digits(whole % 60) + " s";
    return std::to_string(whole / 3600) + " h " + two_digits(whole % 3600 / 60) + " min";
}

std::string share_text(double part, double whole) {
    if (!(whole > 0)) return "-";
    const double percent = std::clamp(100 * part / whole, 0.0, 100.0);
    if (percent > 0 && percent < 1) return "< 1 %";
    return fixed(percent, 0) + " %";
}

}  // namespace headrace::cli
