#include "run_program.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

extern char** environ;

namespace headrace::cli {

namespace {

std::string contents(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
}

}  // namespace

TestFolder::TestFolder() {
    // Short: the path of a UNIX socket has room for 107 bytes.
    path_ = "/tmp/headrace-test-" + std::string(6, 'X');  // mkdtemp() replaces these
    EXPECT_NE(::mkdtemp(path_.data()), nullptr);
    ::setenv("HEADRACE_DIR", path_.c_str(), 1);
}

TestFolder::~TestFolder() {
    ::unsetenv("HEADRACE_DIR");
    std::filesystem::remove_all(path_);
}

Program::Program(const TestFolder& folder, std::vector<std::string> arguments,
                 const std::string& program) {
    static std::atomic<int> number = 0;
    const std::string base = folder.path() + "/run" + std::to_string(number++);
    out_ = base + ".out";
    err_ = base + ".err";
    arguments.insert(arguments.begin(), program);
    std::vector<char*> words;
    for (std::string& word : arguments) words.push_back(word.data());
    words.push_back(nullptr);
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&files, 1, out_.c_str(), O_WRONLY | O_CREAT, 0600);
    posix_spawn_file_actions_addopen(&files, 2, err_.c_str(), O_WRONLY | O_CREAT, 0600);
    EXPECT_EQ(::posix_spawnp(&pid_, program.c_str(), &files, nullptr, words.data(), environ), 0);
    posix_spawn_file_actions_destroy(&files);
}

Program::~Program() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
}

void Program::signal(int number) const {
    ::kill(pid_, number);
}

std::string Program::output() const {
    return contents(out_);
}

Ended Program::wait(std::chrono::seconds deadline) {
    int status = 0;
    const bool ended =
        eventually([&] { return ::waitpid(pid_, &status, WNOHANG) == pid_; }, deadline);
    if (!ended) {
        ADD_FAILURE() << "did not end within " << deadline.count() << " s";
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, &status, 0);
    }
    pid_ = -1;
    const int code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    return {code, contents(out_), contents(err_)};
}

Ended run_program(const TestFolder& folder, std::vector<std::string> arguments) {
    return Program(folder, std::move(arguments)).wait();
}

bool eventually(const std::function<bool()>& condition, std::chrono::seconds deadline) {
    const auto end = std::chrono::steady_clock::now() + deadline;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > end) return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return true;
}

bool runs(pid_t pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
    std::string text;
    if (!std::getline(file, text)) return false;
    // The state follows the name, which is in brackets and may hold any character.
    const std::size_t state = text.rfind(") ");
    return state != std::string::npos && text[state + 2] != 'Z' && text[state + 2] != 'X';
}

}  // namespace headrace::cli
