#include "process/storm_nursery.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>

#include "process/storm_content.hpp"
#include "process/storm_producer.hpp"

namespace headrace::process_storm {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::microseconds;

bool put(const std::string& path, const char* text) {
    const int file = open(path.c_str(), O_WRONLY | O_CLOEXEC);
    const auto size = static_cast<ssize_t>(std::strlen(text));
    const bool done = file >= 0 && write(file, text, static_cast<std::size_t>(size)) == size;
    if (file >= 0) close(file);
    return done;
}

// One round, in the nursery's process.
class Storm {
  public:
    Storm(const Plan& plan, Board& board, const sigset_t& child_died)
        : plan_(plan), board_(board), child_died_(child_died), random_(scatter(~plan.seed)) {
        const Clock::time_point now = Clock::now();
        for (std::uint32_t i = 0; i < plan_.seats; ++i) occupants_[i].starts_at = now;
        next_kill_ = now + gap(plan_.kill_gap_us);
        next_stop_ = now + gap(plan_.stop_gap_us);
        next_freeze_ = now + gap(kFreezeGap);
    }

    void run() {
        for (;;) {
            reap();
            const bool calm = board_.calm.load();
            if (!start_whoever_is_due(calm)) break;
            if (calm) {
                let_all_go_on();
            } else {
                do_harm();
            }
            sleep();
        }
        board_.tally = tally_;
        board_.deaths_logged = logged_;
    }

  private:
    static constexpr std::uint32_t kFreezeGap = 100'000, kFrozen = 30'000;

    struct Occupant {
        pid_t pid = 0;  // 0: empty
        bool is_done = false;
        bool is_shot = false;  // by us
        bool is_stopped = false;
        std::uint64_t lives = 0;
        Clock::time_point starts_at{}, goes_on_at{};
    };

    microseconds gap(std::uint32_t mean_us) {
        if (mean_us == 0) return std::chrono::hours(24);
        std::exponential_distribution<double> gaps(1.0 / mean_us);
        return microseconds(static_cast<std::int64_t>(gaps(random_)));
    }

    // Of those that died, stopped or were let go on.
    void reap() {
        for (;;) {
            int status = 0;
            const pid_t pid = waitpid(-1, &status, WNOHANG | WUNTRACED);
            if (pid <= 0) return;
            std::uint32_t number = 0;
            while (number < plan_.seats && occupants_[number].pid != pid) ++number;
            if (number == plan_.seats) continue;
            if (WIFSTOPPED(status)) {
                note_stop(occupants_[number]);
            } else {
                note_end(number, status);
            }
        }
    }
    void note_stop(Occupant& occupant) {
        if (occupant.is_stopped) return;  // by us, and counted
        ++tally_.stops;
        occupant.is_stopped = true;
        occupant.goes_on_at = Clock::now() + gap(plan_.stopped_us);
    }
    void note_end(std::uint32_t number, int status) {
        Occupant& occupant = occupants_[number];
        if (WIFSIGNALED(status)) {
            note_death(number, WTERMSIG(status));
        } else {
            switch (WEXITSTATUS(status)) {
                case kLeft: break;
                case kEnded: occupant.is_done = true; break;
                case kRefused: ++tally_.refused; break;
                default:
                    board_.complain("a producer ended with status " +
                                    std::to_string(WEXITSTATUS(status)));
            }
        }
        occupant.pid = 0;
        occupant.is_shot = occupant.is_stopped = false;
        occupant.starts_at = Clock::now() + gap(plan_.restart_after_us);
        Seat& seat = board_.seats[number];
        seat.stage = Stage::nobody;
        seat.kills_itself = false;
        for (auto& word : seat.held) word = HeldIndex::none();
    }
    void note_death(std::uint32_t number, int signal) {
        const Occupant& occupant = occupants_[number];
        const Seat& seat = board_.seats[number];
        if (signal != SIGKILL) {
            board_.complain("a producer was ended by signal " + std::to_string(signal));
        }
        if (occupant.is_shot) {
            ++tally_.kills;
        } else if (seat.kills_itself.load()) {
            ++tally_.suicides;
        } else {
            ++tally_.by_kernel;
            if (plan_.place != Place::tight_memory) {
                board_.complain("a producer was killed by somebody else");
            }
        }
        board_.deaths_so_far.fetch_add(1);
        Death& death = board_.deaths[logged_];
        death.pid = occupant.pid;
        death.stage = seat.stage.load();
        for (std::uint32_t i = 0; i < kMostHeld; ++i) death.held[i] = seat.held[i].load();
        // The log is longer than any round; should one fill it, that is the end of its storm.
        if (logged_ + kMostSeats < kMostDeaths) ++logged_;
        if (logged_ + 2 * kMostSeats >= kMostDeaths) board_.calm = true;
    }

