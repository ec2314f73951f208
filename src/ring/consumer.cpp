#include "headrace/consumer.hpp"

#include <utility>

#include "headrace/error.hpp"
#include "ring/record_source.hpp"
#include "ring/shared_consumer.hpp"

namespace headrace {

std::string_view name_of(HoleKind kind) noexcept {
    switch (kind) {
        case HoleKind::skipped: return "skipped";
        case HoleKind::died: return "died";
        case HoleKind::dropped: return "dropped";
        case HoleKind::invalid: return "invalid";
    }
    return "?";
}

// ---- RecordLease ----

RecordLease::RecordLease(RecordLease&& other) noexcept
    : core_(std::exchange(other.core_, nullptr)),
      rows_(std::exchange(other.rows_, {})),
      floor_(other.floor_),
      lap_start_(other.lap_start_),
      indices_(std::move(other.indices_)),
      lengths_(std::move(other.lengths_)),
      holes_(std::move(other.holes_)),
      deaths_(std::move(other.deaths_)) {}

RecordLease& RecordLease::operator=(RecordLease&& other) noexcept {
    std::swap(core_, other.core_);
    std::swap(rows_, other.rows_);
    std::swap(floor_, other.floor_);
    std::swap(lap_start_, other.lap_start_);
    std::swap(indices_, other.indices_);
    std::swap(lengths_, other.lengths_);
    std::swap(holes_, other.holes_);
    std::swap(deaths_, other.deaths_);
    return *this;
}

RecordLease::~RecordLease() {
    release();
}

void RecordLease::release() noexcept {
    if (core_ == nullptr) return;
    core_->settle_lease(*this);
    core_ = nullptr;
    rows_ = {};
}

const Schema& RecordLease::schema() const {
    if (core_ == nullptr) throw UsageError("this lease was released or moved away");
    return core_->description().schema;
}

std::uint64_t RecordLease::epoch(std::size_t record) const {
    schema();
    return core_->description().epoch_of(index(record), floor_);
}

std::uint64_t RecordLease::item(std::size_t record) const {
    schema();
    return core_->description().item_of(index(record), floor_);
}

void RecordLease::refuse_field(std::size_t field, DType wanted) const {
    schema().expect(field, wanted);
    refuse(field, 0);  // expect() has thrown
}

void RecordLease::refuse(std::size_t field, std::size_t record) const {
    throw UsageError("field " + std::to_string(field) + " of record " + std::to_string(record) +
                     ", there are " + std::to_string(schema().size()) + " fields and " +
                     std::to_string(size()) + " records");
}

// ---- Consumer ----

Consumer::Consumer(std::unique_ptr<detail::RecordSource> core) : core_(std::move(core)) {}
Consumer::Consumer(Consumer&&) noexcept = default;
Consumer& Consumer::operator=(Consumer&&) noexcept = default;
Consumer::~Consumer() = default;

Consumer Consumer::attach(std::string_view name, const ConsumerOptions& options) {
    return attach(name, options, {});
}

Consumer Consumer::attach(std::string_view name, const ConsumerOptions& options,
                          const AttachOptions& how) {
    return Consumer(std::make_unique<detail::SharedConsumerCore>(
        detail::attach(name, how, ring::Role::consumer), options));
}

const Schema& Consumer::schema() const noexcept {
    return core_->description().schema;
}

namespace {

// Holes are passed over: a lease on one index that turned out to be one is empty.
Result<RecordLease> next_record(detail::RecordSource& core,
                                std::optional<std::chrono::nanoseconds> timeout) {
    std::optional<ring::Clock::time_point> deadline;
    if (timeout) deadline = ring::deadline_after(*timeout);
    for (;;) {
        if (deadline) timeout = ring::time_left(*deadline);
        auto lease = core.take_lease(1, timeout);
        if (!lease || lease->size() != 0) return lease;
    }
}

}  // namespace

Result<RecordLease> Consumer::get() {
    return next_record(*core_, std::nullopt);
}

Result<RecordLease> Consumer::get_for(std::chrono::nanoseconds timeout) {
    return next_record(*core_, timeout);
}

Result<RecordLease> Consumer::try_get() {
    return next_record(*core_, std::chrono::nanoseconds(0));
}

Result<RecordLease> Consumer::take(std::size_t records) {
    return core_->take_lease(records, std::nullopt);
}

Result<RecordLease> Consumer::take_for(std::size_t records, std::chrono::nanoseconds timeout) {
    return core_->take_lease(records, timeout);
}

std::uint64_t Consumer::position() const noexcept {
    return core_->position();
}

}  // namespace headrace
