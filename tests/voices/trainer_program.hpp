// The program `voices`, as the tests run it.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "launch/program.hpp"

namespace voices_test {

/// Trains on the recordings in `data`; results, output and sockets lie in `folder`.
class Program : public samples_test::Program {
  public:
    Program(const std::filesystem::path& folder, const std::filesystem::path& data,
            const std::vector<std::string>& options)
        : samples_test::Program(folder, command(folder, data, options), "voices_producer") {}

  private:
    static std::vector<std::string> command(const std::filesystem::path& folder,
                                            const std::filesystem::path& data,
                                            const std::vector<std::string>& options) {
        std::vector<std::string> words{HEADRACE_TEST_VOICES, "--data", data.string(), "--json",
                                       (folder / "results.json").string()};
        words.insert(words.end(), options.begin(), options.end());
        return words;
    }
};

}  // namespace voices_test
