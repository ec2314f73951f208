#include "proof_idle.hpp"

#include <pthread.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <list>
#include <map>
#include <thread>

#include "headrace/error.hpp"
#include "headrace/loader.hpp"
#include "proof_part.hpp"

namespace headrace::bench {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint32_t kSlots = 16;

struct Cost {
    std::string name;
    std::uint64_t wakeups = 0;
    std::uint64_t cpu_ns = 0;
};

// By the path of the thread's folder in /proc.
using Costs = std::map<std::string, Cost>;

Cost cost_of(const std::filesystem::path& thread) {
    Cost cost;
    std::getline(std::ifstream(thread / "comm"), cost.name);
    std::ifstream(thread / "schedstat") >> cost.cpu_ns;  // on a processor, in nanoseconds
    std::ifstream status(thread / "status");
    for (std::string key; status >> key;) {
        if (key == "voluntary_ctxt_switches:") status >> cost.wakeups;
    }
    return cost;
}

void add_threads(pid_t pid, Costs& costs) {
    const std::filesystem::path threads = "/proc/" + std::to_string(pid) + "/task";
    for (const auto& thread : std::filesystem::directory_iterator(threads)) {
        costs[thread.path()] = cost_of(thread.path());
    }
}

// Of the producers, and of this process all threads but the one that looks.
Costs costs_now(const std::list<Part>& producers) {
    Costs costs;
    for (const Part& producer : producers) add_threads(producer.pid(), costs);
    for (auto& [path, cost] : costs) cost.name = "producer";
    Costs own;
    add_threads(::getpid(), own);
    own.erase("/proc/" + std::to_string(::getpid()) + "/task/" + std::to_string(::getpid()));
    costs.merge(own);
    return costs;
}

IdleRing look_at(const std::string& what, const std::list<Part>& producers, double seconds) {
    // Until all have fallen asleep, and what they woke for at their start is over.
    std::this_thread::sleep_for(std::chrono::seconds(1));
    const Clock::time_point began = Clock::now();
    const Costs before = costs_now(producers);
    std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
    const Costs after = costs_now(producers);
    IdleRing idle{what, std::chrono::duration<double>(Clock::now() - began).count(), {}};
    for (const auto& [path, cost] : after) {
        const Cost& was = before.at(path);
        idle.sleepers.push_back(
            {cost.name, static_cast<double>(cost.wakeups - was.wakeups) / idle.seconds,
             static_cast<double>(cost.cpu_ns - was.cpu_ns) / 1e3 / idle.seconds});
    }
    return idle;
}

void start(std::list<Part>& parts, const char* part, const std::string& directory, unsigned count) {
    for (unsigned i = 0; i < count; ++i) {
        parts.emplace_back(std::vector<std::string>{part, "idle", directory}).hear();
    }
}

// A thread of a name that works until the ring is closed.
class Named {
  public:
    Named(Ring& ring, const char* name, std::function<void()> work)
        : ring_(ring), thread_([work = std::move(work)] {
              try {
                  work();
              } catch (const Error&) {  // the ring's end, as good as any
              }
          }) {
        ::pthread_setname_np(thread_.native_handle(), name);
    }
    ~Named() {
        ring_.close();
        thread_.join();
    }
    Named(const Named&) = delete;
    Named& operator=(const Named&) = delete;

  private:
    Ring& ring_;
    std::thread thread_;
};

Ring make_ring(const std::string& directory) {
    return Ring::create(ring_of("idle", directory, kSlots));
}

IdleRing full(const std::string& directory, unsigned producers, double seconds) {
    Ring ring = make_ring(directory);
    std::list<Part> asleep;
    start(asleep, "filler", directory, producers);
    return look_at("full", asleep, seconds);
}

IdleRing empty(const std::string& directory, double seconds) {
    Ring ring = make_ring(directory);
    std::list<Part> holders;
    start(holders, "holder", directory, 1);
    Consumer consumer = ring.consumer();
    const Named taker(ring, "consumer", [&] { consumer.get(); });
    return look_at("empty", {}, seconds);
}

IdleRing held(const std::string& directory, unsigned producers, double seconds) {
    Ring ring = make_ring(directory);
    std::list<Part> holders, asleep;
    start(holders, "holder", directory, 1);
    start(asleep, "filler", directory, producers);
    Consumer consumer = ring.consumer();
    const Named taker(ring, "consumer", [&] { consumer.get(); });
    return look_at("held", asleep, seconds);
}

IdleRing with_loader(const std::string& directory, unsigned producers, double seconds) {
    Ring ring = make_ring(directory);
    std::list<Part> holders, asleep;
    start(holders, "holder", directory, 1);
    start(asleep, "filler", directory, producers);
    Loader loader(ring, {.batch = kSlots / 2});
    const Named trainer(ring, "trainer", [&] { loader.next(); });
    return look_at("loader", asleep, seconds);
}

}  // namespace

std::vector<IdleRing> measure_idle(const std::string& directory, unsigned producers,
                                   double seconds) {
    return {full(directory, producers, seconds), empty(directory, seconds),
            held(directory, producers, seconds), with_loader(directory, producers, seconds)};
}

}  // namespace headrace::bench
