// A file that is whole or not there: written beside and renamed, with a seal over every byte.
#pragma once

#include <filesystem>
#include <string>

namespace words {

/// Writes `archive`, a ZIP archive without a comment (which is what LibTorch writes), so that a
/// crash at any instant leaves the file as it was before or as it is to be: into `path`.new, then
/// fsync, rename, and fsync of the folder. The seal becomes the archive's comment, so it is still
/// one that others can read. Throws std::system_error that names the file.
void write_sealed(const std::filesystem::path& path, std::string archive);

/// Returns the archive, its seal verified. Throws std::system_error when the file cannot be read,
/// and std::runtime_error that says what it is: a file without the seal, or one that has changed
/// since it was written.
std::string read_sealed(const std::filesystem::path& path);

}  // namespace words
