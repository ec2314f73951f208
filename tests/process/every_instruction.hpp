// The scene of the tests that kill or stop a producer at every instruction: a small ring with a
// consumer that sleeps and a survivor that goes on, and the judgement of how it went on.
//
// Owned and used by one test; its two threads are its own.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <latch>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "headrace/ring.hpp"
#include "process/stepped.hpp"
#include "ring/protocol.hpp"

namespace headrace {

// Nothing that is waited for takes as long, on however busy a machine.
inline constexpr std::chrono::seconds kDeadline{20};

// At every so many-th instruction. Without optimisation there are several times as many, and the
// time goes by their square.
#ifdef __OPTIMIZE__
inline constexpr std::uint64_t kStride = 1;
#else
inline constexpr std::uint64_t kStride = 8;
#endif

// Waits for a condition, which comes about in less than a millisecond, and that a thousand times.
// Throws std::runtime_error that says what was wanted.
void await(const char* wanted, const std::function<bool()>& condition);

// A thread of this process.
bool is_asleep(pid_t thread);

class Scene {
  public:
    static constexpr std::uint32_t kSlots = 4;

    Scene(const std::string& directory, std::uint64_t records);
    ~Scene();
    Scene(const Scene&) = delete;
    Scene& operator=(const Scene&) = delete;

    // Whose the first record is. It is the victim's to claim: the survivor has not begun.
    enum class First { unclaimed, held_by_victim, settled };
    First first() const;

    // These throw std::runtime_error when it does not come about.
    void await_sleeping_consumer();
    // Lets the survivor go on as far as it can: until it sleeps, or has come to the end.
    void release_survivor();
    // The consumer has come to the end.
    void await_end();
    // All slots but the first are published, and the consumer still waits for that one.
    void await_all_but_first();

    // What the ring looks like when everybody has ended who is still there; what is wrong with it
    // comes as text, or "".
    struct Judgement {
        std::string wrong;
        std::uint64_t alarms = 0;
    };
    struct Wanted {
        signed_record::Writer first;               // who wrote record 0; nobody: it is a hole
        std::optional<std::uint64_t> deaths = {};  // empty: it may not have been let in yet
    };
    Judgement judge(const Wanted& wanted);

    // Claims of record 0 by the survivor so far.
    std::uint64_t survivor_took_first() const { return took_first_.load(); }

  private:
    struct Delivered {
        std::uint64_t index;
        signed_record::Writer writer;
    };
    void consume();
    void survive(Producer producer);
    void say(const std::string& what);
    std::string wrong_order(const Wanted& wanted);
    std::string wrong_books(const Stats& stats, const Wanted& wanted) const;

    std::uint64_t records_;
    Ring ring_;
    ring::Protocol& protocol_;
    mutable std::mutex mutex_;
    std::vector<Delivered> delivered_;
    std::string said_;
    std::atomic<std::uint64_t> delivered_count_{0}, took_first_{0};
    std::atomic<bool> survivor_ended_{false}, consumer_ended_{false};
    std::atomic<pid_t> consumer_thread_{0}, survivor_thread_{0};
    std::latch start_{1};
    bool released_ = false;
    std::thread consumer_, survivor_;
};

// What went wrong at which places. Prints how many places there were.
class Places {
  public:
    explicit Places(std::string what) : what_(std::move(what)) {}
    // An alarm is a wake-up that nobody gave; or the machine was so busy that half a second went by
    // between two instructions. So it counts when it comes at the same place three times in a row.
    void try_at(std::uint64_t place, const std::function<Scene::Judgement()>& run);
    void note(std::uint64_t place, const std::string& wrong);
    bool is_enough() const { return failed_ >= kMostFailures; }
    // Call at the end: fails the test with the first few, if there were any, and when there were
    // fewer places than the work can possibly have.
    void report(std::uint64_t fewest, const std::string& remark);

  private:
    static constexpr std::uint64_t kMostFailures = 5;  // each may take all of kDeadline
    std::string what_, first_few_;
    std::uint64_t tried_ = 0, failed_ = 0, repeated_ = 0;
};

}  // namespace headrace
