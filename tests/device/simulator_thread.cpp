// What a simulator does by itself: chooses what goes on next, and carries it out.
#include <algorithm>
#include <array>
#include <chrono>

#include "device/simulator_parts.hpp"

namespace headrace {

namespace {

constexpr double kTick = 1e-6;  // of the machine's clock, for each piece

}  // namespace

void Simulator::carry_out_all() {
    std::unique_lock lock(mutex_);
    while (!stopping_) {
        Stream* const stream = choose();
        if (stream == nullptr) {
            changed_.wait(lock);
            continue;
        }
        const bool is_starved = stream == starved_ && !is_wanted(*stream);
        if (is_starved || draw(100) < pause_percent_) {
            pause(lock);
            continue;
        }
        step(*stream, lock);
    }
}

// One whose first operation may go on; null when there is none.
Simulator::Stream* Simulator::choose() {
    ready_.clear();
    for (const auto& stream : streams_) {
        if (is_ready(*stream)) ready_.push_back(stream.get());
    }
    if (ready_.empty()) return nullptr;
    if (mood_steps_-- == 0) change_mood();
    if (ready_.size() > 1) std::erase(ready_, starved_);
    const auto favourite = std::find(ready_.begin(), ready_.end(), favourite_);
    if (favourite != ready_.end()) return *favourite;
    return ready_[draw(ready_.size())];
}

// Bursts of one stream, another one that gets nowhere for long, and times when little happens.
void Simulator::change_mood() {
    constexpr std::array<std::uint64_t, 6> kPausePercents{0, 0, 0, 2, 10, 40};
    constexpr std::uint64_t kLongest = 40;
    mood_steps_ = draw(kLongest);
    starved_ = draw(2) == 0 ? nullptr : streams_[draw(streams_.size())].get();
    favourite_ = draw(3) == 0 ? streams_[draw(streams_.size())].get() : nullptr;
    pause_percent_ = kPausePercents[draw(kPausePercents.size())];
    if (favourite_ == starved_) favourite_ = nullptr;
}

bool Simulator::is_ready(const Stream& stream) const {
    if (stream.held || stream.queue.empty()) return false;
    const Operation& first = stream.queue.front();
    switch (first.does) {
        case Operation::Does::record: return true;
        case Operation::Does::wait: return !first.mark || first.mark->done;
        case Operation::Does::work: break;
    }
    return first.has_begun || allowed_[static_cast<std::size_t>(first.work.kind)] != 0;
}

// Whether a thread waits for what this stream has to do: an event that it will record, or one of a
// stream that stands waiting for this one.
bool Simulator::is_wanted(const Stream& stream) const {
    for (const auto& mark : awaited_) {
        const Stream* at = mark->done ? nullptr : mark->stream;
        // As many steps as there are streams: they could wait for each other in a ring.
        for (std::size_t i = 0; at != nullptr && i < streams_.size(); ++i) {
            if (at == &stream) return true;
            if (at->queue.empty()) break;
            const Operation& first = at->queue.front();
            const bool waits = first.does == Operation::Does::wait && first.mark;
            at = waits && !first.mark->done ? first.mark->stream : nullptr;
        }
    }
    return false;
}

// Lets the other threads get ahead. Whatever is called ends it.
void Simulator::pause(std::unique_lock<std::mutex>& lock) {
    constexpr std::uint64_t kLongestUs = 20;
    if (draw(2) == 0) {
        lock.unlock();
        std::this_thread::yield();
        lock.lock();
    } else {
        changed_.wait_for(lock, std::chrono::microseconds(1 + draw(kLongestUs)));
    }
}

void Simulator::step(Stream& stream, std::unique_lock<std::mutex>& lock) {
    Operation& first = stream.queue.front();
    now_ += kTick;
    if (first.does == Operation::Does::record) {
        first.mark->done = true;
        first.mark->time = now_;
        // Not for every step: most are nothing to those that wait.
        if (std::find(awaited_.begin(), awaited_.end(), first.mark) != awaited_.end()) {
            finished_.notify_all();
        }
    } else if (first.does == Operation::Does::work) {
        running_ = &stream;
        run_piece(first, lock);
        running_ = nullptr;
        if (removing_ != 0) finished_.notify_all();
        if (first.pieces_done < first.work.pieces) return;
    }
    stream.queue.pop_front();
}

void Simulator::run_piece(Operation& operation, std::unique_lock<std::mutex>& lock) {
    if (!operation.has_begun) {
        operation.has_begun = true;
        std::uint64_t& allowed = allowed_[static_cast<std::size_t>(operation.work.kind)];
        if (allowed != kAll) --allowed;
        check_order(*running_, operation);
    }
    const bool does_something = !operation.is_void && !failure_;
    const bool is_last = operation.pieces_done + 1 == operation.work.pieces;
    std::exception_ptr thrown;
    lock.unlock();
    try {
        if (does_something) operation.work.run(operation.pieces_done);
    } catch (...) {
        thrown = std::current_exception();
    }
    // Here and not under the lock, for what it holds may call the simulator when it dies.
    if (is_last) operation.work.run = nullptr;
    lock.lock();
    if (thrown && !failure_) failure_ = thrown;
    ++operation.pieces_done;
    now_ += operation.work.seconds / static_cast<double>(operation.work.pieces);
}

// What touches the same memory runs in the order in which it was enqueued, or an event is missing.
void Simulator::check_order(const Stream& stream, const Operation& operation) {
    for (const auto& other : streams_) {
        if (other.get() == &stream) continue;
        for (const Operation& before : other->queue) {
            if (before.number > operation.number) break;
            if (!before.conflicts_with(operation)) continue;
            ++mistakes_.out_of_order;
            return;
        }
    }
}

std::uint64_t Simulator::draw(std::uint64_t below) {
    return random_() % below;
}

}  // namespace headrace
