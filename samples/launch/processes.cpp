#include "launch/processes.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace samples {
namespace {

using Clock = std::chrono::steady_clock;

// Signals as they are at login, whatever the trainer does about them, and a group of its own.
class Attributes {
  public:
    Attributes() {
        posix_spawnattr_init(&attributes_);
        sigset_t none;
        sigset_t all;
        sigemptyset(&none);
        sigfillset(&all);
        posix_spawnattr_setsigmask(&attributes_, &none);
        posix_spawnattr_setsigdefault(&attributes_, &all);
        posix_spawnattr_setpgroup(&attributes_, 0);
        posix_spawnattr_setflags(
            &attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    }
    ~Attributes() { posix_spawnattr_destroy(&attributes_); }
    Attributes(const Attributes&) = delete;
    Attributes& operator=(const Attributes&) = delete;
    const posix_spawnattr_t* get() const { return &attributes_; }

  private:
    posix_spawnattr_t attributes_;
};

bool has_ended(int pidfd, int wait_ms) {
    pollfd ready{.fd = pidfd, .events = POLLIN, .revents = 0};
    return poll(&ready, 1, wait_ms) > 0;
}

bool in_order(int status) {
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

std::string describe(int status) {
    if (WIFSIGNALED(status)) return "was killed by signal " + std::to_string(WTERMSIG(status));
    return "ended with status " + std::to_string(WEXITSTATUS(status));
}

}  // namespace

Processes::Processes(std::vector<std::string> command, std::size_t count, Report report,
                     std::size_t replacements)
    : command_(std::move(command)), report_(std::move(report)), replacements_(replacements) {
    running_.reserve(count);
    try {
        while (running_.size() < count) start();
    } catch (...) {
        end_within(std::chrono::milliseconds(0));
        throw;
    }
}

Processes::~Processes() {
    end_within(std::chrono::milliseconds(0));
}

void Processes::start() {
    std::vector<char*> arguments;
    for (const std::string& argument : command_) {
        arguments.push_back(const_cast<char*>(argument.c_str()));
    }
    arguments.push_back(nullptr);
    pid_t pid = -1;
    const int error =
        posix_spawn(&pid, arguments[0], nullptr, Attributes().get(), arguments.data(), environ);
    if (error != 0) {
        throw std::runtime_error("cannot start " + command_[0] + ": " +
                                 std::generic_category().message(error));
    }
    // By number: glibc has pidfd_open since 2.36 only. It cannot miss: nobody else waits for pid.
    const int pidfd = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
    if (pidfd < 0) {
        const int why = errno;
        kill(pid, SIGKILL);
        waitpid(pid, nullptr, 0);
        throw std::runtime_error("pidfd_open: " + std::generic_category().message(why));
    }
    const std::lock_guard lock(mutex_);
    running_.push_back({pid, pidfd});
}

int Processes::reap(std::size_t place) {
    const std::lock_guard lock(mutex_);
    int status = 0;
    while (waitpid(running_[place].pid, &status, 0) < 0 && errno == EINTR) {
    }
    close(running_[place].pidfd);
    running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(place));
    return status;
}

void Processes::look_after() {
    for (std::size_t place = running_.size(); place-- > 0;) {
        const Process process = running_[place];
        if (!has_ended(process.pidfd, 0)) continue;
        const int status = reap(place);
        if (in_order(status)) continue;
        const std::string what = "producer " + std::to_string(process.pid) + " " + describe(status);
        if (replaced_ == replacements_) {
            throw std::runtime_error(replaced_ == 0
                                         ? what
                                         : what + ", after " + std::to_string(replaced_) +
                                               " had been replaced");
        }
        start();
        ++replaced_;
        report_(what + "; another one takes its place");
    }
}

void Processes::end_within(std::chrono::milliseconds grace) {
    const auto deadline = Clock::now() + grace;
    while (!running_.empty()) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
        const int wait_ms = static_cast<int>(std::max<std::int64_t>(left.count(), 0));
        if (!has_ended(running_.back().pidfd, wait_ms)) kill(running_.back().pid, SIGKILL);
        reap(running_.size() - 1);
    }
}

void Processes::kill_all() noexcept {
    const std::lock_guard lock(mutex_);
    for (const Process& process : running_) kill(process.pid, SIGKILL);
}

std::string program_beside_this(const std::string& name) {
    return (std::filesystem::read_symlink("/proc/self/exe").parent_path() / name).string();
}

}  // namespace samples
