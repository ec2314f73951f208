// What the trainer's threads do: take batches and give them back.
#include <algorithm>
#include <utility>

#include "headrace/error.hpp"
#include "loader/loader_core.hpp"

namespace headrace::detail {

namespace {

// How long two spans of time lie over each other.
std::uint64_t overlap(std::uint64_t from, std::uint64_t to, std::uint64_t other_from,
                      std::uint64_t other_to) {
    const std::uint64_t begin = std::max(from, other_from);
    const std::uint64_t end = std::min(to, other_to);
    return end > begin ? end - begin : 0;
}

// A wait of the trainer that those who look at the ring see while it goes on. A thread that feeds a
// stream may be ahead of it: that it waits shows nothing until the stream is known to stand.
class WaitSeen {
  public:
    explicit WaitSeen(ring::TrainerCounters& counters) : counters_(counters) {}
    WaitSeen(const WaitSeen&) = delete;
    WaitSeen& operator=(const WaitSeen&) = delete;
    // Also when the wait ends by an exception.
    ~WaitSeen() { counters_.trainer_waiting_since_ns.store(0, std::memory_order_relaxed); }

    void show() {
        if (since_ != 0) return;
        since_ = ring::now_ns();
        counters_.trainer_waiting_since_ns.store(since_, std::memory_order_relaxed);
    }
    // It is over: what has been shown of it.
    Wait end() {
        if (since_ == 0) return {};
        const std::uint64_t now = ring::now_ns();
        const std::uint64_t awaited = counters_.producers_awaited_since_ns.load();
        counters_.trainer_waiting_since_ns.store(0, std::memory_order_relaxed);
        const std::uint64_t missing = awaited == 0 ? 0 : overlap(since_, now, awaited, now);
        return {now - std::exchange(since_, 0), missing, 0};
    }

