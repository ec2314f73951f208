// WAV files to test with, in a folder that goes with the test.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "gtest/temporary_folder.hpp"

namespace voices_test {

using headrace::TemporaryFolder;

/// A sine of half the full scale.
std::vector<float> sine(double hz, std::size_t samples, int rate = 8000);

/// Writes 16-bit samples, interleaved when there are several channels; makes the folder.
void write_wav(const std::filesystem::path& path, const std::vector<float>& samples,
               int rate = 8000, int channels = 1);
/// Writes 32-bit floating-point samples as they are.
void write_float_wav(const std::filesystem::path& path, const std::vector<float>& samples);
void write_text(const std::filesystem::path& path, const std::string& text);

/// A folder as the sample wants it: for each of the five languages `prompts` short tones, p0.wav,
/// p1.wav and so on, of a pitch of their own; `in_folder/pN.wav` for every third.
void write_languages(const std::filesystem::path& folder, std::size_t prompts);

}  // namespace voices_test
