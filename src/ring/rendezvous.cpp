#include "ring/rendezvous.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include "headrace/error.hpp"

namespace headrace::ring {

namespace {

std::string because() {
    return std::string(": ") + std::strerror(errno);
}

sockaddr_un address_of(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), std::min(path.size(), sizeof(address.sun_path) - 1));
    return address;
}

bool make_directory(const std::string& path) {
    return mkdir(path.c_str(), 0700) == 0 || errno == EEXIST;
}

// A folder below one that everybody may write must be ours alone, or another user could have put it
// there.
void check_private(const std::string& path) {
    struct stat found {};
    if (lstat(path.c_str(), &found) != 0) throw SystemError("folder " + path + because());
    if (!S_ISDIR(found.st_mode) || found.st_uid != geteuid() || (found.st_mode & 077) != 0) {
        throw SystemError("folder " + path +
                          ": is not a folder of this user with mode 0700; take it away, or set "
                          "HEADRACE_DIR");
    }
}

std::string made(const std::string& path) {
    if (!make_directory(path)) throw SystemError("making the folder " + path + because());
    struct stat found {};
    if (stat(path.c_str(), &found) != 0) throw SystemError("folder " + path + because());
    if (!S_ISDIR(found.st_mode)) {
        throw SystemError(path + ": found a file, wanted a folder for the ring's socket");
    }
    return path;
}

// The folder that is named by the caller or by the environment; empty if none is.
std::string named_directory(const std::string& given) {
    if (!given.empty()) return given;
    if (const char* set = std::getenv("HEADRACE_DIR"); set != nullptr && *set != '\0') return set;
    if (const char* set = std::getenv("XDG_RUNTIME_DIR"); set != nullptr && *set != '\0') {
        return std::string(set) + "/headrace";
    }
    return {};
}

constexpr const char* kRunDirectory = "/run/headrace";

std::string last_directory() {
    return "/tmp/headrace-" + std::to_string(geteuid());
}

bool answers(const std::string& path) {
    int error = 0;
    return connect_to(path, error) || error == EAGAIN;
}

}  // namespace

std::string rendezvous_directory(const std::string& given) {
    if (const std::string named = named_directory(given); !named.empty()) return made(named);
    const std::string run = kRunDirectory;
    if (make_directory(run) && access(run.c_str(), W_OK | X_OK) == 0) return made(run);
    const std::string last = last_directory();
    made(last);
    check_private(last);
    return last;
}

std::string find_rendezvous_directory(const std::string& given) {
    if (std::string named = named_directory(given); !named.empty()) return named;
    const std::string run = kRunDirectory;
    const bool is_there = access(run.c_str(), F_OK) == 0;
    // Where it is not there, whether it could be made decides.
    if (access(is_there ? run.c_str() : "/run", W_OK | X_OK) == 0) return run;
    std::string last = last_directory();
    struct stat found {};
    if (lstat(last.c_str(), &found) == 0) check_private(last);
    return last;
}

std::string socket_path_of(const std::string& directory, std::string_view ring_name) {
    std::string path = directory + "/" + std::string(ring_name) + ".sock";
    constexpr std::size_t kMost = sizeof(sockaddr_un::sun_path) - 1 - 4;  // and ".new"
    if (path.size() > kMost) {
        throw UsageError("socket path " + path + ": " + std::to_string(path.size()) +
                         " bytes, wanted at most " + std::to_string(kMost) +
                         "; choose a shorter ring name or directory");
    }
    return path;
}

UniqueFd listen_at(const std::string& directory, std::string_view ring_name) {
    const std::string path = socket_path_of(directory, ring_name);
    // One at a time in this folder, between looking whether a ring is there and taking its place.
    UniqueFd folder(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!folder || flock(folder.get(), LOCK_EX) != 0) {
        throw SystemError("locking the folder " + directory + because());
    }
    if (answers(path)) {
        throw SystemError("ring \"" + std::string(ring_name) + "\": exists already, another " +
                          "trainer listens at " + path + "; choose another name, or end it");
    }
    UniqueFd listener(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!listener) throw SystemError("making a socket" + because());
    const std::string fresh = path + ".new";
    unlink(fresh.c_str());
    const sockaddr_un address = address_of(fresh);
    if (bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
        listen(listener.get(), 128) != 0 || rename(fresh.c_str(), path.c_str()) != 0) {
        const std::string reason = because();
        unlink(fresh.c_str());
        throw SystemError("binding " + path + reason);
    }
    return listener;
}

