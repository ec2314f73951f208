// Runs the built `headrace` as a user does, with a deadline.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <string>
#include <vector>

namespace headrace::cli {

struct Ended {
    int status = -1;  ///< exit status, or 128 and the signal
    std::string out;
    std::string err;
};

/// A folder of its own for sockets and files, named in $HEADRACE_DIR while it lives, then removed.
class TestFolder {
  public:
    TestFolder();
    ~TestFolder();
    TestFolder(const TestFolder&) = delete;
    TestFolder& operator=(const TestFolder&) = delete;
    const std::string& path() const { return path_; }

  private:
    std::string path_;
};

/// A running program. Its output goes to files in the folder, so that nobody blocks on a pipe.
class Program {
  public:
    Program(const TestFolder& folder, std::vector<std::string> arguments,
            const std::string& program = HEADRACE_PROGRAM);
    ~Program();  ///< kills it when it still runs
    Program(const Program&) = delete;
    Program& operator=(const Program&) = delete;

    pid_t pid() const { return pid_; }
    void signal(int number) const;
    /// What it has written to standard output so far.
    std::string output() const;
    /// Waits for its end. Past the deadline it is killed, and the test fails.
    Ended wait(std::chrono::seconds deadline = std::chrono::seconds(60));

  private:
    pid_t pid_ = -1;
    std::string out_;
    std::string err_;
};

Ended run_program(const TestFolder& folder, std::vector<std::string> arguments);

/// True as soon as `condition` is; false when the deadline passes before.
bool eventually(const std::function<bool()>& condition,
                std::chrono::seconds deadline = std::chrono::seconds(20));

/// True while a process of this pid is there and not a zombie.
bool runs(pid_t pid);

}  // namespace headrace::cli