  private:
    ring::TrainerCounters& counters_;
    std::uint64_t since_ = 0;
};

}  // namespace

Result<Batch> LoaderCore::next(std::optional<std::chrono::nanoseconds> timeout, StreamRef stream) {
    if (!backend_->has_streams()) return wait_and_hand_out(timeout, nullptr);
    backend_->expect_usable(stream);
    Asked asked = ask(stream);
    Result<Batch> batch = Outcome::timed_out;
    try {
        batch = wait_and_hand_out(timeout, &asked);
    } catch (const DeviceError&) {
        fail(std::current_exception());  // also where it was looking at the stream that failed
        rethrow_error();
    }
    if (batch) hand_over(asked);
    keep(std::move(asked), batch.outcome());
    return batch;
}

Result<Batch> LoaderCore::wait_and_hand_out(std::optional<std::chrono::nanoseconds> timeout,
                                            Asked* asked) {
    const std::uint64_t from = ring::now_ns();
    ring::TrainerCounters& counters = ring_->protocol().trainer();
    std::uint64_t never = 0;
    counters.loader_started_ns.compare_exchange_strong(never, from);

    std::unique_lock lock(mutex_);
    if (!timeout) timeout = anything_yet_ ? options_.stall_timeout : options_.first_timeout;
    std::optional<Clock::time_point> deadline;
    if (timeout) deadline = ring::deadline_after(*timeout);
    if (!wait_visibly(lock, deadline, asked)) {
        if (asked != nullptr) return Outcome::timed_out;
        const std::uint64_t to = ring::now_ns();
        raise(counters.trainer_waited_ns, to - from);
        const std::uint64_t since = counters.producers_awaited_since_ns.load();
        if (since != 0) raise(counters.waited_for_producers_ns, overlap(from, to, since, to));
        return Outcome::timed_out;
    }
    const Ready first = ready_.front();
    // The end and an error are told again, the end until a reset.
    if (first.what == What::batch || first.what == What::epoch_end) ready_.pop_front();
    if (first.what == What::error) std::rethrow_exception(error_);
    if (asked != nullptr) asked->slot = first.slot;
    return hand_out(first, from);
}

// wait_until_ready(), seen by those who look at the ring. What has been seen of a stream's wait is
// counted at once, for figures do not go back; the rest of it follows when the device tells.
bool LoaderCore::wait_visibly(std::unique_lock<std::mutex>& lock,
                              std::optional<Clock::time_point> deadline, Asked* asked) {
    const device::Stage stage(*backend_, "headrace: wait for a batch");
    WaitSeen seen(ring_->protocol().trainer());
    if (asked == nullptr) {
        seen.show();
        return wait_until_ready(lock, deadline, [] {});
    }
    const bool is_ready = wait_until_ready(lock, deadline, [&] {
        if (backend_->is_complete(*asked->event)) seen.show();
    });
    const Wait shown = seen.end();
    count(shown);
    asked->shown.all_ns += shown.all_ns;
    asked->shown.for_producers_ns += shown.for_producers_ns;
    return is_ready;
}

// When the stream has done all that it had to do before it wants the next batch: from then on it
// stands idle. A stream that timed out has been idle since.
LoaderCore::Asked LoaderCore::ask(StreamRef stream) {
    Asked asked{.stream = stream, .event = nullptr};
    {
        const std::lock_guard lock(mutex_);
        const auto since = std::find_if(asked_.begin(), asked_.end(), [&](const Asked& other) {
            return other.stream.native == stream.native;
        });
        if (since != asked_.end()) {
            asked = std::move(*since);
            asked_.erase(since);
            return asked;
        }
        if (!spare_events_.empty()) {
            asked.event = std::move(spare_events_.back());
            spare_events_.pop_back();
        }
    }
    try {
        if (!asked.event) asked.event = backend_->make_event();
        backend_->record(*asked.event, stream);
    } catch (...) {
        fail(std::current_exception());
        rethrow_error();
    }
    return asked;
}

// The first error is the one to tell.
void LoaderCore::rethrow_error() {
    const std::lock_guard lock(mutex_);
    std::rethrow_exception(error_);
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
void LoaderCore::hand_over(Asked& asked) {
    const device::Stage stage(*backend_, "headrace: hand over");
    BatchSlot& slot = *asked.slot;
    try {
        BatchSlot::Filling& filling = slot.filling();
        backend_->wait(asked.stream, *filling.filled);
        use(slot, asked.stream);
        filling.asked.swap(asked.event);
        filling.shown = asked.shown;
        filling.is_asked = true;
    } catch (...) {
        slot.was_refused = true;
        fail(std::current_exception());
        rethrow_error();
    }
}

// False after the deadline. Without one, a wait that nothing but batches in the caller's hands
// blocks becomes an error after a while: another thread may be about to give one back. Every so
// often in between it calls look().
bool LoaderCore::wait_until_ready(std::unique_lock<std::mutex>& lock,
                                  std::optional<Clock::time_point> deadline,
                                  const std::function<void()>& look) {
    constexpr std::chrono::milliseconds kOften{500};
    const auto is_over = [this] {
        discard_stale();
        return stopping_ || !ready_.empty();
    };
    std::uint64_t moves = lease_moves_;
    Clock::time_point patience = ring::deadline_after(options_.lease_timeout);
    while (!is_over()) {
        const Clock::time_point until =
            std::min(ring::deadline_after(kOften), deadline.value_or(patience));
        if (ready_changed_.wait_until(lock, until, is_over)) break;
        const Clock::time_point now = Clock::now();
        if (deadline && now >= *deadline) return false;
        look();
        const bool is_stuck = leased_ == options_.depth && lease_moves_ == moves;
        if (!deadline && is_stuck && now >= patience) {
            throw UsageError("loader: all " + std::to_string(options_.depth) +
                             " batches are held by the caller, none can be filled; give one back, "
                             "or make depth larger");
        }
        if (!is_stuck || now >= patience) {
            moves = lease_moves_;
            patience = ring::deadline_after(options_.lease_timeout);
        }
    }
    if (stopping_) throw UsageError("loader: it has been destroyed");
    return true;
}

Result<Batch> LoaderCore::hand_out(Ready ready, std::uint64_t from_ns) {
    ring::TrainerCounters& counters = ring_->protocol().trainer();
    // What a stream waited is told by the device's clock, see account_filling().
    if (!backend_->has_streams()) account_wait(from_ns, ring::now_ns(), ready.slot);
    if (ready.what == What::end) {
        ended_floor_ = ready.floor;
        note_end();
        return Outcome::end;
    }
    anything_yet_ = true;
    deliveries_.push_back({ready.position, ready.floor, ready.what == What::epoch_end});
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
    backend_->expect_usable(stream);
    const std::lock_guard lock(mutex_);
    const auto same = [stream](StreamRef other) { return other.native == stream.native; };
    if (std::none_of(slot.streams.begin(), slot.streams.end(), same)) {
        slot.streams.push_back(stream);
    }
}

// An event on each stream that used the batch. Without the lock, for a full stream may make it
// wait: the batch is still the caller's alone.
void LoaderCore::record_uses(BatchSlot& slot) {
    if (!backend_->has_streams()) return;
    for (const StreamRef stream : slot.streams) {
        backend_->expect_usable(stream);
        if (slot.used_count == slot.used.size()) slot.used.push_back(backend_->make_event());
        backend_->record(*slot.used[slot.used_count], stream);
        ++slot.used_count;
    }
}

void LoaderCore::give_back(BatchSlot& slot) noexcept {
    std::exception_ptr error;
    try {
        record_uses(slot);
    } catch (...) {
        error = std::current_exception();
    }
    {
        const std::lock_guard lock(mutex_);
        if (slot.delivery >= first_delivery_) {  // else a reset has passed over it
            deliveries_[slot.delivery - first_delivery_].returned = !slot.was_refused;
        }
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

// Over all that is given back without a gap. What was handed out before a reset is neither waited
// for nor counted any more.
void LoaderCore::move_state_on() noexcept {
    while (!deliveries_.empty()) {
        const Delivery& first = deliveries_.front();
        if (!is_stale(first.floor)) {
            if (!first.returned) return;
            state_position_ = first.position;
            state_floor_ = first.floor;
        }
        deliveries_.pop_front();
        ++first_delivery_;
    }
}

bool LoaderCore::is_stale(std::uint64_t floor) const noexcept {
    return floor != kEveryFloor && floor != ring_->protocol().floor();
}

// What was planned before a reset is not handed out.
void LoaderCore::discard_stale() noexcept {
    if (stopping_) return;
    const auto is_gone = [this](const Ready& ready) {
        if (!is_stale(ready.floor)) return false;
        if (ready.what == What::batch) discard(*ready.slot);
        return true;
    };
    if (std::erase_if(ready_, is_gone) == 0) return;
    free_changed_.notify_one();
    if (ended_floor_ && !has_ended()) {
        ended_floor_.reset();
        ring_->protocol().trainer().loader_ended_ns.store(0);
    }
}

// One that is still being copied is filled again when that is over, as if it had been given back.
void LoaderCore::discard(BatchSlot& slot) noexcept {
    ring::TrainerCounters& counters = ring_->protocol().trainer();
    counters.prefetched.fetch_sub(slot.taken.indices.size());
    raise(counters.discarded, slot.taken.indices.size());
    slot.returned_early = slot.copying;
    if (!slot.copying) free_.push_back(&slot);
}

bool LoaderCore::has_ended() const noexcept {
    return ended_floor_ && !is_stale(*ended_floor_);
}

}  // namespace headrace::detail
