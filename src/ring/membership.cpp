// The part of the service that lets producers, and consumers that share, in and sees them off.
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "headrace/error.hpp"
#include "ring/identity.hpp"
#include "ring/service.hpp"

namespace headrace::ring {

using service_key::Kind;

namespace {

// Connections that have not said who they are; a program that only connects cannot use up more.
constexpr std::size_t kMaxStrangers = 64;

constexpr const char* kOtherRelease =
    "the message is not of this version of Headrace; build trainer and producer from the same "
    "release";

std::string kind_of(Role role) {
    return role == Role::consumer ? "consumer " : "producer ";
}

template <std::size_t N>
std::string text_in(const char (&bytes)[N]) {
    return {bytes, strnlen(bytes, N)};
}

void raise(std::atomic<std::uint64_t>& counter, std::uint64_t by = 1) {
    counter.fetch_add(by, std::memory_order_relaxed);
}

}  // namespace

// ---- attaching ----

void Service::accept_one() {
    UniqueFd socket(accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!socket) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
            messages_.say(Severity::error,
                          "ring \"" + options_.name +
                              "\": a process could not attach: " + std::strerror(errno));
            // The connection stays in the backlog and would wake us at once, again and again.
            const timespec pause{.tv_sec = 0, .tv_nsec = 100'000'000};
            nanosleep(&pause, nullptr);
        }
        return;
    }
    if (strangers_.size() >= kMaxStrangers) strangers_.erase(strangers_.begin());
    const int fd = socket.get();
    watch(fd, service_key::of(Kind::stranger, static_cast<std::uint32_t>(fd)));
    strangers_[fd] = std::move(socket);
}

void Service::hear_stranger(int fd) {
    const auto found = strangers_.find(fd);
    if (found == strangers_.end()) return;
    UniqueFd socket = std::move(found->second);
    strangers_.erase(found);
    epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
    Hello hello{};
    std::vector<UniqueFd> fds;
    const auto received = receive_message(fd, std::as_writable_bytes(std::span(&hello, 1)), fds);
    if (received == 0) return;  // only looked whether somebody is here
    if (received < 0) {
        refuse(fd, errno == EMFILE ? std::string("the trainer has no room for another pidfd: ") +
                                         std::strerror(EMFILE)
                                   : kOtherRelease);
        return;
    }
    try {
        const std::string why = reason_to_refuse(fd, hello, fds);
        if (!why.empty()) {
            refuse(fd, why);
            return;
        }
        welcome(std::move(socket), hello, std::move(fds));
    } catch (const Error& error) {
        refuse(fd, error.what());
    }
}

std::string Service::reason_to_refuse(int socket, const Hello& hello,
                                      const std::vector<UniqueFd>& fds) {
    if (hello.magic != kWireMagic || hello.version != kWireVersion) return kOtherRelease;
    if (hello.layout_version != kLayoutVersion) {
        return "layout version " + std::to_string(hello.layout_version) + ", this trainer has " +
               std::to_string(kLayoutVersion) +
               "; build trainer and producer from the same release";
    }
    // Were we that user, a stranger would look like us.
    const Peer peer = peer_of(socket);
    const bool is_unknown = peer.uid == kUnmappedUser && !maps_every_user();
    if (peer.uid != geteuid() || is_unknown) {
        return "user " + std::to_string(peer.uid) + " may not attach to a ring of user " +
               std::to_string(geteuid()) +
               (is_unknown
                    ? "; 65534 is how the trainer sees every user that its user namespace does "
                      "not map: run both in the same one"
                    : "");
    }
    if (hello.role == static_cast<std::uint32_t>(Role::observer)) return {};
    const auto role = static_cast<Role>(hello.role);
    if (role != Role::producer && role != Role::consumer) return "no such role";
    if (role == Role::consumer && !options_.shared_consumers) {
        return "its records are not shared by consumers (RingOptions::shared_consumers)";
    }
    if (fds.size() != 1 || !is_pidfd(fds[0].get())) return "who attaches sends a pidfd of itself";
    return reason_to_end(role);
}

