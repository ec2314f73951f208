// Attaching to the ring of another process: waiting for it, saying who we are, checking what comes.
#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "headrace/error.hpp"
#include "ring/deadline.hpp"
#include "ring/identity.hpp"
#include "ring/in_name_of.hpp"
#include "ring/participant.hpp"
#include "ring/rendezvous.hpp"

namespace headrace::detail {

namespace {

using ring::Clock;

int poll_milliseconds(Clock::time_point deadline, std::chrono::milliseconds most) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(ring::time_left(deadline));
    return static_cast<int>(std::min(left, most).count());
}

// Sleeps until something happens in the folder. The alarm is for folders whose changes cannot be
// seen from here, such as some shared volumes.
void wait_for_change(int watch, Clock::time_point deadline) {
    pollfd look{.fd = watch, .events = POLLIN, .revents = 0};
    if (poll(&look, 1, poll_milliseconds(deadline, ring::kAlarm)) == 1) {
        char events[4096];
        [[maybe_unused]] const ssize_t drained = read(watch, events, sizeof(events));
    }
}

ring::UniqueFd connect_when_there(const std::string& name, const std::string& directory,
                                  std::chrono::milliseconds timeout) {
    const std::string path = ring::socket_path_of(directory, name);
    const Clock::time_point deadline = ring::deadline_after(timeout);
    ring::UniqueFd watch;
    for (bool is_watching = false;;) {
        int error = 0;
        ring::UniqueFd connection = ring::connect_to(path, error);
        if (connection) return connection;
        // Not there yet, left behind by a trainer that died, or a trainer too busy to answer;
        // anything else will not mend itself.
        if (error != ENOENT && error != ECONNREFUSED && error != EAGAIN) {
            throw SystemError("ring \"" + name + "\": connecting to " + path + ": " +
                              std::strerror(error));
        }
        if (ring::time_left(deadline).count() == 0) {
            throw TimeoutError("ring \"" + name + "\": no trainer listens at " + path + " after " +
                               std::to_string(timeout.count()) +
                               " ms; is it started, as the same user and with the same directory?");
        }
        if (is_watching) {
            wait_for_change(watch.get(), deadline);
            continue;
        }
        // Watch first, then look again: a ring that appears in between is seen by one of the two.
        // Not before the first look, for to end a watch takes the kernel ten milliseconds.
        is_watching = true;
        watch.reset(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
        if (watch) inotify_add_watch(watch.get(), directory.c_str(), IN_MOVED_TO | IN_CREATE);
    }
}

// Bounded, for a trainer that is stopped would leave us waiting.
ring::Welcome await_welcome(int socket, const std::string& name, std::chrono::milliseconds patience,
                            std::vector<ring::UniqueFd>& fds) {
    const Clock::time_point deadline = ring::deadline_after(patience);
    pollfd look{.fd = socket, .events = POLLIN, .revents = 0};
    int ready = 0;
    do {
        ready = poll(&look, 1, poll_milliseconds(deadline, std::chrono::minutes(1)));
    } while ((ready == 0 || (ready < 0 && errno == EINTR)) &&
             ring::time_left(deadline).count() > 0);
    if (ready <= 0) {
        throw TimeoutError("ring \"" + name + "\": the trainer has not answered within " +
                           std::to_string(patience.count()) + " ms; is it stopped?");
    }
    ring::Welcome welcome{};
    const auto received =
        ring::receive_message(socket, std::as_writable_bytes(std::span(&welcome, 1)), fds);
    if (received < 0 && errno == EMFILE) {
        throw SystemError("ring \"" + name +
                          "\": no room for the descriptors that the trainer hands over: " +
                          std::strerror(EMFILE));
    }
    if (received <= 0 || welcome.magic != ring::kWireMagic ||
        welcome.version != ring::kWireVersion) {
        throw SystemError("ring \"" + name +
                          "\": the answer is not of this version of Headrace, or the trainer went");
    }
    if (welcome.accepted == 0) {
        welcome.refusal[sizeof(welcome.refusal) - 1] = '\0';
        throw SystemError("ring \"" + name + "\": refused: " + welcome.refusal);
    }
    return welcome;
}

template <std::size_t N>
void put_text(char (&bytes)[N], const std::string& text) {  // into zeroes, the last of which stays
    std::memcpy(bytes, text.data(), std::min(text.size(), N - 1));
}

ring::Hello make_hello(const AttachOptions& options, ring::Role role) {
    ring::Hello hello{};
    hello.magic = ring::kWireMagic;
    hello.version = ring::kWireVersion;
    hello.layout_version = ring::kLayoutVersion;
    hello.role = static_cast<std::uint32_t>(role);
    hello.pid = getpid();
    put_text(hello.identity, ring::own_identity(options.identity));
    put_text(hello.host, ring::own_host());
    return hello;
}

// Checks all that came with the welcome before any of it is used.
void accept(Attachment& attachment, const ring::Welcome& welcome, std::vector<ring::UniqueFd> fds,
            const std::string& name, ring::Role role) {
    const bool as_observer = role == ring::Role::observer;
    if (fds.size() != 2 || welcome.owner >= ring::kOwners || !ring::is_pidfd(fds[1].get()) ||
        (!as_observer && welcome.owner == ring::kTrainer)) {
        throw SystemError("ring \"" + name + "\": the answer lacks the memory or the identity");
    }
    ring::check_memory(fds[0].get(), welcome.memory_bytes, name);
    attachment.mapping = ring::Mapping(
        fds[0].get(), welcome.memory_bytes,
        as_observer ? ring::Mapping::Access::read_only : ring::Mapping::Access::read_write);
    attachment.description = ring::read_header(attachment.mapping.bytes(), name);
    attachment.trainer_pidfd = std::move(fds[1]);
    attachment.owner = {welcome.owner, welcome.incarnation};
    attachment.trainer = "pid " + std::to_string(attachment.description.trainer_pid);
    if (ring::peer_of(attachment.socket.get()).pid != attachment.description.trainer_pid) {
        attachment.trainer += " of another pid namespace";
    }
}

Attachment attach_to(const std::string& name, const AttachOptions& options, ring::Role role,
                     std::chrono::milliseconds patience) {
    const std::string directory = ring::rendezvous_directory(options.directory);
    Attachment attachment;
    const std::chrono::milliseconds timeout = ring::bounded(options.timeout);
    try {
        attachment.socket = connect_when_there(name, directory, timeout);
    } catch (const TimeoutError& error) {
        if (role == ring::Role::observer)
            throw SystemError(error.what());  // who does not wait knows no time-out
        throw;
    }

    const ring::Hello hello = make_hello(options, role);
    ring::UniqueFd self;
    std::vector<int> handed;
    if (role != ring::Role::observer) {
        self = ring::own_pidfd();
        handed.push_back(self.get());
    }
    if (!ring::send_message(attachment.socket.get(), std::as_bytes(std::span(&hello, 1)), handed)) {
        throw SystemError("ring \"" + name + "\": the trainer went while attaching");
    }
    // Whatever was left of the time: the ring is there.
    try {
        std::vector<ring::UniqueFd> fds;
        const ring::Welcome welcome = await_welcome(
            attachment.socket.get(), name, std::max(timeout, ring::bounded(patience)), fds);
        accept(attachment, welcome, std::move(fds), name, role);
    } catch (...) {
        // Perhaps admitted, but it will never come: or its silence would be taken for a death one
        // day.
        const ring::Farewell farewell{ring::kWireMagic, ring::Farewell::never_came};
        ring::send_message(attachment.socket.get(), std::as_bytes(std::span(&farewell, 1)));
        throw;
    }
    return attachment;
}

}  // namespace

Attachment attach(std::string_view ring_name, const AttachOptions& options, ring::Role role,
                  std::chrono::milliseconds patience) {
    check_name("ring name", ring_name, kMaxRingNameBytes);
    return ring::in_name_of(
        ring_name, [&] { return attach_to(std::string(ring_name), options, role, patience); });
}

}  // namespace headrace::detail
