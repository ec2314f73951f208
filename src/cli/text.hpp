// Text that came from another process (the identity of a producer is whatever it said it was), made
// safe for what it is written to.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace headrace::cli {

/// The same bytes where they are UTF-8; each byte that is not part of a well-formed character
/// (RFC 3629: neither overlong, nor a surrogate, nor above U+10FFFF) becomes U+FFFD.
std::string valid_utf8(std::string_view bytes);

/// For a terminal: valid_utf8(), and each control character (C0, DEL, C1) becomes U+FFFD too, so
/// that a name can neither move the cursor nor break a line.
std::string printable(std::string_view bytes);

/// Characters, that is code points, of well-formed UTF-8: what a column of a table counts.
std::size_t width_of(std::string_view utf8) noexcept;

}  // namespace headrace::cli