// Who consumes may come as long as there is something to take.
std::string Service::reason_to_end(Role role) const {
    const Phase phase = protocol_.phase();
    if (phase == Phase::open || (role == Role::consumer && phase == Phase::drain)) return {};
    return "the ring has ended";
}

void Service::refuse(int socket, const std::string& why) {
    Welcome answer{};
    answer.magic = kWireMagic;
    answer.version = kWireVersion;
    std::memcpy(answer.refusal, why.data(), std::min(why.size(), sizeof(answer.refusal) - 1));
    send_message(socket, std::as_bytes(std::span(&answer, 1)));
}

void Service::welcome(UniqueFd&& socket, const Hello& hello, std::vector<UniqueFd> fds) {
    Welcome answer{};
    answer.magic = kWireMagic;
    answer.version = kWireVersion;
    answer.accepted = 1;
    answer.memory_bytes = memory_bytes_;
    const UniqueFd self = own_pidfd();
    if (hello.role == static_cast<std::uint32_t>(Role::observer)) {
        const std::string path = "/proc/self/fd/" + std::to_string(memory_);
        const UniqueFd read_only(open(path.c_str(), O_RDONLY | O_CLOEXEC));
        if (!read_only) {
            const char* const hint =
                errno == ENOENT ? "; is /proc mounted where the trainer runs?" : "";
            throw SystemError("opening " + path + " for reading: " + std::strerror(errno) + hint);
        }
        const int handed[] = {read_only.get(), self.get()};
        send_message(socket.get(), std::as_bytes(std::span(&answer, 1)), handed);
        return;
    }
    // The pid that it has here is its own where both are in one pid namespace. In another one its
    // own is likely to be 1, like those of all the others.
    const bool is_elsewhere = peer_of(socket.get()).pid != hello.pid;
    const std::string identity = text_in(hello.identity);
    Member& member =
        admit(hello.pid, is_elsewhere ? identity_at_host(identity, text_in(hello.host)) : identity,
              static_cast<Role>(hello.role));
    member.is_elsewhere = is_elsewhere;
    const Owner owner = member.owner;
    answer.owner = owner.id;
    answer.incarnation = owner.incarnation;
    member.socket = std::move(socket);
    member.pidfd = std::move(fds[0]);
    try {
        watch(member.pidfd.get(), service_key::of(Kind::member_death, owner));
        watch(member.socket.get(), service_key::of(Kind::member_socket, owner));
    } catch (...) {
        // Not one whose death we would not notice. It was promised nothing yet.
        socket = std::move(member.socket);
        withdraw(owner);
        refuse(socket.get(), "the trainer is out of resources");
        return;
    }
    const int handed[] = {memory_, self.get()};
    // A peer that gave up waiting was told nothing: it is as if it had not come.
    if (!send_message(member.socket.get(), std::as_bytes(std::span(&answer, 1)), handed)) {
        withdraw(owner);
    }
}

Service::Member& Service::admit(std::int64_t pid, const std::string& identity, Role role) {
    if (members_.size() >= kMaxProducers) {
        const bool shares = options_.shared_consumers;
        throw SystemError("ring \"" + options_.name + "\": " + std::to_string(kMaxProducers) +
                          (shares ? " producers and consumers" : " producers") +
                          " are attached already, which is the most");
    }
    // Onwards from the last one, so that those who went stay in the statistics for a while.
    do {
        last_id_ = last_id_ % (kOwners - 1) + 1;
    } while (members_.contains(last_id_));
    Member member;
    incarnations_[last_id_] = (incarnations_[last_id_] + 1) % kIncarnations;
    member.owner = {last_id_, incarnations_[last_id_]};
    member.role = role;
    member.pid = pid;
    member.identity = identity;
    clear_cell(member);
    MemberCell& cell = cell_of(member);
    cell.incarnation.store(member.owner.incarnation);
    cell.pid.store(pid);
    cell.identity.store(identity);
    cell.attached_ns.store(now_ns());
    cell.state.store(static_cast<std::uint32_t>(ProducerState::attached));
    if (role == Role::consumer) return members_[last_id_] = std::move(member);
    ++producers_here_;
    ++ever_;
    // One of those that were expected anyway takes nobody's place.
    member.took_vacancy = vacancies_ > 0 && ever_ > options_.producers;
    if (member.took_vacancy) --vacancies_;
    return members_[last_id_] = std::move(member);
}

