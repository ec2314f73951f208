// In each turn of the ring's: a producer attaches, claims the next record and holds it; a second
// one fills the rest of the ring and falls asleep for want of a place; the consumer falls asleep
// waiting for the record held. Then the first is killed. What has to happen: the kernel takes the
// process down and its pidfd tells; the trainer's service thread wakes, gives the record back and
// wakes everybody; the survivor wakes, claims the record, writes it and publishes it; the consumer
// wakes. So the kernel alone takes the pidfd's time and that of two futex wake-ups, from one
// process to another and back.
//
// Inside the timer: from just before kill() to Consumer::get() returning, on its own thread.
// Outside: starting the producer, falling asleep, checking the record's bytes, draining the ring.
#include "proof_death.hpp"

#include <poll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>

#include "headrace/error.hpp"
#include "proof_part.hpp"
#include "ring/platform.hpp"
#include "ring/ring_core.hpp"

namespace headrace::bench {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint32_t kSlots = 8;
constexpr std::chrono::seconds kPatience{30};

double us_between(Clock::time_point from, Clock::time_point to) {
    return std::chrono::duration<double, std::micro>(to - from).count();
}

void await(const char* what, const std::function<bool()>& condition) {
    const Clock::time_point deadline = Clock::now() + kPatience;
    while (!condition()) {
        if (Clock::now() > deadline) throw SystemError(std::string("never came: ") + what);
        std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
}

// Announced is not yet asleep: a moment for the step in between.
void let_them_sleep() {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
}

// A consumer on a thread of its own, which notes when each record came.
class Taker {
  public:
    explicit Taker(Ring& ring)
        : ring_(ring), consumer_(ring.consumer()), thread_([this] { take(); }) {}
    ~Taker() {
        ring_.close();
        thread_.join();
    }
    Taker(const Taker&) = delete;
    Taker& operator=(const Taker&) = delete;

    // The record `index` came back once, all others never did.
    void expect_back(std::uint64_t index) {
        const std::lock_guard lock(mutex_);
        came_back_ = index;
    }
    // When it came.
    Clock::time_point wait_for(std::uint64_t index) {
        std::unique_lock lock(mutex_);
        if (!changed_.wait_for(lock, kPatience, [&] { return next_ > index || !fault_.empty(); })) {
            throw SystemError("record " + std::to_string(index) + " never came");
        }
        if (!fault_.empty()) throw SystemError(fault_);
        return came_at_[index % kSlots];
    }

  private:
    void take() {
        try {
            while (auto record = consumer_.get()) note(*record, Clock::now());
        } catch (const Error& error) {
            const std::lock_guard lock(mutex_);
            fault_ = error.what();
        }
        changed_.notify_all();
    }
    void note(const RecordLease& record, Clock::time_point now) {
        const std::lock_guard lock(mutex_);
        const bool came_back = record.index() == came_back_;
        if (record.index() != next_ || !is_as_written(record, came_back ? 1 : 0)) {
            fault_ = "record " + std::to_string(next_) + " is not what it had to be";
        }
        came_at_[next_++ % kSlots] = now;
        changed_.notify_all();
    }

    Ring& ring_;
    Consumer consumer_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::uint64_t next_ = 0, came_back_ = 0;
    Clock::time_point came_at_[kSlots]{};
    std::string fault_;
    std::thread thread_;
};

class RingTurns {
  public:
    explicit RingTurns(const std::string& directory)
        : directory_(directory),
          ring_(Ring::create(ring_of("deaths", directory, kSlots))),
          taker_(ring_),
          survivor_({"survivor", "deaths", directory}) {
        survivor_.hear();
    }

    double measure() {
        const std::uint64_t held = next_;
        next_ += kSlots;
        taker_.expect_back(held);
        Part holder({"holder", "deaths", directory_});
        holder.hear();
        survivor_.tell();
        const ring::Control& control = ring_.shared_core()->protocol().control();
        await("sleep", [&] {
            return ring_.stats().ready == kSlots - 1 && control.wanted.load() == held &&
                   control.producers_asleep.load() != 0;
        });
        let_them_sleep();
        const Clock::time_point killed = Clock::now();
        holder.kill();
        const Clock::time_point came = taker_.wait_for(held);
        survivor_.hear();
        taker_.wait_for(next_ - 1);
        return us_between(killed, came);
    }
    std::uint64_t alarms() const { return ring_.stats().alarms; }

  private:
    std::string directory_;
    Ring ring_;
    Taker taker_;
    Part survivor_;
    std::uint64_t next_ = 0;
};

double pidfd_time() {
    Part bystander({"bystander"});
    bystander.hear();
    const ring::UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, bystander.pid(), 0)));
    if (!pidfd) throw SystemError("pidfd_open");
    let_them_sleep();
    pollfd death{pidfd.get(), POLLIN, 0};
    const Clock::time_point killed = Clock::now();
    bystander.kill();
    if (::poll(&death, 1, -1) != 1) throw SystemError("poll of a pidfd");
    return us_between(killed, Clock::now());
}

class Hops {
  public:
    Hops()
        : memory_(::memfd_create("proof", MFD_CLOEXEC)),
          words_((grow(memory_.get()), map_echo(memory_.get()))),
          echo_({"echo"}, memory_.get()) {
        echo_.hear();
    }

    double measure() {
        const std::uint32_t before = words_.answer.load();
        Clock::time_point woken;
        std::atomic<bool> is_waiting{false};
        std::thread waiting([&] {
            is_waiting = true;
            while (words_.answer.load() == before) {
                ring::SystemPlatform::futex_wait(words_.answer, before, kPatience);
            }
            woken = Clock::now();
        });
        await("sleep", [&] { return is_waiting.load(); });
        let_them_sleep();
        const Clock::time_point called = Clock::now();
        words_.call.fetch_add(1);
        ring::SystemPlatform::futex_wake_all(words_.call);
        waiting.join();
        return us_between(called, woken);
    }

  private:
    static void grow(int memory) {
        if (memory < 0 || ::ftruncate(memory, sizeof(EchoWords)) != 0) throw SystemError("memfd");
    }

    ring::UniqueFd memory_;
    EchoWords& words_;
    Part echo_;
};

}  // namespace

DeathTimes measure_deaths(const std::string& directory, std::uint64_t turns) {
    DeathTimes times;
    RingTurns ring(directory);
    Hops hops;
    try {
        for (std::uint64_t turn = 0; turn < turns; ++turn) {
            times.to_progress.push_back(ring.measure());
            times.to_pidfd.push_back(pidfd_time());
            times.two_hops.push_back(hops.measure());
        }
    } catch (const SystemError& error) {
        times.fault = error.what();
    }
    times.alarms = ring.alarms();
    return times;
}

}  // namespace headrace::bench
