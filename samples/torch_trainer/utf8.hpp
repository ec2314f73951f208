// From UTF-8 to code points.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace words {

/// Nothing when `text` is not UTF-8 (RFC 3629: no surrogates, nothing longer than need be).
std::optional<std::u32string> code_points_of(std::string_view text);

}  // namespace words
