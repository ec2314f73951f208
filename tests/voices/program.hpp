// The program `voices`, as a user runs it, and what it leaves behind.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace voices_test {

/// How long a condition may take to come true before a test fails: far over what it takes.
inline constexpr std::chrono::seconds kDeadline{60};

/// Started in a process group of its own, output and errors in a file. Killed with its producers if
/// the test leaves it running.
class Program {
  public:
    /// Runs it over `data`, with the sockets in `folder`/sockets; `options` come after that.
    Program(const std::filesystem::path& folder, const std::filesystem::path& data,
            const std::vector<std::string>& options);
    ~Program();
    Program(const Program&) = delete;
    Program& operator=(const Program&) = delete;

    /// As a shell would tell it: the exit status, or 128 and the signal that ended it. Nothing when
    /// it does not end.
    std::optional<int> wait();
    void signal(int number);
    void signal_group(int number);
    /// True as soon as the output has this text in it.
    bool wait_for_output(const std::string& text);
    std::string output() const;

    /// The producers that run.
    std::vector<pid_t> producers() const;
    /// True as soon as there is none.
    bool wait_for_no_producers() const;
    /// Names of the files in the folder of the sockets.
    std::vector<std::string> sockets() const;
    /// The value of a key of the results, as it stands there; empty when there is none.
    std::string result(const std::string& key) const;

  private:
    std::filesystem::path sockets_;
    std::filesystem::path output_;
    std::filesystem::path json_;
    pid_t pid_ = -1;
};

}  // namespace voices_test
