// The trainer's service thread: answers whoever attaches, learns of deaths by pidfd, hands on what
// the dead were writing or had taken, reports producers that stall, and ends a ring whose producers
// are gone.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "headrace/ring.hpp"
#include "ring/messages.hpp"
#include "ring/protocol.hpp"
#include "ring/rendezvous.hpp"
#include "ring/unique_fd.hpp"

namespace headrace::ring {

// What an epoll event of the service is about: the kind above, a producer or a descriptor below.
namespace service_key {
enum class Kind : std::uint32_t { bell, listener, stranger, member_socket, member_death };

constexpr std::uint64_t of(Kind kind, std::uint32_t value = 0) {
    return std::uint64_t{static_cast<std::uint32_t>(kind)} << 32 | value;
}
constexpr std::uint64_t of(Kind kind, Owner owner) {
    return of(kind, owner.incarnation << 8 | owner.id);
}
constexpr Owner owner_in(std::uint32_t value) {
    return {value & 0xff, value >> 8};
}
}  // namespace service_key

class Service {
  public:
    // All arguments outlive the service. `memory` is the ring's file; `listener` is its socket.
    Service(Protocol& protocol, const RingOptions& options, Messages& messages, int memory,
            std::uint64_t memory_bytes, int listener);
    ~Service();
    Service(const Service&) = delete;
    Service& operator=(const Service&) = delete;

    // A producer in this process, or a consumer that shares. Throws SystemError when the ring has
    // ended or is full.
    Owner enlist(const std::string& identity, Role role);
    void discharge(Owner owner, bool left);
    // Around a reset: those who have gone, perhaps because all was done, are missed from now on.
    void restart();
    // Who is attached now, for people: "producer 1 (actor, pid 12), producer 4 (thread, pid 7)".
    std::string attached();

  private:
    using Clock = std::chrono::steady_clock;
    struct Member {
        Owner owner{};
        Role role = Role::producer;
        std::int64_t pid = 0;  // as it sees itself
        std::string identity;
        bool is_elsewhere = false;  // in another pid namespace: its pid says nothing here
        UniqueFd socket, pidfd;     // none in this process
        bool took_vacancy = false;  // came after a death: takes the place of the dead
    };
    struct Held {  // a slot that is being written, and since when
        std::uint64_t word = 0;
        Clock::time_point since{};
        bool reported = false;
    };

    void run();
    void handle(std::uint64_t what);
    void kick() noexcept;
    void accept_one();
    void hear_stranger(int fd);
    // Takes the socket only when the producer is admitted.
    void welcome(UniqueFd&& socket, const Hello& hello, std::vector<UniqueFd> fds);
    void refuse(int socket, const std::string& why);
    std::string reason_to_refuse(int socket, const Hello& hello, const std::vector<UniqueFd>& fds);
    void hear_member(Owner owner);
    std::string reason_to_end(Role role) const;
    // `incarnation` guards against news of one that had the id before.
    void bury(Owner owner, ProducerState how);
    // As if it had never been admitted.
    void withdraw(Owner owner);
    void forget_descriptors(const Member& member);
    void note_departure(const Member& member, ProducerState how, const Reaped& reaped);
    MemberCell& cell_of(const Member& member) const noexcept;
    void look_for_stalls();
    void report_stall(std::uint64_t word, std::chrono::milliseconds held);
    void end_if_nobody_is_left();
    void drain(bool incomplete);
    int milliseconds_to_next_look();
    std::chrono::milliseconds stall_tick() const;
    void watch(int fd, std::uint64_t what);

    Member& admit(std::int64_t pid, const std::string& identity, Role role);
    void clear_cell(const Member& member) noexcept;
    std::string name_of_member(const Member& member) const;
    std::string list_members() const;

    Protocol& protocol_;
    const RingOptions& options_;
    Messages& messages_;
    int memory_;
    std::uint64_t memory_bytes_;
    int listener_;
    UniqueFd epoll_, bell_;  // the bell makes the thread look again
    std::atomic<bool> stopping_{false};

    mutable std::mutex
        mutex_;  // everything below: enlist() and discharge() come from other threads
    std::map<std::uint32_t, Member> members_;
    std::map<int, UniqueFd> strangers_;  // connected, but silent so far
    std::uint32_t last_id_ = 0;
    std::array<std::uint32_t, kOwners> incarnations_{};
    std::size_t producers_here_ = 0;  // of the members; the others are consumers
    std::uint64_t ever_ = 0;          // producers ever admitted
    std::uint64_t vacancies_ = 0;     // deaths that nobody has replaced
    Clock::time_point alone_since_{};
    std::uint64_t settled_below_ = 0;
    std::vector<Held> held_;
    Clock::time_point next_stall_look_{};
    std::thread thread_;
};

}  // namespace headrace::ring
