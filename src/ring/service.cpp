#include "ring/service.hpp"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "headrace/error.hpp"
#include "ring/quiet_thread.hpp"

namespace headrace::ring {

using service_key::Kind;

namespace {

// What came of it, for the end of a report.
std::string kill_by(int pidfd) {
    if (syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, nullptr, 0) == 0) {
        return "; killed, its record is handed on when it is dead";
    }
    // Signals go to one's own pid namespace and down from there, never sideways or up.
    if (errno == EINVAL) {
        return "; cannot be killed from here: it runs in another pid namespace, kill it by its "
               "name or container; waiting";
    }
    return std::string("; could not be killed: ") + std::strerror(errno) + "; waiting";
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
      bell_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      held_(options.slots) {
    if (!epoll_ || !bell_) {
        throw SystemError("ring \"" + options.name + "\": epoll: " + std::strerror(errno));
    }
    watch(bell_.get(), service_key::of(Kind::bell));
    watch(listener_, service_key::of(Kind::listener));
    thread_ = quiet_thread("headrace-svc", [this] { run(); });
}

Service::~Service() {
    stopping_.store(true);
    kick();
    thread_.join();
}

void Service::kick() noexcept {
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = write(bell_.get(), &one, sizeof(one));
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
    while (!stopping_.load()) {
        epoll_event event{};
        const int count = epoll_wait(epoll_.get(), &event, 1, milliseconds_to_next_look());
        const std::lock_guard lock(mutex_);
        try {
            if (count == 1) handle(event.data.u64);
            look_for_stalls();
            end_if_nobody_is_left();
        } catch (const std::exception& error) {
            // Out of memory or descriptors: whoever came is turned away, the ring goes on.
            messages_.say(Severity::error, error.what());
        }
    }
}

void Service::handle(std::uint64_t what) {
    const auto value = static_cast<std::uint32_t>(what);
    switch (static_cast<Kind>(what >> 32)) {
        case Kind::bell: {
            std::uint64_t rung = 0;
            [[maybe_unused]] const ssize_t got = read(bell_.get(), &rung, sizeof(rung));
            break;
        }
        case Kind::listener: accept_one(); break;
        case Kind::stranger: hear_stranger(static_cast<int>(value)); break;
        case Kind::member_socket: hear_member(service_key::owner_in(value)); break;
        case Kind::member_death: bury(service_key::owner_in(value), ProducerState::died); break;
    }
}

// ---- stalls and the end ----

int Service::milliseconds_to_next_look() {
    const std::lock_guard lock(mutex_);
    std::int64_t wait = -1;
    if (options_.stall.report_after.count() > 0 && producers_here_ != 0) {
        wait = stall_tick().count();
    }
    if (producers_here_ == 0 && ever_ > 0 && protocol_.phase() == Phase::open &&
        !protocol_.is_all_settled(settled_below_)) {
        wait = std::clamp<std::int64_t>(options_.linger.count() / 4, 10, 1000);
    }
    return static_cast<int>(wait);
}

std::chrono::milliseconds Service::stall_tick() const {
    return std::clamp(options_.stall.report_after / 4, std::chrono::milliseconds(10),
                      std::chrono::milliseconds(1000));
}

void Service::look_for_stalls() {
    if (options_.stall.report_after.count() <= 0) return;
    const Clock::time_point now = Clock::now();
    if (now < next_stall_look_) return;  // it walks all slots: not at every event
    next_stall_look_ = now + stall_tick() / 2;
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
    if (found == members_.end() || found->second.owner.incarnation != incarnation_of(word)) {
        messages_.say(Severity::warning, "ring \"" + options_.name + "\": " + record +
                                             " held by producer " + std::to_string(owner_of(word)) +
                                             ", who is not attached; attached: " + list_members());
        return;
    }
    const Member& member = found->second;
    std::string text = name_of_member(member) + " holds " + record;
    if (options_.stall.action == StallPolicy::Action::kill && member.pidfd) {
        text += kill_by(member.pidfd.get());
    } else {
        text += "; waiting";
    }
    messages_.say(Severity::warning, text);
}

void Service::end_if_nobody_is_left() {
    if (producers_here_ != 0 || ever_ == 0 || protocol_.phase() != Phase::open) return;
    const bool is_stream = options_.epoch_records == 0;
    if (!is_stream && protocol_.is_all_settled(settled_below_)) return;  // ends by itself
    if (is_stream && vacancies_ == 0 && ever_ >= options_.producers) {
        drain(false);
    } else if (Clock::now() - alone_since_ >= options_.linger) {
        messages_.say(Severity::error, "ring \"" + options_.name +
                                           "\": no producer is left, and none came within " +
                                           std::to_string(options_.linger.count()) +
                                           " ms: the data ends incomplete");
        drain(true);
    }
}

void Service::drain(bool incomplete) {
    // In this order: whoever sees the phase sees whether the data is complete, and whoever is woken
    // finds no index that nobody will ever claim. An incomplete ring with a sampler keeps its gaps,
    // so that a run resumed from its state meets them again, unless the end is to be an ordinary
    // one.
    const Incomplete how = options_.allow_incomplete ? Incomplete::allowed : Incomplete::error;
    protocol_.control().incomplete.store(
        static_cast<std::uint32_t>(incomplete ? how : Incomplete::no));
    const bool is_stream = options_.epoch_records == 0;
    if (is_stream || options_.allow_incomplete) protocol_.bury_returned();
    if (!protocol_.set_phase_if_open(Phase::drain)) protocol_.control().incomplete.store(0);
}

}  // namespace headrace::ring
