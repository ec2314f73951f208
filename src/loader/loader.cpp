#include "headrace/loader.hpp"

#include <algorithm>
#include <utility>

#include "headrace/error.hpp"
#include "loader/loader_core.hpp"
#include "ring/snapshot.hpp"

namespace headrace {

namespace detail {

namespace {

void raise(std::atomic<std::uint64_t>& counter, std::uint64_t by) {
    counter.fetch_add(by, std::memory_order_relaxed);
}

LoaderOptions bounded(LoaderOptions options) {
    options.first_timeout = ring::bounded(options.first_timeout);
    options.stall_timeout = ring::bounded(options.stall_timeout);
    options.flush_after = ring::bounded(options.flush_after);
    options.lease_timeout = ring::bounded(options.lease_timeout);
    return options;
}

// How long two spans of time lie over each other.
std::uint64_t overlap(std::uint64_t from, std::uint64_t to, std::uint64_t other_from,
                      std::uint64_t other_to) {
    const std::uint64_t begin = std::max(from, other_from);
    const std::uint64_t end = std::min(to, other_to);
    return end > begin ? end - begin : 0;
}

}  // namespace

LoaderCore::LoaderCore(std::shared_ptr<RingCore> ring, LoaderOptions options)
    : ring_(std::move(ring)),
      options_(bounded(std::move(options))),
      form_(BatchForm::of(ring_->description().schema, ring_->description().slots, options_)),
      backend_(options_.device.backend()),
      consumer_(std::make_unique<ConsumerCore>(ring_, ConsumerOptions{})),
      state_position_(consumer_->position()) {
    const ring::Geometry geometry = ring::Geometry::of(form_.schema, ring_->description().slots);
    for (std::size_t field = 0; field < form_.schema.size(); ++field) {
        rows_.push_back(ring_->memory().data() + geometry.field_offset[field]);
        row_bytes_.push_back(geometry.row_bytes[field]);
    }
    registration_ = backend_->register_host(ring_->memory());
    copy_stream_ = backend_->make_copy_stream();
    make_slots();
    ring_->protocol().trainer().device.store(backend_->name());
}

LoaderCore::~LoaderCore() {
    stop();
}

void LoaderCore::make_slots() {
    const std::size_t offsets_bytes = (std::size_t{form_.batch} + 1) * sizeof(std::int32_t);
    for (std::uint32_t i = 0; i < options_.depth; ++i) {
        auto slot = std::make_unique<BatchSlot>();
        slot->shapes.resize(form_.schema.size());
        for (std::size_t field = 0; field < form_.schema.size(); ++field) {
            BatchSlot::FieldBuffers buffers{backend_->allocate(form_.most_bytes(field)),
                                            backend_->allocate(offsets_bytes),
                                            backend_->allocate_host(offsets_bytes)};
            slot->targets.push_back(
                {buffers.values->data(), reinterpret_cast<std::int32_t*>(buffers.offsets->data())});
            slot->shapes[field].offsets = {
                reinterpret_cast<std::int32_t*>(buffers.host_offsets->data()),
                std::size_t{form_.batch} + 1};
            slot->buffers.push_back(std::move(buffers));
        }
        slot->copied = backend_->make_event();
        free_.push_back(slot.get());
        slots_.push_back(std::move(slot));
    }
}

// ---- handing out ----

Result<Batch> LoaderCore::next(std::optional<std::chrono::nanoseconds> timeout, StreamRef stream) {
    const std::uint64_t from = ring::now_ns();
    ring::TrainerCounters& counters = ring_->protocol().trainer();
    std::uint64_t never = 0;
    counters.loader_started_ns.compare_exchange_strong(never, from);

    std::unique_lock lock(mutex_);
    if (!timeout) timeout = anything_yet_ ? options_.stall_timeout : options_.first_timeout;
    std::optional<Clock::time_point> deadline;
    if (timeout) deadline = ring::deadline_after(*timeout);
    const bool ready = [&] {
        struct Waiting {  // also when the wait ends by an exception
            std::atomic<std::uint64_t>& since;
            ~Waiting() { since.store(0, std::memory_order_relaxed); }
        } waiting{counters.trainer_waiting_since_ns};
        waiting.since.store(from, std::memory_order_relaxed);
        return wait_until_ready(lock, deadline);
    }();
    if (!ready) {
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
    auto batch = hand_out(first, from);
    lock.unlock();
    // Without the lock: when this throws, the batch goes back the usual way.
    if (batch && backend_->has_streams()) {
        backend_->wait(stream, *first.slot->copied);
        batch->used_on(stream);
    }
    return batch;
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
    account_wait(from_ns, ring::now_ns(), ready.slot);
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
        deliveries_[place].returned = true;
        move_state_on();
        --leased_;
        ++lease_moves_;
        slot.returned_early = slot.copying;
        if (!slot.copying) free_.push_back(&slot);
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

// ---- what it tells ----

State LoaderCore::state() const {
    const RingOptions& options = ring_->options();
    const std::lock_guard lock(mutex_);
    return {.index = state_position_,
            .epoch_records = options.epoch_records,
            .shuffle_seed = options.shuffle_seed,
            .rank = options.rank,
            .world_size = options.world_size,
            .remainder = options.remainder};
}

bool LoaderCore::done() const noexcept {
    const std::lock_guard lock(mutex_);
    return ended_;
}

Stats LoaderCore::stats() const {
    return ring::snapshot(ring_->protocol(), ring_->description(), ring_->memory().size());
}

void LoaderCore::require_no_streams() const {
    if (!backend_->has_streams()) return;
    throw UsageError("loader: device " + backend_->name() +
                     " has streams; say which one will use the batch: next(stream)");
}

void LoaderCore::throw_timeout() const {
    const std::uint64_t index = state().index;
    throw TimeoutError("ring \"" + ring_->description().name +
                       "\": no batch within the time-out; the trainer has given back all below "
                       "record " +
                       std::to_string(index) + "; " + stats().verdict());
}

}  // namespace detail

// ---- Loader ----

Loader::Loader(Ring& ring, LoaderOptions options)
    : core_(std::make_shared<detail::LoaderCore>(ring.shared_core(), std::move(options))) {
    core_->start();
}

Loader::Loader(Loader&&) noexcept = default;

Loader& Loader::operator=(Loader&& other) noexcept {
    std::swap(core_, other.core_);
    return *this;
}

Loader::~Loader() {
    if (!core_) return;
    if (!core_->is_this_process()) {  // a forked child has no threads to end; see ~Ring
        new std::shared_ptr<detail::LoaderCore>(std::move(core_));
        return;
    }
    core_->stop();
}

Result<Batch> Loader::next(StreamRef stream) {
    return core_->next(std::nullopt, stream);
}

Result<Batch> Loader::next_for(std::chrono::nanoseconds timeout, StreamRef stream) {
    return core_->next(timeout, stream);
}

Result<Batch> Loader::next() {
    core_->require_no_streams();
    return core_->next(std::nullopt, {});
}

Result<Batch> Loader::next_for(std::chrono::nanoseconds timeout) {
    core_->require_no_streams();
    return core_->next(timeout, {});
}

Epoch Loader::epoch(StreamRef stream) {
    return {core_, stream};
}

Epoch Loader::epoch() {
    core_->require_no_streams();
    return {core_, {}};
}

State Loader::state() const {
    return core_->state();
}
bool Loader::done() const noexcept {
    return core_->done();
}
const Device& Loader::device() const noexcept {
    return core_->options().device;
}
Stats Loader::stats() const {
    return core_->stats();
}

// ---- Epoch ----

Epoch::Iterator::Iterator(std::shared_ptr<detail::LoaderCore> core, StreamRef stream)
    : core_(std::move(core)), stream_(stream) {
    advance();
}

Epoch::Iterator& Epoch::Iterator::operator++() {
    advance();
    return *this;
}

void Epoch::Iterator::advance() {
    current_.reset();  // first give back, for the loader may need just this one
    auto next = core_->next(std::nullopt, stream_);
    if (next) {
        current_.emplace(std::move(*next));
    } else if (next.outcome() == Outcome::timed_out) {
        core_->throw_timeout();
    }
}

}  // namespace headrace
