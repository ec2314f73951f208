// Word lists made for a test, and a folder for them.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>

#include "gtest/temporary_folder.hpp"

namespace words_test {

using headrace::TemporaryFolder;

void write_file(const std::filesystem::path& path, const std::string& bytes);
std::string read_file(const std::filesystem::path& path);

/// Writes all five lists into `folder`, so many words each: of syllables that are the language's
/// own, some with letters outside ASCII. Always the same.
void write_word_lists(const std::filesystem::path& folder, std::size_t words);

}  // namespace words_test