    // False when nobody is here nor will come.
    bool start_whoever_is_due(bool calm) {
        bool anybody = false;
        for (std::uint32_t i = 0; i < plan_.seats; ++i) {
            Occupant& occupant = occupants_[i];
            if (occupant.pid != 0) {
                anybody = true;
            } else if (!occupant.is_done && !board_.over.load()) {
                anybody = true;
                if (calm || Clock::now() >= occupant.starts_at) start(i);
            }
        }
        return anybody;
    }
    void start(std::uint32_t number) {
        Occupant& occupant = occupants_[number];
        const std::uint64_t life = number + kMostSeats * ++occupant.lives;
        const pid_t parent = getpid();
        const pid_t pid = fork();
        if (pid < 0) {  // for want of memory, perhaps; later
            occupant.starts_at = Clock::now() + std::chrono::milliseconds(5);
            return;
        }
        if (pid == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            if (getppid() != parent) _exit(kEnded);
            _exit(be_producer(number, life));
        }
        occupant.pid = pid;
        if (occupant.lives > 1) ++tally_.restarts;
    }
    int be_producer(std::uint32_t number, std::uint64_t life) {
        sigprocmask(SIG_UNBLOCK, &child_died_, nullptr);
        if (plan_.place == Place::tight_memory) {
            put("/proc/self/oom_score_adj", "1000");  // rather these than the trainer
        }
        const bool enters =
            plan_.place == Place::tight_memory || (plan_.place == Place::frozen && number % 2 == 0);
        if (enters && !put(std::string(plan_.group.data()) + "/cgroup.procs", "0")) {
            board_.complain("a producer could not enter its control group");
            return kViolation;
        }
        return live(plan_, board_, board_.seats[number], life);
    }

    void do_harm() {
        const Clock::time_point now = Clock::now();
        for (Occupant& occupant : occupants_) {
            if (occupant.is_stopped && now >= occupant.goes_on_at) go_on(occupant);
        }
        // A nursery that was kept waiting does not make up for it.
        if (now >= next_kill_) {
            kill_somebody();
            next_kill_ = now + gap(plan_.kill_gap_us);
        }
        if (now >= next_stop_) {
            stop_somebody();
            next_stop_ = now + gap(plan_.stop_gap_us);
        }
        if (plan_.place == Place::frozen && now >= next_freeze_) {
            set_frozen(!is_frozen_);
            next_freeze_ = now + gap(is_frozen_ ? kFrozen : kFreezeGap);
        }
    }
    // One that is attached, rather: before that there is little to break.
    std::optional<std::uint32_t> pick() {
        for (int attempt = 0; attempt < 8; ++attempt) {
            const auto number = static_cast<std::uint32_t>(random_() % plan_.seats);
            if (occupants_[number].pid == 0 || occupants_[number].is_shot) continue;
            const Stage stage = board_.seats[number].stage.load();
            if (stage == Stage::nobody && attempt < 7) continue;
            if (stage == Stage::attaching && attempt < 4 && random_() % 4 != 0) continue;
            return number;
        }
        return std::nullopt;
    }
    void kill_somebody() {
        const auto number = pick();
        if (!number) return;
        occupants_[*number].is_shot = true;
        kill(occupants_[*number].pid, SIGKILL);
    }
    void stop_somebody() {
        const auto number = pick();
        if (!number || occupants_[*number].is_stopped) return;
        Occupant& occupant = occupants_[*number];
        occupant.is_stopped = true;
        occupant.goes_on_at = Clock::now() + gap(plan_.stopped_us);
        ++tally_.stops;
        kill(occupant.pid, SIGSTOP);
    }
    void go_on(Occupant& occupant) {
        occupant.is_stopped = false;
        ++tally_.continues;
        kill(occupant.pid, SIGCONT);
    }
    void let_all_go_on() {
        for (Occupant& occupant : occupants_) {
            if (occupant.is_stopped) go_on(occupant);
        }
        if (is_frozen_) set_frozen(false);
        if (plan_.place == Place::tight_memory && !std::exchange(is_loosened_, true)) {
            const std::string group = plan_.group.data();
            if (!put(group + "/memory.max", "max") &&
                !put(group + "/memory.limit_in_bytes", "-1")) {
                board_.complain("the limit of memory could not be taken away");
            }
        }
    }
    void set_frozen(bool frozen) {
        if (!put(std::string(plan_.group.data()) + "/cgroup.freeze", frozen ? "1" : "0")) {
            board_.complain("the group could not be frozen");
            return;
        }
        is_frozen_ = frozen;
        if (frozen) ++tally_.freezes;
    }

