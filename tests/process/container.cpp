#include "process/container.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <system_error>

namespace headrace {

namespace {

constexpr std::uint64_t kNamespaces =
    CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWNS | CLONE_NEWCGROUP;

enum Step { kMapping = 100, kPrivateMounts, kProc, kHostName, kProgram, kEnd };
constexpr std::array<const char*, kEnd - kMapping> kSteps{
    "mapping the user", "making its mounts private", "mounting its /proc", "naming its host",
    "starting the program"};

// What the child needs, made before: after a clone of a program with threads it must not allocate.
struct Plan {
    std::vector<char*> arguments;
    std::string_view host;
    bool own_users = false;
    std::string uid_map, gid_map;
};

bool put(const char* path, std::string_view text) {
    const int file = open(path, O_WRONLY | O_CLOEXEC);
    const bool done =
        file >= 0 && write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
    if (file >= 0) close(file);
    return done;
}

[[noreturn]] void become(const Plan& plan) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (plan.own_users &&
        !(put("/proc/self/uid_map", plan.uid_map) && put("/proc/self/setgroups", "deny") &&
          put("/proc/self/gid_map", plan.gid_map))) {
        _exit(kMapping);
    }
    if (mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) _exit(kPrivateMounts);
    if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) != 0) {
        _exit(kProc);
    }
    if (sethostname(plan.host.data(), plan.host.size()) != 0) _exit(kHostName);
    execv(plan.arguments[0], plan.arguments.data());
    _exit(kProgram);
}

std::string mapping(unsigned inside, unsigned outside) {
    return std::to_string(inside) + " " + std::to_string(outside) + " 1";
}

}  // namespace

Child start_container(std::vector<std::string> arguments, const ContainerOptions& options) {
    Plan plan;
    for (std::string& argument : arguments) plan.arguments.push_back(argument.data());
    plan.arguments.push_back(nullptr);
    plan.host = options.host;
    plan.own_users = options.own_users || geteuid() != 0;
    plan.uid_map = mapping(options.user.value_or(geteuid()), geteuid());
    plan.gid_map = mapping(getegid(), getegid());
    const std::uint64_t flags = kNamespaces | (plan.own_users ? CLONE_NEWUSER : 0) | SIGCHLD;
    // No stack of its own: it goes on here with a copy, as after a fork.
    const long pid = syscall(SYS_clone, flags, nullptr, nullptr, nullptr, nullptr);
    if (pid < 0) throw std::system_error(errno, std::generic_category(), "clone");
    if (pid == 0) become(plan);
    return Child(static_cast<pid_t>(pid));
}

std::string why_no_containers(const ContainerOptions& options) {
    try {
        const int status = start_container({"/bin/true"}, options).wait();
        if (status == 0) return {};
        const bool is_step = status >= kMapping && status < kEnd;
        const std::string what = is_step ? kSteps[static_cast<std::size_t>(status - kMapping)]
                                         : "its end, status " + std::to_string(status);
        return "a container could be cloned, but failed: " + what;
    } catch (const std::system_error& error) {
        return std::string("no namespaces may be made here: ") + error.what();
    }
}

}  // namespace headrace