MemberCell& Service::cell_of(const Member& member) const noexcept {
    if (member.role == Role::consumer) return protocol_.consumer(member.owner.id);
    return protocol_.producer(member.owner.id);
}

void Service::clear_cell(const Member& member) noexcept {
    const auto clear = [](auto&... counters) {
        (counters.store(0, std::memory_order_relaxed), ...);
    };
    // An id was perhaps that of one of the other kind before.
    ProducerCell& producer = protocol_.producer(member.owner.id);
    ConsumerCell& consumer = protocol_.consumer(member.owner.id);
    clear(producer.state, consumer.state, producer.detached_ns, consumer.detached_ns);
    // Not `returned`, `alarms` and `counts`, which are summed up over all that an id ever stood
    // for.
    clear(producer.claimed, producer.published, producer.skipped, producer.dropped,
          producer.payload_bytes, producer.waited_ns, producer.waiting_since_ns);
    clear(consumer.waited_ns, consumer.waiting_since_ns, consumer.settling);
    consumer.delivered_before.store(
        consumer.counts[static_cast<std::size_t>(Settled::delivered)].load());
}

Owner Service::enlist(const std::string& identity, Role role) {
    const std::lock_guard lock(mutex_);
    if (const std::string why = reason_to_end(role); !why.empty()) {
        throw SystemError("ring \"" + options_.name + "\": " + why);
    }
    const Owner owner = admit(getpid(), identity, role).owner;
    kick();  // there is somebody to look after
    return owner;
}

void Service::discharge(Owner owner, bool left) {
    const std::lock_guard lock(mutex_);
    bury(owner, left ? ProducerState::left : ProducerState::finished);
    end_if_nobody_is_left();
    kick();  // or there is a linger time to wait for
}

void Service::restart() {
    const std::lock_guard lock(mutex_);
    alone_since_ = Clock::now();
    settled_below_ = 0;
    kick();
}

std::string Service::attached() {
    const std::lock_guard lock(mutex_);
    return list_members();
}

std::string Service::list_members() const {
    constexpr std::size_t kMost = 16;  // who writes what it must not is found among a few
    std::string text;
    std::size_t told = 0;
    for (const auto& [id, member] : members_) {
        if (told++ == kMost)
            return text + " and " + std::to_string(members_.size() - kMost) + " more";
        text += (text.empty() ? "" : ", ") + kind_of(member.role) + std::to_string(id) + " (" +
                member.identity + ", pid " + std::to_string(member.pid) + ")";
    }
    return text.empty() ? "nobody" : text;
}

// ---- leaving ----

