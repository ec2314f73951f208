// The program of a sample, as a user runs it, and what it leaves behind.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace samples_test {

/// How long a condition may take to come true before a test fails: far over what it takes.
inline constexpr std::chrono::seconds kDeadline{120};

/// True as soon as `condition` is; false when it does not come true.
bool wait_until(const std::function<bool()>& condition);

/// A program in a process group of its own, output and errors in a file. Killed if the test leaves
/// it running.
class Process {
  public:
    /// Runs `command`, program and options.
    Process(const std::vector<std::string>& command, std::filesystem::path output);
    ~Process();
    Process(const Process&) = delete;
    Process& operator=(const Process&) = delete;

    /// As a shell would tell it: the exit status, or 128 and the signal that ended it. Nothing when
    /// it does not end.
    std::optional<int> wait();
    void signal(int number);
    void signal_group(int number);
    pid_t pid() const noexcept { return pid_; }
    /// True as soon as the output has this text in it.
    bool wait_for_output(const std::string& text);
    std::string output() const;

  protected:
    /// Kills it, if it still runs.
    void end();

  private:
    std::filesystem::path output_;
    pid_t pid_ = -1;
};

/// The trainer of a sample. Killed with its producers if the test leaves it running.
class Program : public Process {
  public:
    /// Runs `command`, program and options, and adds `--directory folder/sockets`, where its rings'
    /// sockets are to lie. `producer` is the name of the program that it starts.
    Program(const std::filesystem::path& folder, std::vector<std::string> command,
            std::string producer);
    ~Program();

    /// True as soon as there is such a file.
    bool wait_for_file(const std::filesystem::path& path) const;

    /// The producers that run.
    std::vector<pid_t> producers() const;
    /// True as soon as there is none.
    bool wait_for_no_producers() const;
    /// Names of the files in the folder of the sockets.
    std::vector<std::string> sockets() const;
    /// The value of a key of `folder`/results.json, as it stands there; empty when there is none.
    std::string result(const std::string& key) const;

  private:
    // Whose command line has the folder of the sockets and this text in it.
    std::vector<pid_t> processes(const std::string& text) const;

    std::string producer_;
    std::filesystem::path sockets_;
    std::filesystem::path results_;
};

}  // namespace samples_test
