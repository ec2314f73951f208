// Where trainer and producers meet: a SOCK_SEQPACKET socket in a folder that only its user may
// enter. It hands out the memory and tells of finished producers; records never pass through it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ring/identity.hpp"
#include "ring/layout.hpp"
#include "ring/unique_fd.hpp"

namespace headrace::ring {

inline constexpr std::uint32_t kWireMagic = 0x45435248;  // "HRCE"
inline constexpr std::uint32_t kWireVersion = 3;

enum class Role : std::uint32_t { producer = 1, observer = 2, consumer = 3 };

// From whoever attaches, with a pidfd of itself: a pidfd that is sent along proves a death across
// pid namespaces too. Pid and names are as it sees itself: untrusted, and for people only.
struct Hello {
    std::uint32_t magic, version;
    std::uint32_t role;
    std::uint32_t layout_version;
    std::int64_t pid;
    char identity[kIdentityBytes];
    char host[kHostBytes];
};

// The answer. Accepted, it comes with the memory (read-only for an observer) and a pidfd of the
// trainer.
struct Welcome {
    std::uint32_t magic, version;
    std::uint32_t accepted;
    std::uint32_t owner, incarnation;
    std::uint32_t reserved;
    std::uint64_t memory_bytes;
    char refusal[256];
};

// From a producer or consumer that goes in order.
struct Farewell {
    enum Kind : std::uint32_t {
        finished = 1,
        left = 2,
        never_came = 3,  // admitted, but attaching failed on its side
    };
    std::uint32_t magic;
    std::uint32_t kind;
};

// The folder of the sockets: `given`, else $HEADRACE_DIR, else $XDG_RUNTIME_DIR/headrace, else
// /run/headrace where that can be written, else /tmp/headrace-UID. Makes it, with mode 0700, where
// it is missing. Throws SystemError.
std::string rendezvous_directory(const std::string& given);
// The same folder for whoever only looks: makes nothing, so it may be missing.
std::string find_rendezvous_directory(const std::string& given);

// Throws UsageError when the path is longer than a socket's may be.
std::string socket_path_of(const std::string& directory, std::string_view ring_name);

// Binds and listens; the socket appears under its name only when it answers. A socket that nobody
// listens on any more is replaced. Throws SystemError when the ring runs already.
UniqueFd listen_at(const std::string& directory, std::string_view ring_name);

// Takes the socket away, if it is still the one that `listener` is bound to.
void unlink_socket(const std::string& directory, std::string_view ring_name, int listener);

// A connected socket, or none with errno in `error`: EAGAIN when somebody listens and has no time.
// Does not wait.
UniqueFd connect_to(const std::string& path, int& error);

// One message, with descriptors. False when the other side is gone.
bool send_message(int socket, std::span<const std::byte> bytes, std::span<const int> fds = {});

// One message of exactly bytes.size(); what came with it goes to `fds`, at most four. Returns the
// bytes received: 0 at the end, -1 with errno for an error; a message of another size is EPROTO,
// one whose descriptors find no room in this process EMFILE.
std::ptrdiff_t receive_message(int socket, std::span<std::byte> bytes, std::vector<UniqueFd>& fds);

// Who made a connection, or who listens at its other end, as seen from here.
struct Peer {
    std::int64_t pid;  // 0: in a pid namespace that cannot be seen from this one
    std::uint32_t uid;
};
// A user that this process's user namespace does not map looks like this one ("nobody").
inline constexpr std::uint32_t kUnmappedUser = 65534;
// Throws SystemError when the socket tells nothing.
Peer peer_of(int socket);
// Whether every user has a number of its own here, so that no two look the same: true outside of
// user namespaces, and where it cannot be read.
bool maps_every_user();

// A pidfd of this process; throws SystemError where the kernel has none (older than 5.3, gVisor).
UniqueFd own_pidfd();
// Whether a descriptor that somebody sent is a pidfd at all.
bool is_pidfd(int fd) noexcept;
// Whether the process of a pidfd is dead: the proof.
bool is_dead(int pidfd) noexcept;

}  // namespace headrace::ring
