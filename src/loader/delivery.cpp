// What the trainer's threads do: take batches and give them back.
#include <algorithm>
#include <utility>

#include "headrace/error.hpp"
#include "loader/loader_core.hpp"

namespace headrace::detail {

namespace {

void raise(std::atomic<std::uint64_t>& counter, std::uint64_t by) {
    counter.fetch_add(by, std::memory_order_relaxed);
}

// How long two spans of time lie over each other.
std::uint64_t overlap(std::uint64_t from, std::uint64_t to, std::uint64_t other_from,
                      std::uint64_t other_to) {
    const std::uint64_t begin = std::max(from, other_from);
    const std::uint64_t end = std::min(to, other_to);
    return end > begin ? end - begin : 0;
}

}  // namespace

Result<Batch> LoaderCore::next(std::optional<std::chrono::nanoseconds> timeout, StreamRef stream) {
    BatchSlot* handed_out = nullptr;
    if (!backend_->has_streams()) return wait_and_hand_out(timeout, handed_out);
    Asked asked{stream, ask(stream)};
    Result<Batch> batch = wait_and_hand_out(timeout, handed_out);
    if (batch) hand_over(*handed_out, asked);
    keep(std::move(asked), batch.outcome());
    return batch;
}

Result<Batch> LoaderCore::wait_and_hand_out(std::optional<std::chrono::nanoseconds> timeout,
                                            BatchSlot*& handed_out) {
    const std::uint64_t from = ring::now_ns();
    ring::TrainerCounters& counters = ring_->protocol().trainer();
    std::uint64_t never = 0;
    counters.loader_started_ns.compare_exchange_strong(never, from);

    std::unique_lock lock(mutex_);
    if (!timeout) timeout = anything_yet_ ? options_.stall_timeout : options_.first_timeout;
    std::optional<Clock::time_point> deadline;
    if (timeout) deadline = ring::deadline_after(*timeout);
    if (!wait_visibly(lock, deadline, from)) {
        if (backend_->has_streams()) return Outcome::timed_out;
        const std::uint64_t to = ring::now_ns();
        raise(counters.trainer_waited_ns, to - from);
        const std::uint64_t since = counters.producers_awaited_since_ns.load();
        if (since != 0) raise(counters.waited_for_producers_ns, overlap(from, to, since, to));
        return Outcome::timed_out;
    }
    const Ready first = ready_.front();
    // The end and an error are all that will ever come again.
    if (first.what == What::batch || first.what == What::epoch_end) ready_.pop_front();
    if (first.what == What::error) std::rethrow_exception(error_);
    handed_out = first.slot;
    return hand_out(first, from);
}

// wait_until_ready(), seen by those who look at the ring. A thread that feeds a stream may be ahead
// of it, and a short wait is then no sign of anything.
bool LoaderCore::wait_visibly(std::unique_lock<std::mutex>& lock,
                              std::optional<Clock::time_point> deadline, std::uint64_t from_ns) {
    if (backend_->has_streams()) {
        constexpr std::chrono::milliseconds kShort{500};
        const Clock::time_point soon = ring::deadline_after(kShort);
        const auto is_ready = [this] { return !ready_.empty(); };
        const auto until = deadline ? std::min(*deadline, soon) : soon;
        if (ready_changed_.wait_until(lock, until, [&] { return is_ready() || stopping_; }) &&
            is_ready()) {
            return true;
        }
    }
    struct Waiting {  // also when the wait ends by an exception
        std::atomic<std::uint64_t>& since;
        ~Waiting() { since.store(0, std::memory_order_relaxed); }
    } waiting{ring_->protocol().trainer().trainer_waiting_since_ns};
    waiting.since.store(from_ns, std::memory_order_relaxed);
    return wait_until_ready(lock, deadline);
}

// When the stream has done all that it had to do before it wants the next batch: from then on it
// stands idle. A stream that timed out has been idle since.
std::unique_ptr<device::Event> LoaderCore::ask(StreamRef stream) {
    std::unique_ptr<device::Event> event;
    {
        const std::lock_guard lock(mutex_);
        const auto since = std::find_if(asked_.begin(), asked_.end(), [&](const Asked& asked) {
            return asked.stream.native == stream.native;
        });
        if (since != asked_.end()) {
            event = std::move(since->event);
            asked_.erase(since);
            return event;
        }
        if (!spare_events_.empty()) {
            event = std::move(spare_events_.back());
            spare_events_.pop_back();
        }
    }
    try {
        if (!event) event = backend_->make_event();
        backend_->record(*event, stream);
    } catch (...) {
        fail(std::current_exception());
        throw;
    }
    return event;
}

void LoaderCore::keep(Asked asked, Outcome outcome) {
    const std::lock_guard lock(mutex_);
    if (outcome == Outcome::timed_out) {
        asked_.push_back(std::move(asked));
    } else {
        spare_events_.push_back(std::move(asked.event));
    }
}

// The stream waits for the batch. Without the lock: when this throws, the batch goes back the usual
// way, and state() does not count it.
void LoaderCore::hand_over(BatchSlot& slot, Asked& asked) {
    const device::Stage stage(*backend_, "headrace: hand over");
    try {
        BatchSlot::Filling& filling = slot.filling();
        backend_->wait(asked.stream, *filling.filled);
        use(slot, asked.stream);
        filling.asked.swap(asked.event);
        filling.is_asked = true;
    } catch (...) {
        slot.was_refused = true;
        fail(std::current_exception());
        throw;
    }
}

// False after the deadline. Without one, a wait that nothing but batches in the caller's hands
// blocks becomes an error after a while: another thread may be about to give one back.
bool LoaderCore::wait_until_ready(std::unique_lock<std::mutex>& lock,
                                  std::optional<Clock::time_point> deadline) {
    const auto is_ready = [this] { return !ready_.empty() || stopping_; };
    while (!is_ready()) {
        if (deadline) {
            if (!ready_changed_.wait_until(lock, *deadline, is_ready)) return false;
            break;
        }
        const std::uint64_t moves = lease_moves_;
        const auto patience = ring::deadline_after(options_.lease_timeout);
        if (ready_changed_.wait_until(lock, patience, is_ready)) break;
        if (leased_ == options_.depth && lease_moves_ == moves) {
            throw UsageError("loader: all " + std::to_string(options_.depth) +
                             " batches are held by the caller, none can be filled; give one back, "
                             "or make depth larger");
        }
    }
    if (ready_.empty()) throw UsageError("loader: it has been destroyed");
    return true;
}

Result<Batch> LoaderCore::hand_out(Ready ready, std::uint64_t from_ns) {
    ring::TrainerCounters& counters = ring_->protocol().trainer();
    // What a stream waited is told by the device's clock, see account_filling().
    if (!backend_->has_streams()) account_wait(from_ns, ring::now_ns(), ready.slot);
    if (ready.what == What::end) {
        ended_ = true;
        note_end();
        return Outcome::end;
    }
    anything_yet_ = true;
    deliveries_.push_back({ready.position, ready.what == What::epoch_end});
    if (ready.what == What::epoch_end) {
        move_state_on();
        return Outcome::end_of_epoch;
    }
    BatchSlot& slot = *ready.slot;
    slot.delivery = first_delivery_ + deliveries_.size() - 1;
    ++leased_;
    ++lease_moves_;
    const std::size_t records = slot.taken.indices.size();
    counters.prefetched.fetch_sub(records);
    raise(counters.delivered, records);
    raise(counters.batches, 1);
    raise(counters.payload_bytes, slot.payload_bytes);
    raise(counters.padding_bytes, slot.padding_bytes);
    raise(counters.link_bytes, slot.link_bytes);
    slot.streams.clear();
    slot.was_refused = false;
    return Batch(shared_from_this(), &slot);
}

// The clock of the verdict stops with the data, not when somebody looks.
void LoaderCore::note_end() noexcept {
    std::uint64_t not_yet = 0;
    ring_->protocol().trainer().loader_ended_ns.compare_exchange_strong(not_yet, ring::now_ns());
}

void LoaderCore::account_wait(std::uint64_t from_ns, std::uint64_t to_ns, const BatchSlot* slot) {
    ring::TrainerCounters& counters = ring_->protocol().trainer();
    raise(counters.trainer_waited_ns, to_ns - from_ns);
    if (slot == nullptr) return;
    raise(counters.waited_for_producers_ns,
          overlap(from_ns, to_ns, slot->awaited_ns, slot->arrived_ns));
    raise(counters.waited_for_copies_ns,
          overlap(from_ns, to_ns, slot->arrived_ns, slot->announced_ns));
}

void LoaderCore::use(BatchSlot& slot, StreamRef stream) {
    const std::lock_guard lock(mutex_);
    const auto same = [stream](StreamRef other) { return other.native == stream.native; };
    if (std::none_of(slot.streams.begin(), slot.streams.end(), same)) {
        slot.streams.push_back(stream);
    }
}

void LoaderCore::give_back(BatchSlot& slot) noexcept {
    std::exception_ptr error;
    {
        const std::lock_guard lock(mutex_);
        try {
            if (backend_->has_streams()) {
                for (const StreamRef stream : slot.streams) {
                    if (slot.used_count == slot.used.size()) {
                        slot.used.push_back(backend_->make_event());
                    }
                    backend_->record(*slot.used[slot.used_count], stream);
                    ++slot.used_count;
                }
            }
        } catch (...) {
            error = std::current_exception();
        }
        const std::uint64_t place = slot.delivery - first_delivery_;
        deliveries_[place].returned = !slot.was_refused;
        move_state_on();
        --leased_;
        ++lease_moves_;
        // Without the record nothing tells when the trainer's streams have passed: it is not filled
        // again.
        slot.returned_early = slot.copying && !error;
        if (!slot.copying && !error) free_.push_back(&slot);
    }
    free_changed_.notify_one();
    if (error) fail(error);
}

// Over all that is given back without a gap.
void LoaderCore::move_state_on() noexcept {
    while (!deliveries_.empty() && deliveries_.front().returned) {
        state_position_ = deliveries_.front().position;
        deliveries_.pop_front();
        ++first_delivery_;
    }
}

}  // namespace headrace::detail
