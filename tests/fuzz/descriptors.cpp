#include "fuzz/descriptors.hpp"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <array>
#include <utility>

#include "fuzz/input.hpp"
#include "ring/rendezvous.hpp"

namespace headrace::fuzz {

Sleeper::Sleeper() {
    std::array<int, 2> pipe_ends{};
    require(pipe2(pipe_ends.data(), O_CLOEXEC) == 0, "there is a pipe");
    const ring::UniqueFd reads(pipe_ends[0]);
    lifeline_.reset(pipe_ends[1]);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, reads.get(), 0);
    char name[] = "cat";
    std::array<char*, 2> arguments{name, nullptr};
    std::array<char*, 1> environment{nullptr};
    const int error =
        posix_spawn(&pid_, "/bin/cat", &actions, nullptr, arguments.data(), environment.data());
    posix_spawn_file_actions_destroy(&actions);
    require(error == 0, "/bin/cat can be started");
    pidfd_.reset(static_cast<int>(syscall(SYS_pidfd_open, pid_, 0)));
    require(static_cast<bool>(pidfd_), "there are pidfds");
}

Sleeper::~Sleeper() {
    if (!pidfd_) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
}

Descriptors::Descriptors()
    : file_(memfd_create("fuzz", MFD_CLOEXEC)),
      folder_(open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC)),
      own_(ring::own_pidfd()) {
    Sleeper short_lived;
    dead_.reset(dup(short_lived.pidfd()));
    sleeper_.emplace();
}

std::vector<int> Descriptors::pick(std::uint8_t choice, bool& live) {
    live = choice % 8 == 0;
    switch (choice % 8) {
        case 0: return {sleeper_->pidfd()};
        case 1: return {dead_.get()};
        case 2: return {};
        case 3: return {file_.get()};
        case 4: return {folder_.get()};
        case 5: return {sleeper_->pidfd(), dead_.get()};
        case 6: return {own_.get(), own_.get(), file_.get(), folder_.get()};
        default: return {dead_.get(), file_.get()};
    }
}

void Descriptors::renew() {
    sleeper_.reset();
    sleeper_.emplace();
}

}  // namespace headrace::fuzz
