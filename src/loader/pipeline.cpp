// The loader's own threads: from the ring to the device.
#include <algorithm>

#include "headrace/error.hpp"
#include "loader/loader_core.hpp"
#include "ring/quiet_thread.hpp"

namespace headrace::detail {

void LoaderCore::start() {
    ring_->protocol().trainer().loader_ended_ns.store(0);  // of a loader before this one
    completer_ = ring::quiet_thread("headrace-copy", [this] { complete_copies(); });
    planner_ = ring::quiet_thread("headrace-plan", [this] { plan_batches(); });
}

void LoaderCore::stop() noexcept {
    {
        const std::lock_guard lock(mutex_);
        if (stopping_) return;
        stopping_ = true;
    }
    consumer_->interrupt();
    free_changed_.notify_all();
    ready_changed_.notify_all();
    if (planner_.joinable()) planner_.join();
    {
        // The planner is gone, so no copy is added: the completer empties its queue and goes.
        const std::lock_guard lock(mutex_);
        no_more_copies_ = true;
    }
    copying_changed_.notify_all();
    if (completer_.joinable()) completer_.join();
    note_end();
    {
        const std::lock_guard lock(mutex_);
        for (const Ready& ready : ready_) {
            if (ready.what == What::batch) discard(*ready.slot);
        }
        ready_.clear();
    }
    copy_stream_.reset();
    registration_.reset();
    consumer_.reset();
}

void LoaderCore::plan_batches() {
    try {
        backend_->enter_thread();
        while (plan_one()) {
        }
    } catch (...) {
        fail(std::current_exception());
    }
}

void LoaderCore::fail(std::exception_ptr error) noexcept {
    // The trainer will hear of it at its next call; the producers must not wait for that.
    std::string reason = "the loader failed";
    try {
        std::rethrow_exception(error);
    } catch (const std::exception& what) {
        reason = what.what();
    } catch (...) {
    }
    {
        // Before the ring ends: that makes other waits throw, and the first error is the one to
        // tell.
        const std::lock_guard lock(mutex_);
        keep_error(std::move(error));
    }
    ring_->end(Phase::aborted, reason);
    ready_changed_.notify_all();
}

void LoaderCore::keep_error(std::exception_ptr error) noexcept {
    if (error_) return;
    error_ = std::move(error);
    // Instead of the end, which would not be a good one, unless that was told already.
    if (!has_ended() && !ready_.empty() && ready_.back().what == What::end) ready_.pop_back();
    ready_.push_back({.what = What::error, .floor = kEveryFloor});
}

// False when there is nothing more to plan.
bool LoaderCore::plan_one() {
    if (!consumer_->is_below_floor()) {  // else await_records() begins anew
        if (consumer_->pass_epoch_end()) {
            announce(What::epoch_end, nullptr, consumer_->position());
            return true;
        }
        if (consumer_->is_at_end()) {
            announce(What::end, nullptr, consumer_->position());
            return wait_behind_end();
        }
    }
    BatchSlot* const slot = wait_for_slot();
    if (slot == nullptr) return false;

    ring::TrainerCounters& counters = ring_->protocol().trainer();
    IndexRange range;
    slot->awaited_ns = ring::now_ns();
    copy_stream_->stamp(*slot->other_filling().awaited);
    counters.producers_awaited_since_ns.store(slot->awaited_ns, std::memory_order_relaxed);
    const Arrival arrival = await_records(range);
    slot->arrived_ns = ring::now_ns();
    copy_stream_->stamp(*slot->other_filling().arrived);
    counters.producers_awaited_since_ns.store(0, std::memory_order_relaxed);

    const bool arrived = arrival == Arrival::ready || arrival == Arrival::flushed;
    if (arrived) {
        fill(*slot, range);
        if (!is_unwanted(range, arrival)) {
            hand_to_device(*slot);
            return true;
        }
        consumer_->release(slot->taken.indices);
        raise(counters.discarded, slot->taken.indices.size());
    }
    {
        const std::lock_guard lock(mutex_);
        free_.push_back(slot);
    }
    if (arrival == Arrival::end) announce_last_end();
    return arrived || arrival == Arrival::moved;
}

// At the end of the data. True when a reset has come, and with it more data.
bool LoaderCore::wait_behind_end() {
    const Arrival arrival = consumer_->wait_for_reset();
    if (arrival == Arrival::end) announce_last_end();
    return arrival == Arrival::moved;
}

// Waits for the next range, and goes along with resets. Arrival::moved: there was one, and nothing
// comes behind it.
Arrival LoaderCore::await_records(IndexRange& range) {
    const device::Stage stage(*backend_, "headrace: wait for producers");
    // No time-out for leases: those on slots are copies on their way, not the trainer's.
    const bool is_stream = !ring_->description().sampler;
    const WaitLimits limits{.flush_after = is_stream ? options_.flush_after : std::nullopt};
    for (;;) {
        if (consumer_->is_below_floor()) {
            const Arrival passed = consumer_->pass_to_floor(limits);
            if (passed != Arrival::ready) return passed;
            if (consumer_->is_at_end()) return Arrival::moved;
        }
        range = consumer_->next_range(form_.batch, true);
        const Arrival arrival = consumer_->wait(range, limits);
        if (arrival != Arrival::moved) return arrival;
    }
}

// With drop_last: the last batch of an epoch, or of a stream, when it stands for fewer indices than
// a whole one. One that is short because a run was resumed inside of it is not.
bool LoaderCore::is_unwanted(const IndexRange& range, Arrival arrival) const {
    if (!options_.drop_last) return false;
    const auto& sampler = ring_->description().sampler;
    if (!sampler) {
        return arrival == Arrival::flushed && ring_->protocol().phase() == Phase::drain &&
               range.size() < form_.batch;
    }
    const std::uint64_t first = range.first - consumer_->floor();  // the sampler's
    const std::uint64_t in_batch = sampler->position_of(first) % form_.batch;
    return sampler->epoch_end_of(first) - (first - in_batch) < form_.batch;
}

BatchSlot* LoaderCore::wait_for_slot() {
    std::unique_lock lock(mutex_);
    discard_stale();
    if (free_.empty() && !stopping_) {
        const device::Stage stage(*backend_, "headrace: wait for a batch to come back");
        while (free_.empty() && !stopping_) {
            // One that is still being copied is not held by the trainer.
            const bool is_held = copying_.empty();
            const std::uint64_t began = ring::now_ns();
            free_changed_.wait(lock);
            if (!is_held) continue;
            raise(ring_->protocol().trainer().held_by_trainer_ns, ring::now_ns() - began);
        }
    }
    if (stopping_) return nullptr;
    BatchSlot* const slot = free_.back();
    free_.pop_back();
    return slot;
}

void LoaderCore::fill(BatchSlot& slot, const IndexRange& range) {
    consumer_->take(range, slot.taken);
    slot.range = range;
    slot.epoch = consumer_->epoch_of(range.first);
    slot.slots.clear();
    slot.items.clear();
    for (const std::uint64_t index : slot.taken.indices) {
        slot.slots.push_back(static_cast<std::uint32_t>(ring_->protocol().slot_of(index)));
        slot.items.push_back(consumer_->item_of(index));
    }
}

void LoaderCore::hand_to_device(BatchSlot& slot) {
    make_plan(form_, slot.taken, slot.slots,
              {slot.values->data(), slot.head->data(), slot.host_head->data()}, slot.shapes,
              slot.plan, slot.target);
    slot.payload_bytes = slot.padding_bytes = 0;
    for (std::size_t i = 0; i < slot.shapes.size(); ++i) {
        const Field& field = form_.schema[i];
        const auto total = static_cast<std::uint64_t>(slot.shapes[i].total);
        const std::uint64_t whole = std::uint64_t{field.capacity} * slot.slots.size();
        slot.payload_bytes += total * bytes_of(field.dtype);
        slot.padding_bytes += (whole - total) * bytes_of(field.dtype);
    }
    enqueue(slot);
    const std::size_t records = slot.taken.indices.size();
    raise(ring_->protocol().trainer().prefetched, records);

    // A device without streams is through when enqueue() returns.
    const bool at_once = !backend_->has_streams();
    {
        const std::lock_guard lock(mutex_);
        slot.copying = !at_once;
        slot.returned_early = false;
        if (!at_once) {
            copying_.push_back({&slot, &slot.filling(), &slot.other_filling(), slot.taken.indices});
        }
    }
    if (at_once) {
        consumer_->release(slot.taken.indices);
    } else {
        copying_changed_.notify_one();
    }
    slot.announced_ns = ring::now_ns();
    announce(What::batch, &slot, slot.range.last);
}

void LoaderCore::enqueue(BatchSlot& slot) {
    const device::Stage stage(*backend_, "headrace: enqueue");
    slot.turn = 1 - slot.turn;
    BatchSlot::Filling& filling = slot.filling();
    copy_stream_->stamp(*filling.handed);
    // The trainer's work on the batch that was here before must have passed.
    for (std::size_t i = 0; i < slot.used_count; ++i) copy_stream_->wait(*slot.used[i]);
    slot.used_count = 0;
    // So must have been the last filling of it: where the trainer was not given that, nothing
    // tells.
    copy_stream_->wait(*slot.other_filling().filled);
    copy_stream_->mark_begin(*filling.begun);
    slot.link_bytes = copy_stream_->enqueue(slot.plan, slot.target, *filling.moved);
    copy_stream_->record(*filling.filled);
    filling.is_used = true;
    filling.is_asked = false;
    filling.shown = {};
}

void LoaderCore::announce(What what, BatchSlot* slot, std::uint64_t position) {
    {
        const std::lock_guard lock(mutex_);
        ready_.push_back({what, slot, position, consumer_->floor()});
    }
    ready_changed_.notify_all();
}

// The ring has ended, so that no reset comes any more.
void LoaderCore::announce_last_end() {
    {
        const std::lock_guard lock(mutex_);
        if (!ready_.empty() && ready_.back().what == What::end) ready_.pop_back();
        ready_.push_back({What::end, nullptr, consumer_->position(), kEveryFloor});
    }
    ready_changed_.notify_all();
}

void LoaderCore::complete_copies() {
    try {
        backend_->enter_thread();
    } catch (...) {
        fail(std::current_exception());
    }
    std::unique_lock lock(mutex_);
    for (;;) {
        copying_changed_.wait(lock, [this] { return no_more_copies_ || !copying_.empty(); });
        if (copying_.empty()) return;
        // It stays in the queue until its slots are free, so that the planner keeps the order; what
        // is added behind it does not move it.
        Copying& first = copying_.front();
        lock.unlock();
        // Without an end of the wait nothing tells that the plan is read no more: the batch is not
        // filled again.
        bool is_over = false;
        try {
            {
                const device::Stage stage(*backend_, "headrace: wait for copies");
                backend_->synchronize(*first.filling->moved);
            }
            is_over = true;
            consumer_->release(first.indices);
            account_filling(*first.before);
        } catch (...) {
            fail(std::current_exception());
        }
        lock.lock();
        BatchSlot& slot = *first.slot;
        copying_.pop_front();
        slot.copying = !is_over;
        if (is_over && slot.returned_early) free_.push_back(&slot);
        free_changed_.notify_one();  // without a free one too: for whom one waits has changed
    }
}

// What the last but one filling of a batch took, on the device's clock. The filling after it has
// been moved: the copy stream has passed its end, and waited for the trainer's stream before.
void LoaderCore::account_filling(BatchSlot::Filling& filling) {
    if (!filling.is_used) return;
    filling.is_used = false;
    ring::TrainerCounters& counters = ring_->protocol().trainer();
    const auto add = [](std::atomic<std::uint64_t>& counter, std::optional<double> seconds) {
        if (seconds && *seconds > 0) raise(counter, static_cast<std::uint64_t>(*seconds * 1e9));
    };
    add(counters.copying_ns, backend_->seconds_between(*filling.begun, *filling.moved));
    add(counters.stripping_ns, backend_->seconds_between(*filling.moved, *filling.filled));
    if (!filling.is_asked) return;
    if (const auto wait = stood_for(filling)) count(*wait);
}

// The trainer's stream stood from the moment when it wanted the batch until that was complete: as
// long as records were missing for producers, since the device had been told for copies. What has
// been shown of it while it went on is left out. Empty when there is no telling.
std::optional<Wait> LoaderCore::stood_for(BatchSlot::Filling& filling) {
    // Everything as so many seconds before the batch was complete.
    const auto before = [&](device::Event& event) {
        return backend_->seconds_between(event, *filling.filled);
    };
    const auto asked = before(*filling.asked), awaited = before(*filling.awaited),
               arrived = before(*filling.arrived), handed = before(*filling.handed);
    if (!asked || !awaited || !arrived || !handed || *asked <= 0) return std::nullopt;
    const double missing = std::min(*asked, *awaited) - std::max(0.0, *arrived);
    const double copying = std::min(*asked, *handed);
    const auto left = [](double seconds, std::uint64_t shown_ns) {
        const double ns = seconds * 1e9 - static_cast<double>(shown_ns);
        return ns > 0 ? static_cast<std::uint64_t>(ns) : 0;
    };
    return Wait{left(*asked, filling.shown.all_ns), left(missing, filling.shown.for_producers_ns),
                left(copying, filling.shown.for_copies_ns)};
}

void LoaderCore::count(const Wait& wait) noexcept {
    ring::TrainerCounters& counters = ring_->protocol().trainer();
    raise(counters.trainer_waited_ns, wait.all_ns);
    raise(counters.waited_for_producers_ns, wait.for_producers_ns);
    raise(counters.waited_for_copies_ns, wait.for_copies_ns);
}

}  // namespace headrace::detail
