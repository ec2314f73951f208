#include "launch/program.hpp"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <thread>
#include <utility>

namespace samples_test {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

std::string read_file(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

pid_t start(const std::vector<std::string>& command, const fs::path& output) {
    std::vector<char*> arguments;
    for (const std::string& argument : command) {
        arguments.push_back(const_cast<char*>(argument.c_str()));
    }
    arguments.push_back(nullptr);
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, output.c_str(),
                                     O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);
    posix_spawn_file_actions_adddup2(&files, STDOUT_FILENO, STDERR_FILENO);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    pid_t pid = -1;
    const int error =
        posix_spawn(&pid, arguments[0], &files, &attributes, arguments.data(), environ);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
    if (error != 0) throw std::runtime_error("cannot start " + command[0]);
    return pid;
}

// Also takes away what an earlier run has written.
std::vector<std::string> with_sockets(std::vector<std::string> command, const fs::path& folder) {
    fs::remove(folder / "results.json");
    command.insert(command.end(), {"--directory", (folder / "sockets").string()});
    return command;
}

}  // namespace

bool wait_until(const std::function<bool()>& condition) {
    const auto deadline = Clock::now() + kDeadline;
    while (!condition()) {
        if (Clock::now() > deadline) return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return true;
}

Process::Process(const std::vector<std::string>& command, fs::path output)
    : output_(std::move(output)), pid_(start(command, output_)) {}

Process::~Process() {
    end();
}

void Process::end() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = -1;
}

std::optional<int> Process::wait() {
    int status = 0;
    if (!wait_until([&] { return waitpid(pid_, &status, WNOHANG) == pid_; })) return std::nullopt;
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void Process::signal(int number) {
    if (pid_ > 0) kill(pid_, number);  // -1 would be everybody
}
void Process::signal_group(int number) {
    if (pid_ > 0) kill(-pid_, number);
}

bool Process::wait_for_output(const std::string& text) {
    return wait_until([&] { return output().find(text) != std::string::npos; });
}

std::string Process::output() const {
    return read_file(output_);
}

Program::Program(const fs::path& folder, std::vector<std::string> command, std::string producer)
    : Process(with_sockets(std::move(command), folder), folder / "output"),
      producer_(std::move(producer)),
      sockets_(folder / "sockets"),
      results_(folder / "results.json") {}

Program::~Program() {
    end();
    // Producers, and what else it may have started: the ranks of an mpirun, which come first, for
    // they replace producers.
    for (const pid_t left : processes("")) kill(left, SIGKILL);
    for (const pid_t left : processes("")) kill(left, SIGKILL);
}

bool Program::wait_for_file(const fs::path& path) const {
    return wait_until([&] { return fs::exists(path); });
}

std::vector<pid_t> Program::producers() const {
    return processes(producer_);
}

// The folder of the sockets is one of a kind, and a producer whose trainer is gone has another
// parent.
std::vector<pid_t> Program::processes(const std::string& text) const {
    std::vector<pid_t> found;
    std::error_code gone;
    for (const fs::directory_entry& entry : fs::directory_iterator("/proc", gone)) {
        const std::string name = entry.path().filename().string();
        if (!std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; })) {
            continue;
        }
        const std::string command = read_file(entry.path() / "cmdline");
        if (command.find(text) != std::string::npos &&
            command.find(sockets_.string()) != std::string::npos) {
            found.push_back(static_cast<pid_t>(std::stoi(name)));
        }
    }
    return found;
}

bool Program::wait_for_no_producers() const {
    return wait_until([&] { return producers().empty(); });
}

std::vector<std::string> Program::sockets() const {
    std::vector<std::string> names;
    if (!fs::exists(sockets_)) return names;
    for (const fs::directory_entry& entry : fs::directory_iterator(sockets_)) {
        names.push_back(entry.path().filename().string());
    }
    return names;
}

std::string Program::result(const std::string& key) const {
    const std::string json = read_file(results_);
    const std::string start = '"' + key + "\": ";
    const std::size_t place = json.find(start);
    if (place == std::string::npos) return "";
    const std::size_t value = place + start.size();
    std::string text = json.substr(value, json.find('\n', value) - value);
    if (text.ends_with(',')) text.pop_back();
    return text;
}

}  // namespace samples_test
