#include "utf8.hpp"

#include <cstddef>

namespace words {
namespace {

// What a first byte tells: the bytes that follow it, and the least value that needs so many.
struct Lead {
    std::size_t more;
    char32_t bits;
    char32_t least;
};

std::optional<Lead> lead_of(unsigned char byte) {
    if (byte < 0x80) return Lead{0, byte, 0};
    if (byte >= 0xc0 && byte < 0xe0) return Lead{1, byte & 0x1fu, 0x80};
    if (byte >= 0xe0 && byte < 0xf0) return Lead{2, byte & 0x0fu, 0x800};
    if (byte >= 0xf0 && byte < 0xf8) return Lead{3, byte & 0x07u, 0x10000};
    return std::nullopt;
}

bool is_character(char32_t code) {
    return code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
}

}  // namespace

std::optional<std::u32string> code_points_of(std::string_view text) {
    std::u32string points;
    points.reserve(text.size());
    for (std::size_t at = 0; at < text.size();) {
        const auto lead = lead_of(static_cast<unsigned char>(text[at]));
        if (!lead || text.size() - at <= lead->more) return std::nullopt;
        char32_t code = lead->bits;
        for (std::size_t i = 1; i <= lead->more; ++i) {
            const auto byte = static_cast<unsigned char>(text[at + i]);
            if ((byte & 0xc0u) != 0x80) return std::nullopt;
            code = (code << 6) | (byte & 0x3fu);
        }
        if (code < lead->least || !is_character(code)) return std::nullopt;
        points.push_back(code);
        at += 1 + lead->more;
    }
    return points;
}

}  // namespace words
