// Numbers into text, and text into files.
#pragma once

#include <string>

namespace samples {

/// As printf, of 512 characters at the most.
[[gnu::format(printf, 1, 2)]] std::string format(const char* pattern, ...);

/// Writes the file anew. Throws std::runtime_error when that fails.
void write_text(const std::string& path, const std::string& text);

}  // namespace samples
