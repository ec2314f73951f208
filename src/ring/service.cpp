#include "ring/service.hpp"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "headrace/error.hpp"
#include "ring/quiet_thread.hpp"

namespace headrace::ring {

namespace {

// What an epoll event is about: the kind above, a producer's id or a descriptor below.
enum class Kind : std::uint32_t { stop, listener, stranger, member_socket, member_death };

constexpr std::uint64_t key(Kind kind, std::uint32_t value = 0) {
    return std::uint64_t{static_cast<std::uint32_t>(kind)} << 32 | value;
}

// Connections that have not said who they are; a program that only connects cannot use up more.
constexpr std::size_t kMaxStrangers = 64;

void raise(std::atomic<std::uint64_t>& counter, std::uint64_t by = 1) {
    counter.fetch_add(by, std::memory_order_relaxed);
}

}  // namespace

Service::Service(Protocol& protocol, const RingOptions& options, Messages& messages, int memory,
                 std::uint64_t memory_bytes, int listener)
    : protocol_(protocol),
      options_(options),
      messages_(messages),
      memory_(memory),
      memory_bytes_(memory_bytes),
      listener_(listener),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      stop_(eventfd(0, EFD_CLOEXEC)),
      held_(options.slots) {
    if (!epoll_ || !stop_) {
        throw SystemError("ring \"" + options.name + "\": epoll: " + std::strerror(errno));
    }
    watch(stop_.get(), key(Kind::stop));
    watch(listener_, key(Kind::listener));
    thread_ = quiet_thread("headrace-svc", [this] { run(); });
}

Service::~Service() {
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = write(stop_.get(), &one, sizeof(one));
    thread_.join();
}

void Service::watch(int fd, std::uint64_t what) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = what;
    if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
        throw SystemError("ring \"" + options_.name + "\": epoll_ctl: " + std::strerror(errno));
    }
}

void Service::run() {
    for (;;) {
        epoll_event event{};
        const int count = epoll_wait(epoll_.get(), &event, 1, milliseconds_to_next_look());
        const std::lock_guard lock(mutex_);
        if (count == 1) {
            const auto value = static_cast<std::uint32_t>(event.data.u64);
            switch (static_cast<Kind>(event.data.u64 >> 32)) {
                case Kind::stop: return;
                case Kind::listener: accept_one(); break;
                case Kind::stranger: hear_stranger(static_cast<int>(value)); break;
                case Kind::member_socket: hear_member(value); break;
                case Kind::member_death: bury(value, ProducerState::died); break;
            }
        }
        look_for_stalls();
        end_if_nobody_is_left();
    }
}

// ---- attaching -----------------------------------------------------------------------------------

void Service::accept_one() {
    UniqueFd socket(accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!socket) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
            messages_.say(Severity::error, "ring \"" + options_.name +
                                               "\": a producer could not attach: " +
                                               std::strerror(errno));
            // The connection stays in the backlog and would wake us at once, again and again.
            const timespec pause{.tv_sec = 0, .tv_nsec = 100'000'000};
            nanosleep(&pause, nullptr);
        }
        return;
    }
    if (strangers_.size() >= kMaxStrangers) strangers_.erase(strangers_.begin());
    const int fd = socket.get();
    watch(fd, key(Kind::stranger, static_cast<std::uint32_t>(fd)));
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
        refuse(fd, "the message is not of this version of Headrace");
        return;
    }
    const std::string why = reason_to_refuse(fd, hello, fds);
    if (!why.empty()) {
        refuse(fd, why);
        return;
    }
    try {
        welcome(std::move(socket), hello, std::move(fds));
    } catch (const Error& error) {
        refuse(fd, error.what());
    }
}

std::string Service::reason_to_refuse(int socket, const Hello& hello,
                                      const std::vector<UniqueFd>& fds) {
    if (hello.magic != kWireMagic || hello.version != kWireVersion ||
        hello.layout_version != kLayoutVersion) {
        return "layout version " + std::to_string(hello.layout_version) + ", this trainer has " +
               std::to_string(kLayoutVersion) +
               "; build trainer and producer from the same release";
    }
    ucred peer{};
    socklen_t length = sizeof(peer);
    if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0 ||
        peer.uid != geteuid()) {
        return "user " + std::to_string(peer.uid) + " may not attach to a ring of user " +
               std::to_string(geteuid());
    }
    if (hello.role == static_cast<std::uint32_t>(Role::observer)) return {};
    if (hello.role != static_cast<std::uint32_t>(Role::producer)) return "no such role";
    if (fds.size() != 1 || !is_pidfd(fds[0].get())) return "a producer sends a pidfd of itself";
    if (protocol_.phase() != Phase::open) return "the ring has ended";
    return {};
}