void unlink_socket(const std::string& directory, std::string_view ring_name, int listener) {
    const std::string path = socket_path_of(directory, ring_name);
    UniqueFd folder(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!folder || flock(folder.get(), LOCK_EX) != 0) return;
    // Whoever still answers there once our listener is shut down is a successor: leave it alone.
    shutdown(listener, SHUT_RDWR);
    if (!answers(path)) unlink(path.c_str());
}

UniqueFd connect_to(const std::string& path, int& error) {
    // Not blocking: a trainer that is stopped, with a full backlog, would hold us without limit.
    UniqueFd connection(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (connection) {
        const sockaddr_un address = address_of(path);
        if (connect(connection.get(), reinterpret_cast<const sockaddr*>(&address),
                    sizeof(address)) == 0) {
            return connection;
        }
    }
    error = errno;
    return {};
}

bool send_message(int socket, std::span<const std::byte> bytes, std::span<const int> fds) {
    iovec part{const_cast<std::byte*>(bytes.data()), bytes.size()};
    alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(4 * sizeof(int))> ancillary{};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (!fds.empty()) {
        message.msg_control = ancillary.data();
        message.msg_controllen = CMSG_SPACE(fds.size_bytes());
        cmsghdr* const header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(fds.size_bytes());
        std::memcpy(CMSG_DATA(header), fds.data(), fds.size_bytes());
    }
    const ssize_t sent = sendmsg(socket, &message, MSG_NOSIGNAL);
    return sent == static_cast<ssize_t>(bytes.size());
}

std::ptrdiff_t receive_message(int socket, std::span<std::byte> bytes, std::vector<UniqueFd>& fds) {
    iovec part{bytes.data(), bytes.size()};
    alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(4 * sizeof(int))> ancillary{};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = ancillary.data();
    message.msg_controllen = ancillary.size();
    ssize_t received = 0;
    do {
        received = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    } while (received < 0 && errno == EINTR);
    if (received < 0) return -1;
    for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
         header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
        const std::size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < count; ++i) {
            int fd = -1;
            std::memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof(int));
            fds.emplace_back(fd);
        }
    }
    const bool whole = received == static_cast<ssize_t>(bytes.size()) &&
                       (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0;
    if (received != 0 && !whole) {
        // Descriptors that find no room here are left out; so are those beyond the four.
        const bool is_full = (message.msg_flags & MSG_CTRUNC) != 0 && fds.size() < 4;
        errno = is_full ? EMFILE : EPROTO;
        return -1;
    }
    return received;
}

Peer peer_of(int socket) {
    ucred peer{};
    socklen_t length = sizeof(peer);
    if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) {
        throw SystemError("asking who is at the other end of a socket" + because());
    }
    return {peer.pid, peer.uid};
}

bool maps_every_user() {
    // Lines of three numbers: first inside, first outside, how many.
    std::ifstream map("/proc/self/uid_map");
    std::uint64_t inside = 0, outside = 0, count = 0, mapped = 0;
    while (map >> inside >> outside >> count) mapped += count;
    constexpr std::uint64_t kAllUsers = 0xffff'ffff;  // the last number stands for none
    return mapped == 0 || mapped >= kAllUsers;
}

UniqueFd own_pidfd() {
    UniqueFd pidfd(static_cast<int>(syscall(SYS_pidfd_open, getpid(), 0)));
    if (!pidfd) {
        const bool is_lacking = errno == ENOSYS || errno == EPERM;
        throw SystemError("pidfd_open" + because() +
                          (is_lacking ? "; deaths of processes are proven by pidfd: it needs Linux "
                                        "5.3, and a container's filter that lets it pass; only "
                                        "threads of the trainer can produce without"
                                      : ""));
    }
    return pidfd;
}

bool is_pidfd(int fd) noexcept {
    // Signal 0 asks only. EBADF is what says no; a sibling pid namespace gives EINVAL.
    return syscall(SYS_pidfd_send_signal, fd, 0, nullptr, 0) == 0 || errno != EBADF;
}

bool is_dead(int pidfd) noexcept {
    pollfd look{.fd = pidfd, .events = POLLIN, .revents = 0};
    return poll(&look, 1, 0) == 1 && (look.revents & POLLIN) != 0;
}

}  // namespace headrace::ring
