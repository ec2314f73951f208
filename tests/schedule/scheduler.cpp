#include "schedule/scheduler.hpp"

#include <algorithm>
#include <cstring>

namespace headrace::ring::schedule {

namespace {

// Ten times as many as the longest schedule takes: whoever takes more turns in circles.
constexpr std::uint64_t kMostSteps = 50'000;

const char* name_of(Op op) {
    switch (op) {
        case Op::load: return "load";
        case Op::store: return "store";
        case Op::store_later: return "store, buffered";
        case Op::drain: return "buffered store is seen";
        case Op::exchange: return "exchange";
        case Op::swap: return "swap";
        case Op::failed_swap: return "swap, refused";
        case Op::add: return "add";
        case Op::set_bits: return "or";
        case Op::keep_bits: return "and";
        case Op::sleep: return "sleep";
        case Op::no_sleep: return "sleep, refused";
        case Op::wake: return "wake";
        case Op::note: return "--";
    }
    return "?";
}

}  // namespace

std::string Strategy::to_string() const {
    switch (kind) {
        case Kind::uniform: return "uniform";
        case Kind::sticky: return "sticky " + std::to_string(often);
        case Kind::priorities: return "priorities " + std::to_string(often);
        case Kind::runs: return "runs " + std::to_string(often);
    }
    return "?";
}

Scheduler::Scheduler() {
    here_ = this;
}

Scheduler::~Scheduler() {
    here_ = nullptr;
}

void Scheduler::begin(std::uint64_t seed, const Strategy& strategy, bool buffers_stores,
                      World& world) {
    world_ = &world;
    random_ = Random(seed);
    strategy_ = strategy;
    buffers_stores_ = buffers_stores;
    actors_.clear();
    ready_.clear();
    running_ = nullptr;
    steps_ = told_ = run_ends_at_ = 0;
    world_at_ = ~std::uint64_t{0};
    lowest_priority_ = 0;
    buffered_ = 0;
    failure_.clear();
    priorities_change_at_.clear();
    if (strategy_.kind != Strategy::Kind::priorities) return;
    for (std::uint64_t i = 0; i < strategy_.often; ++i) {
        priorities_change_at_.push_back(random_.below(strategy_.expected_steps));
    }
    std::sort(priorities_change_at_.rbegin(), priorities_change_at_.rend());
}

void Scheduler::add(Actor& actor) {
    if (fibers_.size() == actors_.size()) {
        fibers_.push_back(std::make_unique<Fiber>(&Scheduler::run_actor));
    }
    actor.fiber_ = fibers_[actors_.size()].get();
    actor.fiber_->restart();
    actor.number_ = static_cast<std::uint8_t>(actors_.size());
    actor.priority_ = static_cast<std::int64_t>(random_.below(1u << 30));
    actors_.push_back(&actor);
    ready_.push_back(&actor);
}

bool Scheduler::run() {
    running_ = next();
    if (running_ != nullptr) outside_.hand_over_to(*running_->fiber_);
    return failure_.empty();
}

void Scheduler::run_actor() {
    Scheduler& scheduler = here();
    Actor& actor = *scheduler.running_;
    actor.run();
    scheduler.drain_all(actor);
    actor.state_ = Actor::State::done;
    scheduler.become_unready(actor);
    scheduler.leave();
}

// ---- who is next ----

void Scheduler::take_step() {
    ++steps_;
    if (steps_ > kMostSteps) fail("no end after " + std::to_string(kMostSteps) + " steps");
    if (buffered_ != 0 && random_.one_in(3)) drain_somebody();
    if (steps_ >= world_at_) world_->happen();
    ++running_->steps_;
    const bool is_alive = running_->state_ == Actor::State::ready && !running_->stopped_;
    if (is_alive && running_->steps_ >= running_->fate_at_) {
        running_->fate_at_ = ~std::uint64_t{0};
        world_->meet_fate(*running_);
    }
    hand_over();
}

// Returns when it is the caller's turn again.
void Scheduler::hand_over() {
    Actor* const before = running_;
    Actor* const after = next();
    if (after == before) return;
    running_ = after;
    before->fiber_->hand_over_to(after != nullptr ? *after->fiber_ : outside_);
}

// Never to return.
void Scheduler::leave() {
    hand_over();
    std::abort();
}

Actor* Scheduler::next() {
    while (ready_.empty()) {
        if (!world_->rescue()) return nullptr;
    }
    const bool can_stay =
        running_ != nullptr && running_->state_ == Actor::State::ready && !running_->stopped_;
    switch (strategy_.kind) {
        case Strategy::Kind::priorities: return &next_by_priority();
        case Strategy::Kind::runs:
            if (can_stay && steps_ < run_ends_at_) return running_;
            return &next_by_run();
        case Strategy::Kind::sticky:
            if (can_stay && !random_.one_in(strategy_.often)) return running_;
            break;
        case Strategy::Kind::uniform: break;
    }
    return ready_[random_.below(ready_.size())];
}

Actor& Scheduler::next_by_priority() {
    while (!priorities_change_at_.empty() && priorities_change_at_.back() <= steps_) {
        priorities_change_at_.pop_back();
        if (running_ != nullptr) running_->priority_ = --lowest_priority_;
    }
    return **std::max_element(ready_.begin(), ready_.end(), [](const Actor* a, const Actor* b) {
        return a->priority_ < b->priority_;
    });
}

Actor& Scheduler::next_by_run() {
    run_ends_at_ = steps_ + 1 + random_.below(strategy_.often);
    return *ready_[random_.below(ready_.size())];
}

void Scheduler::become_ready(Actor& actor) {
    actor.state_ = Actor::State::ready;
    if (!actor.stopped_) ready_.push_back(&actor);
}

void Scheduler::become_unready(Actor& actor) {
    std::erase(ready_, &actor);
}

// ---- fates ----

void Scheduler::kill(Actor& actor) {
    drain_all(actor);  // what a processor has taken on it does, whatever becomes of the process
    actor.state_ = Actor::State::dead;
    become_unready(actor);
    record(actor, Op::note, "is killed", 0, 0);
}

void Scheduler::stop(Actor& actor) {
    drain_all(actor);
    actor.stopped_ = true;
    become_unready(actor);
    record(actor, Op::note, "is stopped", 0, 0);
}

void Scheduler::go_on(Actor& actor) {
    if (!actor.stopped_) return;
    actor.stopped_ = false;
    record(actor, Op::note, "goes on", 0, 0);
    if (actor.state_ == Actor::State::ready) ready_.push_back(&actor);
}

void Scheduler::wake_spuriously(Actor& actor) {
    if (actor.state_ != Actor::State::asleep) return;
    record(actor, Op::note, "wakes by itself", 0, 0);
    actor.woken_ = true;
    become_ready(actor);
}

void Scheduler::end_time_of(Actor& actor) {
    if (!actor.has_deadline || actor.is_over()) return;
    record(actor, Op::note, "has no time left", 0, 0);
    actor.is_time_over = true;
    if (actor.state_ != Actor::State::asleep) return;
    actor.woken_ = false;
    become_ready(actor);
}

void Scheduler::fail(const std::string& why) {
    failure_ = why;
    Fiber& here = *running_->fiber_;
    running_ = nullptr;
    here.hand_over_to(outside_);
    std::abort();  // nobody comes back
}

// ---- actors ----

void Scheduler::wait() {
    drain_all(*running_);
    running_->state_ = Actor::State::waiting;
    become_unready(*running_);
    hand_over();
}

void Scheduler::rouse(Actor& actor) {
    if (actor.state_ == Actor::State::waiting) become_ready(actor);
}

void Scheduler::note(const char* what, std::uint64_t value) {
    record(*running_, Op::note, what, value, value);
}

// ---- the platform ----

void Scheduler::wrote(Op op, const void* place, std::uint64_t before, std::uint64_t after) {
    if (running_ == nullptr) return;
    record(*running_, op, place, before, after);
    if (op != Op::failed_swap) world_->wrote(*running_, place, before, after);
}

bool Scheduler::sleep(const void* futex, std::uint32_t found, std::uint32_t expected) {
    if (running_ == nullptr) return true;
    if (found != expected) {
        record(*running_, Op::no_sleep, futex, expected, found);
        return true;
    }
    record(*running_, Op::sleep, futex, expected, found);
    running_->state_ = Actor::State::asleep;
    running_->asleep_on_ = futex;
    become_unready(*running_);
    hand_over();
    return running_->woken_;
}

void Scheduler::wake_all(const void* futex) {
    if (running_ == nullptr) return;
    std::uint64_t woken = 0;
    for (Actor* const actor : actors_) {
        if (!actor->is_asleep_on(futex)) continue;
        actor->woken_ = true;
        become_ready(*actor);
        ++woken;
    }
    record(*running_, Op::wake, futex, woken, woken);
}

void Scheduler::buffer(void* place, std::uint64_t value, unsigned bytes) {
    if (running_->buffer_.is_full()) drain_one(*running_);
    running_->buffer_.add({place, value, bytes});
    ++buffered_;
    record(*running_, Op::store_later, place, value, value);
}

void Scheduler::drain_one(Actor& actor) {
    const StoreBuffer::Store store = actor.buffer_.take_oldest();
    --buffered_;
    std::uint64_t before = 0;
    if (store.bytes == 8) {
        auto* const place = static_cast<std::uint64_t*>(store.place);
        before = *place;
        *place = store.value;
    } else if (store.bytes == 4) {
        auto* const place = static_cast<std::uint32_t*>(store.place);
        before = *place;
        *place = static_cast<std::uint32_t>(store.value);
    } else {
        auto* const place = static_cast<std::uint8_t*>(store.place);
        before = *place;
        *place = static_cast<std::uint8_t>(store.value);
    }
    record(actor, Op::drain, store.place, before, store.value);
    world_->wrote(actor, store.place, before, store.value);
}

void Scheduler::drain_all(Actor& actor) {
    while (!actor.buffer_.is_empty()) drain_one(actor);
}

void Scheduler::drain_somebody() {
    const std::size_t first = random_.below(actors_.size());
    for (std::size_t i = 0; i < actors_.size(); ++i) {
        Actor& actor = *actors_[(first + i) % actors_.size()];
        if (!actor.buffer_.is_empty()) return drain_one(actor);
    }
}

// ---- what happened ----

std::string Scheduler::line_of(const Step& step) const {
    std::string line = std::to_string(step.number) + "  " + actors_[step.actor]->name() + "  " +
                       std::string(schedule::name_of(step.op)) + " ";
    const auto told = [this, &step](std::uint64_t value) {
        return world_->value_at(step.place, value);
    };
    if (step.op == Op::note) {
        line += static_cast<const char*>(step.place);
        return step.after != 0 ? line + " " + std::to_string(step.after) : line;
    }
    line += world_->name_of(step.place);
    if (step.op == Op::wake) return line + ": " + std::to_string(step.after) + " woken";
    if (step.op != Op::load) line += ": " + told(step.before) + " ->";
    return line + " " + told(step.after);
}

std::string Scheduler::trace(std::size_t lines) const {
    std::string text;
    lines = std::min(lines, steps_told_.size());
    const std::uint64_t first = told_ > lines ? told_ - lines : 0;
    for (std::uint64_t i = first; i < told_; ++i) {
        text += line_of(steps_told_[i % steps_told_.size()]) + "\n";
    }
    return text;
}

}  // namespace headrace::ring::schedule