void Service::refuse(int socket, const std::string& why) {
    Welcome answer{};
    answer.magic = kWireMagic;
    answer.version = kWireVersion;
    std::memcpy(answer.refusal, why.data(), std::min(why.size(), sizeof(answer.refusal) - 1));
    send_message(socket, std::as_bytes(std::span(&answer, 1)));
}

void Service::welcome(UniqueFd socket, const Hello& hello, std::vector<UniqueFd> fds) {
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
            throw SystemError("opening " + path + " for reading: " + std::strerror(errno));
        }
        const int handed[] = {read_only.get(), self.get()};
        send_message(socket.get(), std::as_bytes(std::span(&answer, 1)), handed);
        return;
    }
    const std::string identity(hello.identity, strnlen(hello.identity, sizeof(hello.identity)));
    Member& member = admit(hello.pid, identity);
    const std::uint32_t id = member.owner.id;
    answer.owner = id;
    answer.incarnation = member.owner.incarnation;
    member.socket = std::move(socket);
    member.pidfd = std::move(fds[0]);
    watch(member.pidfd.get(), key(Kind::member_death, id));
    watch(member.socket.get(), key(Kind::member_socket, id));
    const int handed[] = {memory_, self.get()};
    // A peer that is gone already shows on its pidfd.
    send_message(member.socket.get(), std::as_bytes(std::span(&answer, 1)), handed);
}

Service::Member& Service::admit(std::int64_t pid, const std::string& identity) {
    if (members_.size() >= kMaxProducers) {
        throw SystemError("ring \"" + options_.name + "\": " + std::to_string(kMaxProducers) +
                          " producers are attached already, which is the most");
    }
    // Onwards from the last one, so that those who went stay in the statistics for a while.
    do {
        last_id_ = last_id_ % (kOwners - 1) + 1;
    } while (members_.contains(last_id_));
    ProducerCell& cell = protocol_.producer(last_id_);
    Member member;
    member.owner = {last_id_, (cell.incarnation.load() + 1) % kIncarnations};
    member.pid = pid;
    member.identity = identity;
    // Not `returned` and `alarms`, which are summed up over all that an id ever stood for.
    for (auto* counter : {&cell.claimed, &cell.published, &cell.skipped, &cell.dropped,
                          &cell.payload_bytes, &cell.waited_ns, &cell.waiting_since_ns,
                          &cell.detached_ns}) {
        counter->store(0, std::memory_order_relaxed);
    }
    cell.incarnation.store(member.owner.incarnation);
    cell.pid.store(pid);
    cell.identity.store(identity);
    cell.attached_ns.store(now_ns());
    cell.state.store(static_cast<std::uint32_t>(ProducerState::attached));
    ++ever_;
    // One of those that were expected anyway takes nobody's place.
    if (vacancies_ > 0 && ever_ > options_.producers) --vacancies_;
    return members_[last_id_] = std::move(member);
}

Owner Service::enlist(const std::string& identity) {
    const std::lock_guard lock(mutex_);
    if (protocol_.phase() != Phase::open) {
        throw SystemError("ring \"" + options_.name + "\": the ring has ended");
    }
    return admit(getpid(), identity).owner;
}

void Service::discharge(Owner owner, bool left) {
    const std::lock_guard lock(mutex_);
    bury(owner.id, left ? ProducerState::left : ProducerState::finished);
    end_if_nobody_is_left();
}

// ---- leaving -------------------------------------------------------------------------------------

void Service::hear_member(std::uint32_t id) {
    const auto found = members_.find(id);
    if (found == members_.end()) return;
    Member& member = found->second;
    Farewell farewell{};
    std::vector<UniqueFd> fds;
    const auto received = receive_message(
        member.socket.get(), std::as_writable_bytes(std::span(&farewell, 1)), fds);
    if (received < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
    if (received > 0 && farewell.magic == kWireMagic) {
        bury(id, farewell.kind == Farewell::left ? ProducerState::left : ProducerState::finished);
        return;
    }
    if (is_dead(member.pidfd.get())) {
        bury(id, ProducerState::died);
        return;
    }
    // Its socket is closed and it lives: it called execve, or closed what is not its own. It may
    // still write as far as we can prove, so what it holds stays held until it dies.
    member.contact_lost = true;
    epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, member.socket.get(), nullptr);
    member.socket.reset();
    protocol_.producer(id).state.store(static_cast<std::uint32_t>(ProducerState::contact_lost));
    messages_.say(Severity::warning, name_of_member(member) +
                                         " closed its socket and lives on: contact lost; what it "
                                         "holds is handed on when it dies");
}

