#include "headrace/loader.hpp"

#include <utility>

#include "headrace/error.hpp"
#include "loader/loader_core.hpp"
#include "ring/snapshot.hpp"

namespace headrace {

namespace detail {

// ---- what it tells ----

State LoaderCore::state() const {
    const std::lock_guard lock(mutex_);
    const std::uint64_t floor = ring_->protocol().floor();
    const std::uint64_t position = ring_position(floor);
    const auto& sampler = ring_->description().sampler;
    if (sampler) return State::of(*sampler, position - floor);
    return {.index = position, .remainder = ring_->options().remainder};
}

// Of what has begun anew at `floor` nothing was given back yet, as long as that is another one.
std::uint64_t LoaderCore::ring_position(std::uint64_t floor) const noexcept {
    return state_floor_ == floor ? state_position_ : floor;
}

bool LoaderCore::done() const noexcept {
    const std::lock_guard lock(mutex_);
    return has_ended();
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
    const std::uint64_t index = [this] {
        const std::lock_guard lock(mutex_);
        return ring_position(ring_->protocol().floor());
    }();
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
const LoaderOptions& Loader::options() const noexcept {
    return core_->options();
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
