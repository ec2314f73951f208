// Lets one actor at a time go on, by one atomic operation, and decides from a seed who is next. So
// whatever can happen between any two steps of the ring's code can be made to happen, again and
// again: the same seed makes the same schedule.
//
// An operation is: step(), then what it does to the memory, told by read() or wrote(). A sleep has
// no time-out: who is never woken never goes on.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "schedule/actor.hpp"
#include "schedule/random.hpp"

namespace headrace::ring::schedule {

// How the next one is chosen.
struct Strategy {
    enum class Kind {
        uniform,     // anybody, at every step
        sticky,      // the same one again, but once in `often` steps
        priorities,  // the first in an order, which changes `often` times: few preemptions find
                     // what needs few, with a likelihood that does not depend on the rest
        runs,        // one for up to `often` steps, or until it sleeps
    };
    Kind kind = Kind::uniform;
    std::uint64_t often = 0;
    std::uint64_t expected_steps = 0;  // of the schedule, for `priorities`
    std::string to_string() const;
};

enum class Op : std::uint8_t {
    load,
    store,
    store_later,  // into the store buffer
    drain,        // from there
    exchange,
    swap,
    failed_swap,
    add,
    set_bits,
    keep_bits,
    sleep,
    no_sleep,
    wake,
    note,  // no operation: what the actor says of itself
};

// What the scheduler asks and tells.
class World {
  public:
    virtual ~World() = default;
    // `place` has changed.
    virtual void wrote(const Actor& by, const void* place, std::uint64_t before,
                       std::uint64_t after) = 0;
    // The time has come that was asked for by wake_world_at().
    virtual void happen() = 0;
    // The actor has come to the step that was set by meet_fate_at().
    virtual void meet_fate(Actor& actor) = 0;
    // Nobody can move. Makes somebody, or returns false when all is over, or calls fail().
    virtual bool rescue() = 0;
    virtual std::string name_of(const void* place) const = 0;
    virtual std::string value_at(const void* place, std::uint64_t value) const = 0;
};

class Scheduler {
  public:
    Scheduler();
    Scheduler(const Scheduler&) = delete;
    Scheduler& operator=(const Scheduler&) = delete;
    ~Scheduler();

    // The one that runs now.
    static Scheduler& here() noexcept { return *here_; }

    // From outside of a schedule.
    void begin(std::uint64_t seed, const Strategy& strategy, bool buffers_stores, World& world);
    void add(Actor& actor);  // also from inside
    // Until all is over; false when it failed.
    bool run();
    const std::string& failure() const noexcept { return failure_; }
    // The last steps, a line each; of the last few thousand at the most.
    std::string trace(std::size_t lines) const;

    // For the world.
    Random& random() noexcept { return random_; }
    std::uint64_t steps() const noexcept { return steps_; }
    void wake_world_at(std::uint64_t step) noexcept { world_at_ = step; }
    void meet_fate_at(Actor& actor, std::uint64_t step_of_its) noexcept {
        actor.fate_at_ = step_of_its;
    }
    std::uint64_t steps_of(const Actor& actor) const noexcept { return actor.steps_; }
    void kill(Actor& actor);
    void stop(Actor& actor);
    void go_on(Actor& actor);
    // As if it were woken, or its time were over.
    void wake_spuriously(Actor& actor);
    void end_time_of(Actor& actor);
    // Ends the schedule, from inside.
    [[noreturn]] void fail(const std::string& why);

    // For actors.
    void wait();
    void rouse(Actor& actor);
    void note(const char* what, std::uint64_t value = 0);

    // For the platform. Without an actor that runs, all of this does nothing: the memory is looked
    // at from outside.
    void step() {
        if (running_ != nullptr) take_step();
    }
    bool buffers(bool is_sequential) const noexcept {
        return buffers_stores_ && !is_sequential && running_ != nullptr;
    }
    void buffer(void* place, std::uint64_t value, unsigned bytes);
    void drain_own() {
        if (buffered_ != 0 && running_ != nullptr) drain_all(*running_);
    }
    std::uint64_t read(const void* place, std::uint64_t value) {
        if (running_ == nullptr) return value;
        if (buffered_ != 0) value = running_->buffer_.forwarded(place, value);
        record(*running_, Op::load, place, value, value);
        return value;
    }
    void wrote(Op op, const void* place, std::uint64_t before, std::uint64_t after);
    // False when the sleeper's time is over.
    bool sleep(const void* futex, std::uint32_t found, std::uint32_t expected);
    void wake_all(const void* futex);

  private:
    struct Step {
        std::uint8_t actor;
        Op op;
        const void* place;
        std::uint64_t before, after;
        std::uint64_t number;
    };

    static void run_actor();
    void take_step();
    void record(const Actor& actor, Op op, const void* place, std::uint64_t before,
                std::uint64_t after) {
        steps_told_[told_++ % steps_told_.size()] = {actor.number_, op,    place,
                                                     before,        after, steps_};
    }
    std::string line_of(const Step& step) const;
    Actor* next();
    Actor& next_by_priority();
    Actor& next_by_run();
    void hand_over();
    void leave();
    void become_ready(Actor& actor);
    void become_unready(Actor& actor);
    void drain_one(Actor& actor);
    void drain_all(Actor& actor);
    void drain_somebody();

    inline static Scheduler* here_ = nullptr;

    World* world_ = nullptr;
    Random random_;
    Strategy strategy_;
    bool buffers_stores_ = false;
    std::vector<Actor*> actors_, ready_;
    Actor* running_ = nullptr;
    std::uint64_t steps_ = 0;
    std::uint64_t world_at_ = 0;
    std::uint64_t run_ends_at_ = 0;
    std::int64_t lowest_priority_ = 0;
    std::vector<std::uint64_t> priorities_change_at_;  // latest first
    std::size_t buffered_ = 0;
    std::array<Step, 4096> steps_told_{};
    std::uint64_t told_ = 0;
    std::string failure_;
    Fiber outside_;
    std::vector<std::unique_ptr<Fiber>> fibers_;
};

}  // namespace headrace::ring::schedule
