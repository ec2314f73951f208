// A child process in namespaces of its own, as a container has them: pid (it is pid 1), ipc, net,
// uts with a host name, mounts with a /proc, and cgroup. It shares files with the test, so a ring's
// folder, and nothing else.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "process/child.hpp"

namespace headrace {

struct ContainerOptions {
    std::string host;
    // A user namespace too, which maps this user only. Without the rights of root there is one
    // anyway.
    bool own_users = false;
    // In that namespace this user is that number; its own where none is given.
    std::optional<unsigned> user = {};
};

// Why none can be started here; empty where they can. Tests that need them are skipped with it.
std::string why_no_containers(const ContainerOptions& options = {.host = "probe"});

// Starts a program, by its path. Child::pid() is as the test sees it, so its signals reach the
// child, whom its own SIGKILL and SIGSTOP do not. It is killed when the calling thread ends. Throws
// std::system_error when it cannot be made; what fails later is an exit status from 100 on.
Child start_container(std::vector<std::string> arguments, const ContainerOptions& options);

}  // namespace headrace