void Service::bury(std::uint32_t id, ProducerState how) {
    const auto found = members_.find(id);
    if (found == members_.end()) return;
    const Member member = std::move(found->second);
    members_.erase(found);
    const bool died = how == ProducerState::died;
    const std::string who = "producer " + std::to_string(id) + " (pid " +
                            std::to_string(member.pid) + ")";
    ProducerCell& cell = protocol_.producer(id);
    cell.detached_ns.store(now_ns());
    cell.state.store(static_cast<std::uint32_t>(how));
    if (died) raise(protocol_.trainer().deaths);
    // Before the reaping, which wakes everybody: whoever looks then finds it counted.
    if (how != ProducerState::finished) ++vacancies_;
    alone_since_ = Clock::now();
    const Protocol::Reaped reaped = protocol_.reap(member.owner, died, who);
    raise(cell.returned, reaped.returned);
    if (how == ProducerState::finished) return;
    messages_.say(Severity::warning,
                  name_of_member(member) + (died ? " died" : " left without finishing") + "; " +
                      std::to_string(reaped.returned) + " of its records go to another, " +
                      std::to_string(reaped.lost) + " are lost");
}

std::string Service::name_of_member(const Member& member) const {
    return "ring \"" + options_.name + "\": producer " + std::to_string(member.owner.id) + " (" +
           member.identity + ", pid " + std::to_string(member.pid) + ")";
}

// ---- stalls and the end --------------------------------------------------------------------------

int Service::milliseconds_to_next_look() const {
    const std::lock_guard lock(mutex_);
    std::int64_t wait = -1;
    if (options_.stall.report_after.count() > 0 && !members_.empty()) {
        wait = std::clamp<std::int64_t>(options_.stall.report_after.count() / 4, 10, 1000);
    }
    if (members_.empty() && ever_ > 0 && protocol_.phase() == Phase::open) {
        wait = std::clamp<std::int64_t>(options_.linger.count() / 4, 10, 1000);
    }
    return static_cast<int>(wait);
}

void Service::look_for_stalls() {
    if (options_.stall.report_after.count() <= 0) return;
    const Clock::time_point now = Clock::now();
    for (std::uint64_t slot = 0; slot < held_.size(); ++slot) {
        const std::uint64_t word = protocol_.word_at(slot);
        Held& held = held_[slot];
        if (state_of(word) != SlotState::writing) {
            held.word = 0;
        } else if (held.word != word) {
            held = {word, now, false};
        } else if (!held.reported && now - held.since >= options_.stall.report_after) {
            held.reported = true;
            report_stall(word,
                         std::chrono::duration_cast<std::chrono::milliseconds>(now - held.since));
        }
    }
}

void Service::report_stall(std::uint64_t word, std::chrono::milliseconds held) {
    const auto found = members_.find(owner_of(word));
    const std::uint64_t index = protocol_.index_in(word);
    const std::string record = "record " + std::to_string(index) + " (slot " +
                               std::to_string(protocol_.slot_of(index)) + ") for " +
                               std::to_string(held.count()) + " ms";
    if (found == members_.end()) {
        messages_.say(Severity::warning, "ring \"" + options_.name + "\": " + record +
                                             " held by producer " +
                                             std::to_string(owner_of(word)) +
                                             ", who is not attached");
        return;
    }
    const Member& member = found->second;
    std::string text = name_of_member(member) + " holds " + record;
    if (options_.stall.action == StallPolicy::Action::kill && member.pidfd) {
        const long sent = syscall(SYS_pidfd_send_signal, member.pidfd.get(), SIGKILL, nullptr, 0);
        text += sent == 0 ? "; killed, its record is handed on when it is dead"
                          : std::string("; could not be killed: ") + std::strerror(errno);
    } else {
        text += "; waiting";
    }
    messages_.say(Severity::warning, text);
}

void Service::end_if_nobody_is_left() {
    if (!members_.empty() || ever_ == 0 || protocol_.phase() != Phase::open) return;
    const bool is_stream = options_.epoch_records == 0;
    if (!is_stream && protocol_.is_all_settled(settled_below_)) return;  // ends by itself
    if (is_stream && vacancies_ == 0 && ever_ >= options_.producers) {
        drain(false);
    } else if (Clock::now() - alone_since_ >= options_.linger) {
        messages_.say(Severity::error,
                      "ring \"" + options_.name + "\": no producer is left, and none came within " +
                          std::to_string(options_.linger.count()) +
                          " ms: the data ends incomplete");
        drain(true);
    }
}

void Service::drain(bool incomplete) {
    // In this order: whoever sees the phase sees whether the data is complete, and whoever is woken
    // finds no index that nobody will ever claim.
    protocol_.control().incomplete.store(incomplete ? 1 : 0);
    if (options_.epoch_records == 0) protocol_.bury_returned();
    protocol_.set_phase(Phase::drain);
}

}  // namespace headrace::ring
