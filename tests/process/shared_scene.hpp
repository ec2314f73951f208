// The scene of the tests that kill or stop a consumer at every instruction: a small ring that
// consumers share, a producer that sleeps before it when it is full, another consumer, and the
// judgement of what became of the records.
//
// Owned and used by one test; its two threads are its own.
#pragma once

#include <atomic>
#include <cstdint>
#include <latch>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "headrace/ring.hpp"
#include "process/every_instruction.hpp"
#include "ring/protocol.hpp"

namespace headrace {

class SharedScene {
  public:
    static constexpr std::uint32_t kSlots = 4;

    // `hole`: record 0 is one.
    SharedScene(const std::string& directory, std::uint64_t records, bool hole);
    ~SharedScene();
    SharedScene(const SharedScene&) = delete;
    SharedScene& operator=(const SharedScene&) = delete;

    // These throw std::runtime_error when it does not come about.
    //
    // All slots are settled, and the producer sleeps or has nothing left to do.
    void await_full_ring();
    // Lets the other consumer take what it can: until it sleeps, or has come to the end.
    void release_other();
    // It has come to the end.
    void await_end();
    // A third one takes the oldest record that it can have and gives it back, takes the next one,
    // and goes with that. Returns the first as a bit.
    std::uint64_t take_and_go();

    // What the victim has of the first lap, as bits of indices.
    struct Hands {
        std::uint64_t held = 0;    // records that it holds
        std::uint64_t let_go = 0;  // indices that were settled, by it or the other
        bool is_hole_held = false;
    };
    Hands victims_hands() const;

    struct Wanted {
        std::uint64_t by_other = 0;  // the records that it is to be given, as bits
        std::uint64_t again = 0;     // those of them that another had before
        std::uint64_t deaths = 0;
        std::uint64_t redelivered = 0;
    };
    // When everybody has ended who is still there.
    Scene::Judgement judge(const Wanted& wanted);
    // As bits.
    std::uint64_t all_records() const { return ((std::uint64_t{1} << records_) - 1) & ~holes(); }
    std::uint64_t given_to_other() const;

  private:
    struct Given {
        std::uint64_t index;
        std::uint32_t deaths;
    };
    void consume(Consumer consumer);
    void produce(Producer producer);
    void say(const std::string& what);
    std::uint64_t holes() const { return hole_ ? 1 : 0; }
    std::string wrong_deliveries(const Wanted& wanted);
    std::string wrong_books(const Stats& stats, const Wanted& wanted) const;

    std::uint64_t records_;
    bool hole_;
    Ring ring_;
    ring::Protocol& protocol_;
    mutable std::mutex mutex_;
    std::vector<Given> given_;
    std::string said_;
    std::atomic<bool> producer_ended_{false}, consumer_ended_{false};
    std::atomic<pid_t> producer_thread_{0}, consumer_thread_{0};
    std::latch start_{1};
    bool released_ = false;
    std::thread producer_, consumer_;
};

}  // namespace headrace
