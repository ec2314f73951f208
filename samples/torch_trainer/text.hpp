// Numbers into text.
#pragma once

#include <string>

namespace words {

/// As printf, of 512 characters at the most.
[[gnu::format(printf, 1, 2)]] std::string format(const char* pattern, ...);

}  // namespace words
