#include "cli/producer_processes.hpp"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

#include "headrace/error.hpp"

extern char** environ;

namespace headrace::cli {

namespace {

using ring::UniqueFd;
using Clock = std::chrono::steady_clock;

[[noreturn]] void throw_system(const std::string& what, int error) {
    throw SystemError(what + ": " + std::strerror(error));
}

std::pair<UniqueFd, UniqueFd> make_pipe() {
    int ends[2];
    // O_CLOEXEC: a child that held another child's end would keep its pipe open.
    if (::pipe2(ends, O_CLOEXEC) != 0) throw_system("a pipe for the producers", errno);
    return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

// Waits until there is something to read or the other end is closed. False: a time-out.
bool wait_readable(int descriptor, Clock::time_point deadline) {
    while (true) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
        pollfd entry{descriptor, POLLIN, 0};
        const int count = ::poll(&entry, 1, left.count() > 0 ? static_cast<int>(left.count()) : 0);
        if (count > 0) return true;
        if (count == 0) return false;
        if (errno != EINTR) throw_system("waiting for a producer", errno);
    }
}

// One byte. False at the end.
bool read_byte(int descriptor) {
    char byte = 0;
    ssize_t count = 0;
    do {
        count = ::read(descriptor, &byte, 1);
    } while (count < 0 && errno == EINTR);
    return count == 1;
}

// Waits for a process that has ended or is about to. Empty when it ended well.
std::string reap(pid_t pid) {
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR) return std::strerror(errno);
    }
    if (WIFSIGNALED(status)) return "killed by signal " + std::to_string(WTERMSIG(status));
    if (WEXITSTATUS(status) != 0) {
        return "ended with status " + std::to_string(WEXITSTATUS(status));
    }
    return {};
}

}  // namespace

ProducerProcesses::ProducerProcesses(unsigned count, const std::vector<std::string>& arguments) {
    auto [gate_in, gate_out] = make_pipe();
    gate_ = std::move(gate_out);
    children_.reserve(count);
    try {
        for (unsigned child = 0; child < count; ++child) start(arguments, gate_in.get());
    } catch (...) {
        for (const Child& child : children_) ::kill(child.pid, SIGKILL);
        for (const Child& child : children_) reap(child.pid);
        throw;
    }
}

void ProducerProcesses::start(const std::vector<std::string>& arguments, int gate) {
    auto [ready, said] = make_pipe();
    std::vector<char*> words{const_cast<char*>("headrace")};
    for (const std::string& word : arguments) words.push_back(const_cast<char*>(word.c_str()));
    words.push_back(nullptr);

    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, gate, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&files, said.get(), STDOUT_FILENO);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    sigset_t none;
    sigemptyset(&none);
    posix_spawnattr_setsigmask(&attributes, &none);  // this program blocks some, see Interrupt
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    pid_t pid = -1;
    const int error =
        ::posix_spawn(&pid, "/proc/self/exe", &files, &attributes, words.data(), environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    if (error != 0) throw_system("starting a producer from /proc/self/exe", error);
    children_.push_back({pid, std::move(ready)});
}

ProducerProcesses::~ProducerProcesses() {
    for (const Child& child : children_) {
        if (child.pid > 0) ::kill(child.pid, SIGKILL);
    }
    for (const Child& child : children_) {
        if (child.pid > 0) reap(child.pid);
    }
}

void ProducerProcesses::wait_ready(std::chrono::milliseconds timeout) {
    const Clock::time_point deadline = Clock::now() + timeout;
    for (Child& child : children_) {
        const std::string who = "producer " + std::to_string(child.pid);
        if (!wait_readable(child.ready.get(), deadline)) {
            throw SystemError(who + " is not attached after " + std::to_string(timeout.count()) +
                              " ms");
        }
        if (!read_byte(child.ready.get())) {
            const std::string how = reap(std::exchange(child.pid, -1));
            throw SystemError(who + " ended before it was attached" +
                              (how.empty() ? "" : ": " + how));
        }
    }
}

std::string ProducerProcesses::wait_ended(std::chrono::milliseconds timeout) {
    const Clock::time_point deadline = Clock::now() + timeout;
    std::string faults;
    for (Child& child : children_) {
        if (child.pid <= 0) continue;
        const bool in_time = wait_readable(child.ready.get(), deadline);
        if (!in_time) ::kill(child.pid, SIGKILL);
        const std::string who = "producer " + std::to_string(child.pid) + " ";
        const std::string how = reap(std::exchange(child.pid, -1));
        if (how.empty()) continue;
        if (!faults.empty()) faults += "; ";
        faults += who + (in_time ? how : "did not end with the ring and was killed");
    }
    return faults;
}

void wait_at_gate() {
    const char ready = 'r';
    ssize_t count = 0;
    do {
        count = ::write(STDOUT_FILENO, &ready, 1);
    } while (count < 0 && errno == EINTR);
    if (count != 1) throw_system("telling that this producer is ready", errno);
    while (read_byte(STDIN_FILENO)) {
    }
}

void die_with(pid_t parent) {
    std::signal(SIGINT, SIG_IGN);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    // It may have died before that call; then the signal never comes.
    if (::getppid() != parent)
        throw SystemError("the benchmark that started this producer is gone");
}

}  // namespace headrace::cli