    // Until something is due or a child dies; the harness is looked at every few milliseconds.
    void sleep() {
        Clock::time_point until = Clock::now() + std::chrono::milliseconds(5);
        if (!board_.calm.load()) {
            until = std::min({until, next_kill_, next_stop_});
            for (std::uint32_t i = 0; i < plan_.seats; ++i) {
                const Occupant& occupant = occupants_[i];
                if (occupant.is_stopped) until = std::min(until, occupant.goes_on_at);
                if (occupant.pid == 0 && !occupant.is_done)
                    until = std::min(until, occupant.starts_at);
            }
        }
        const auto wait = std::max<Clock::duration>(until - Clock::now(), Clock::duration(0));
        const timespec timeout{0, std::chrono::nanoseconds(wait).count()};
        sigtimedwait(&child_died_, nullptr, &timeout);
    }

    const Plan& plan_;
    Board& board_;
    const sigset_t& child_died_;
    std::mt19937_64 random_;
    std::array<Occupant, kMostSeats> occupants_{};
    Clock::time_point next_kill_, next_stop_, next_freeze_;
    bool is_frozen_ = false, is_loosened_ = false;
    Tally tally_;
    std::uint32_t logged_ = 0;
};

// The nursery's whole life: a plan comes, the storm is made, an answer goes.
[[noreturn]] void be_nursery(int socket, Board& board) {
    sigset_t child_died;
    sigemptyset(&child_died);
    sigaddset(&child_died, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child_died, nullptr);
    Plan plan;
    while (recv(socket, &plan, sizeof plan, 0) == sizeof plan) {
        Storm(plan, board, child_died).run();
        const char done = 1;
        if (send(socket, &done, 1, MSG_NOSIGNAL) != 1) break;
    }
    _exit(0);
}

}  // namespace

Nursery::Nursery(std::shared_ptr<Board> board) : board_(std::move(board)) {
    int sockets[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0) {
        throw std::system_error(errno, std::generic_category(), "socketpair");
    }
    const pid_t parent = getpid();
    pid_ = fork();
    if (pid_ < 0) throw std::system_error(errno, std::generic_category(), "fork");
    if (pid_ == 0) {
        close(sockets[0]);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent) _exit(0);
        be_nursery(sockets[1], *board_);
    }
    close(sockets[1]);
    socket_ = sockets[0];
}

Nursery::~Nursery() {
    close(socket_);
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
}

void Nursery::begin(const Plan& plan) {
    if (send(socket_, &plan, sizeof plan, MSG_NOSIGNAL) != sizeof plan) {
        throw std::runtime_error("the nursery of the storm's producers is gone");
    }
}

void Nursery::wait() {
    char done = 0;
    if (recv(socket_, &done, 1, 0) != 1) {
        throw std::runtime_error("the nursery of the storm's producers is gone");
    }
}

}  // namespace headrace::process_storm
