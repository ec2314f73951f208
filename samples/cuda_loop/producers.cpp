#include "producers.hpp"

#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace cuda_loop {
namespace {

[[noreturn]] void fail(const std::string& what, int error) {
    throw std::runtime_error(what + ": " + std::generic_category().message(error));
}

// Empty when the process ended well.
std::string reap(pid_t pid) {
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (WIFSIGNALED(status)) return "was killed by signal " + std::to_string(WTERMSIG(status));
    if (WEXITSTATUS(status) == 0) return {};
    return "ended with status " + std::to_string(WEXITSTATUS(status));
}

}  // namespace

Producers::Producers(const std::vector<std::string>& command, std::size_t count,
                     OnFailure on_failure)
    : on_failure_(std::move(on_failure)), stop_(eventfd(0, EFD_CLOEXEC)) {
    if (stop_ < 0) fail("eventfd", errno);
    try {
        running_.reserve(count);
        while (running_.size() < count) start(command);
        watching_ = std::async(std::launch::async, [this] { watch(); });
    } catch (...) {
        kill_all();
        close(stop_);
        throw;
    }
}

Producers::~Producers() {
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = write(stop_, &one, sizeof one);  // cannot be full
    watching_.wait();
    kill_all();
    close(stop_);
}

void Producers::start(const std::vector<std::string>& command) {
    std::vector<char*> arguments;
    for (const std::string& argument : command) {
        arguments.push_back(const_cast<char*>(argument.c_str()));
    }
    arguments.push_back(nullptr);
    pid_t pid = -1;
    const int error = posix_spawn(&pid, arguments[0], nullptr, nullptr, arguments.data(), environ);
    if (error != 0) fail("cannot start " + command[0], error);
    // By number: glibc has pidfd_open since 2.36 only. It cannot miss: nobody else waits for pid.
    const int pidfd = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
    if (pidfd < 0) {
        const int why = errno;
        kill(pid, SIGKILL);
        reap(pid);
        fail("pidfd_open", why);
    }
    running_.push_back({pid, pidfd});
}

void Producers::kill_all() noexcept {
    for (const Process& process : running_) {
        kill(process.pid, SIGKILL);
        while (waitpid(process.pid, nullptr, 0) < 0 && errno == EINTR) {
        }
        close(process.pidfd);
    }
    running_.clear();
}

void Producers::watch() {
    while (!running_.empty()) {
        std::vector<pollfd> watched{{.fd = stop_, .events = POLLIN, .revents = 0}};
        for (const Process& process : running_) {
            watched.push_back({.fd = process.pidfd, .events = POLLIN, .revents = 0});
        }
        if (poll(watched.data(), watched.size(), -1) < 0) continue;  // a signal came between
        if (watched[0].revents != 0) return;
        for (std::size_t place = running_.size(); place-- > 0;) {
            if (watched[place + 1].revents == 0) continue;
            const Process ended = running_[place];
            running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(place));
            const std::string how = reap(ended.pid);
            close(ended.pidfd);
            if (!how.empty()) on_failure_("producer " + std::to_string(ended.pid) + " " + how);
        }
    }
}

void Producers::wait_for_end(std::chrono::milliseconds grace) const {
    watching_.wait_for(grace);
}

std::string program_beside_this(const std::string& name) {
    return (std::filesystem::read_symlink("/proc/self/exe").parent_path() / name).string();
}

}  // namespace cuda_loop
