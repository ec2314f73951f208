#include "headrace/ring.hpp"

#include <unistd.h>

#include <utility>

#include "headrace/error.hpp"
#include "ring/consumer_core.hpp"
#include "ring/deadline.hpp"
#include "ring/forgery.hpp"
#include "ring/in_name_of.hpp"
#include "ring/producer_core.hpp"
#include "ring/ring_core.hpp"
#include "ring/shared_consumer.hpp"
#include "ring/snapshot.hpp"

namespace headrace {

namespace detail {

namespace {

std::string found(std::uint64_t value) {
    return std::to_string(value);
}

// What a state tells of itself must agree, or it is not one that a loader wrote.
void check_consistency(const State& state) {
    State wanted{.index = state.index, .remainder = state.remainder};
    if (state.epoch_records != 0) {
        const Sampler sampler({.epoch_records = state.epoch_records,
                               .shuffle_seed = state.shuffle_seed,
                               .rank = state.rank,
                               .world_size = state.world_size,
                               .remainder = state.remainder,
                               .origin_epoch = state.origin_epoch,
                               .origin_position = state.origin_position});
        if (state.index > ring::kMostIndex) {
            throw UsageError("index " + found(state.index) + ", wanted at most 2^62");
        }
        wanted = State::of(sampler, state.index);
    }
    if (state == wanted) return;
    throw UsageError("its numbers do not agree: found " + state.to_json() + ", wanted " +
                     wanted.to_json());
}

// The order must be what it was, or the position means something else. Who of how many dealt it is
// another matter.
void check_resume(const RingOptions& options) {
    const State& state = *options.resume;
    const auto seed = [](const std::optional<std::uint64_t>& value) {
        return value ? std::to_string(*value) : std::string("none");
    };
    std::string differs;
    const auto compare = [&differs](const char* what, const std::string& was,
                                    const std::string& now) {
        if (was != now) differs += std::string("; ") + what + " was " + was + ", is " + now;
    };
    compare("epoch_records", found(state.epoch_records), found(options.epoch_records));
    compare("shuffle_seed", seed(state.shuffle_seed), seed(options.shuffle_seed));
    compare("remainder", state.remainder == Remainder::drop ? "drop" : "pad",
            options.remainder == Remainder::drop ? "drop" : "pad");
    if (!differs.empty()) {
        throw UsageError("ring \"" + options.name +
                         "\": cannot resume from a state of another order" + differs);
    }
    try {
        check_consistency(state);
    } catch (const UsageError& error) {
        throw UsageError("ring \"" + options.name +
                         "\": cannot resume from this state: " + error.what());
    }
}

// With as many ranks as before the indices go on. Otherwise the ranks that there are now share out
// what is left, from the place in the order of all that was reached.
void set_start(ring::Description& description, const RingOptions& options) {
    SamplerOptions order{.epoch_records = options.epoch_records,
                         .epochs = options.epochs,
                         .shuffle_seed = options.shuffle_seed,
                         .rank = options.rank,
                         .world_size = options.world_size,
                         .remainder = options.remainder};
    const std::string ring = "ring \"" + options.name + "\": ";
    if (options.resume) {
        check_resume(options);
        const State& state = *options.resume;
        const bool is_as_before = state.world_size == options.world_size;
        description.start_index = is_as_before ? state.index : 0;
        order.origin_epoch = is_as_before ? state.origin_epoch : state.epoch;
        order.origin_position = is_as_before ? state.origin_position : state.position;
    }
    if (options.epoch_records != 0) {
        try {
            description.sampler.emplace(order);
        } catch (const UsageError& error) {
            throw UsageError(ring + error.what());
        }
    }
    if (description.start_index > ring::kMostIndex) {
        throw UsageError(ring + "resumes at record " + found(description.start_index) +
                         ", wanted at most 2^62");
    }
    if (description.start_index > description.end_index()) {
        throw UsageError(ring + "resumes at record " + found(description.start_index) +
                         ", but ends at " + found(description.end_index()));
    }
}

RingOptions bounded(RingOptions options) {
    options.linger = ring::bounded(options.linger);
    options.stall.report_after = ring::bounded(options.stall.report_after);
    return options;
}

ring::Description describe(const RingOptions& options) {
    check_name("ring name", options.name, kMaxRingNameBytes);
    const std::string ring = "ring \"" + options.name + "\": ";
    if (options.schema.size() == 0) {
        throw UsageError(ring + "the schema has no field, wanted at least one");
    }
    if (options.slots < 2 || options.slots > kMaxSlots) {
        throw UsageError(ring + found(options.slots) + " slots, wanted 2 to " + found(kMaxSlots));
    }
    if (options.linger.count() < 0 || options.stall.report_after.count() < 0) {
        throw UsageError(ring + "a time below zero, wanted linger and report_after of 0 or more");
    }
    if (options.producers == 0 || options.producers > kMaxProducers) {
        throw UsageError(ring + found(options.producers) + " producers, wanted 1 to " +
                         found(kMaxProducers));
    }
    const bool is_stream = options.epoch_records == 0;
    if (is_stream && (options.epochs != 0 || options.shuffle_seed || options.world_size != 1)) {
        throw UsageError(ring + "epochs, shuffle_seed or world_size without epoch_records; a " +
                         "stream ring has no order of its own");
    }
    ring::Description description{.name = options.name,
                                  .schema = options.schema,
                                  .slots = options.slots,
                                  .sampler = {},
                                  .start_index = 0,
                                  .shared_consumers = options.shared_consumers,
                                  .trainer_pid = getpid(),
                                  .created_ns = ring::now_ns()};
    set_start(description, options);
    return description;
}

}  // namespace

RingCore::RingCore(RingOptions options)
    : options_(bounded(std::move(options))),
      description_(describe(options_)),
      messages_(options_.on_message),
      directory_(ring::rendezvous_directory(options_.directory)),
      socket_path_(ring::socket_path_of(directory_, options_.name)) {
    consumer_position = description_.start_index;
    const std::uint64_t bytes =
        ring::Geometry::of(description_.schema, description_.slots).memory_bytes;
    memory_ = ring::make_memory(options_.name, bytes);
    mapping_ = ring::Mapping(memory_.get(), bytes, ring::Mapping::Access::read_write);
    const bool huge = mapping_.collapse_into_huge_pages();
    ring::format(mapping_.bytes(), description_);
    protocol_ = ring::Protocol(mapping_.bytes(), description_);
    protocol_.keep_floor_in(floor_);
    protocol_.trainer().huge_pages.store(huge ? 1 : 0);
    listener_ = ring::listen_at(directory_, options_.name);
    try {
        service_ = std::make_unique<ring::Service>(protocol_, options_, messages_, memory_.get(),
                                                   bytes, listener_.get());
    } catch (...) {
        ring::unlink_socket(directory_, options_.name, listener_.get());
        throw;
    }
}

RingCore::~RingCore() {
    shut_down();
}

void RingCore::take_consumer_side() {
    if (description_.shared_consumers) {
        throw UsageError("ring \"" + options_.name +
                         "\": its records are shared by consumers (shared_consumers); a loader "
                         "needs a ring without that");
    }
    if (consumer_taken_.exchange(true)) {
        throw UsageError("ring \"" + options_.name +
                         "\": a consumer or a loader takes its records already, wanted one");
    }
}

ring::Owner RingCore::enlist(const std::string& identity, ring::Role role) {
    const std::lock_guard lock(service_mutex_);
    if (!service_) throw SystemError("ring \"" + options_.name + "\": has ended");
    return service_->enlist(identity, role);
}

void RingCore::discharge(ring::Owner owner, bool left) noexcept {
    const std::lock_guard lock(service_mutex_);
    if (service_) service_->discharge(owner, left);
}

std::string RingCore::attached() {
    const std::lock_guard lock(service_mutex_);
    return service_ ? service_->attached() : "nobody";
}

void RingCore::end(Phase phase, const std::string& reason) noexcept {
    const std::lock_guard lock(end_mutex_);
    const Phase now = protocol_.phase();
    if (now == Phase::closed || now == Phase::aborted) return;
    protocol_.control().abort_reason.store(reason);
    protocol_.set_phase(phase);
}

void RingCore::reset() {
    const std::lock_guard lock(end_mutex_);
    const auto restart_service = [this] {
        const std::lock_guard service_lock(service_mutex_);
        if (service_) service_->restart();
    };
    restart_service();  // so that it does not end the ring meanwhile for those who went long ago
    const Phase phase = protocol_.phase();
    if (phase != Phase::open && !protocol_.has_set(phase)) {
        throw Error(ring::forgery_text(options_.name, ring::forged_phase_text(phase), attached()));
    }
    if (phase != Phase::open) {
        throw UsageError("ring \"" + options_.name + "\": reset, but it has ended (" +
                         std::string(name_of(phase)) + ")");
    }
    const auto floor = protocol_.raise_floor();
    restart_service();  // there is work again: it looks whether anybody is left to do it
    if (!floor) {
        const std::string tail = std::to_string(protocol_.control().tail.load());
        throw Error(
            ring::forgery_text(options_.name, "reset, but the tail is " + tail, attached()));
    }
    messages_.say(Severity::info, "ring \"" + options_.name +
                                      "\": reset; records begin anew at record " +
                                      std::to_string(*floor));
}

void RingCore::shut_down() noexcept {
    std::unique_ptr<ring::Service> service;
    {
        const std::lock_guard lock(service_mutex_);
        service = std::move(service_);
    }
    if (!service) return;
    service.reset();
    ring::unlink_socket(directory_, options_.name, listener_.get());
    listener_.reset();
}

}  // namespace detail

Ring::Ring(std::shared_ptr<detail::RingCore> core) : core_(std::move(core)) {}
Ring::Ring(Ring&&) noexcept = default;

Ring& Ring::operator=(Ring&& other) noexcept {
    std::swap(core_, other.core_);
    return *this;
}

Ring::~Ring() {
    if (!core_) return;
    if (!core_->is_this_process()) {
        // A forked child inherits neither the mapping nor the threads: nothing here can be ended,
        // and the parent's ring goes on.
        new std::shared_ptr<detail::RingCore>(std::move(core_));
        return;
    }
    close();
    core_->shut_down();
}

Ring Ring::create(RingOptions options) {
    const std::string name = options.name;
    return ring::in_name_of(
        name, [&] { return Ring(std::make_shared<detail::RingCore>(std::move(options))); });
}

const std::string& Ring::name() const noexcept {
    return core_->options().name;
}
const Schema& Ring::schema() const noexcept {
    return core_->options().schema;
}
std::uint32_t Ring::slots() const noexcept {
    return core_->options().slots;
}
std::uint64_t Ring::memory_bytes() const noexcept {
    return core_->memory().size();
}
const std::optional<Sampler>& Ring::sampler() const noexcept {
    return core_->description().sampler;
}
const std::string& Ring::socket_path() const noexcept {
    return core_->socket_path();
}

Producer Ring::producer(std::string identity) {
    return Producer(std::make_unique<detail::ProducerCore>(core_, identity));
}

Consumer Ring::consumer(ConsumerOptions options, std::string identity) {
    if (core_->description().shared_consumers) {
        return Consumer(std::make_unique<detail::SharedConsumerCore>(core_, identity, options));
    }
    return Consumer(std::make_unique<detail::ConsumerCore>(core_, options));
}

void Ring::close() noexcept {
    core_->end(Phase::closed, {});
}

void Ring::abort(const std::string& reason) noexcept {
    core_->end(Phase::aborted, reason);
}

void Ring::reset() {
    core_->reset();
}

Stats Ring::stats() const {
    return ring::snapshot(core_->protocol(), core_->description(), core_->memory().size());
}

}  // namespace headrace