void Service::hear_member(Owner owner) {
    const auto found = members_.find(owner.id);
    if (found == members_.end() || found->second.owner.incarnation != owner.incarnation) return;
    Member& member = found->second;
    Farewell farewell{};
    std::vector<UniqueFd> fds;
    const auto received =
        receive_message(member.socket.get(), std::as_writable_bytes(std::span(&farewell, 1)), fds);
    if (received < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
    if (received > 0 && farewell.magic == kWireMagic) {
        if (farewell.kind == Farewell::never_came) {
            // It holds nothing, if that is true.
            protocol_.reap(owner, false, {});
            protocol_.reap_consumer(owner, "a consumer that never came");
            return withdraw(owner);
        }
        bury(owner,
             farewell.kind == Farewell::left ? ProducerState::left : ProducerState::finished);
        return;
    }
    // A process that ends closes its sockets a moment before its pidfd tells.
    pollfd death{.fd = member.pidfd.get(), .events = POLLIN, .revents = 0};
    if (poll(&death, 1, 100) == 1) {
        bury(owner, ProducerState::died);
        return;
    }
    // Its socket is closed and it lives: it called execve, or closed what is not its own. It may
    // still write as far as we can prove, so what it holds stays held until it dies.
    epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, member.socket.get(), nullptr);
    member.socket.reset();
    cell_of(member).state.store(static_cast<std::uint32_t>(ProducerState::contact_lost));
    messages_.say(Severity::warning, name_of_member(member) +
                                         " closed its socket and lives on: contact lost; what it "
                                         "holds is handed on when it dies");
}

// Closing is not enough: the producer may hold the same open file as the pidfd that it sent, and
// epoll would go on telling of it.
void Service::forget_descriptors(const Member& member) {
    if (member.pidfd) epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, member.pidfd.get(), nullptr);
    if (member.socket) epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, member.socket.get(), nullptr);
}

void Service::withdraw(Owner owner) {
    const auto found = members_.find(owner.id);
    if (found == members_.end() || found->second.owner.incarnation != owner.incarnation) return;
    forget_descriptors(found->second);
    if (found->second.role == Role::producer) {
        --ever_;
        --producers_here_;
        if (found->second.took_vacancy) ++vacancies_;
    }
    cell_of(found->second).state.store(0);  // nobody's
    members_.erase(found);
}

void Service::bury(Owner owner, ProducerState how) {
    const auto found = members_.find(owner.id);
    if (found == members_.end() || found->second.owner.incarnation != owner.incarnation) return;
    const Member member = std::move(found->second);
    members_.erase(found);
    forget_descriptors(member);
    const bool died = how == ProducerState::died;
    const std::string who = kind_of(member.role) + std::to_string(owner.id) +
                            (member.is_elsewhere ? " (" + member.identity + ")"
                                                 : " (pid " + std::to_string(member.pid) + ")");
    MemberCell& cell = cell_of(member);
    cell.detached_ns.store(now_ns());
    cell.state.store(static_cast<std::uint32_t>(how));
    if (died) raise(protocol_.trainer().deaths);
    if (member.role == Role::consumer) {
        const Reaped reaped = protocol_.reap_consumer(member.owner, who);
        raise(protocol_.trainer().redelivered, reaped.returned);
        return note_departure(member, how, reaped);
    }
    // Before the reaping, which wakes everybody: whoever looks then finds it counted.
    if (how != ProducerState::finished) ++vacancies_;
    --producers_here_;
    alone_since_ = Clock::now();
    const Reaped reaped = protocol_.reap(member.owner, died, who);
    raise(protocol_.producer(owner.id).returned, reaped.returned);
    note_departure(member, how, reaped);
}

void Service::note_departure(const Member& member, ProducerState how, const Reaped& reaped) {
    const bool died = how == ProducerState::died;
    if (how == ProducerState::finished && reaped.returned + reaped.lost == 0) return;
    messages_.say(Severity::warning,
                  name_of_member(member) +
                      (died                             ? " died"
                       : how == ProducerState::finished ? " finished"
                                                        : " left without finishing") +
                      "; " + std::to_string(reaped.returned) + " of its records go to another, " +
                      std::to_string(reaped.lost) + " are lost");
}

std::string Service::name_of_member(const Member& member) const {
    return "ring \"" + options_.name + "\": " + kind_of(member.role) +
           std::to_string(member.owner.id) + " (" + member.identity + ", pid " +
           std::to_string(member.pid) + ")";
}

}  // namespace headrace::ring
