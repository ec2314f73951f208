#include "headrace/producer.hpp"

#include <algorithm>
#include <exception>
#include <utility>

#include "headrace/error.hpp"
#include "ring/deadline.hpp"
#include "ring/producer_core.hpp"

namespace headrace {

namespace detail {

ProducerCore::ProducerCore(Attachment attachment)
    : part_(std::move(attachment)),
      protocol_(part_.protocol()),
      cell_(protocol_.producer(part_.me().id)),
      fields_(protocol_.rows().fields) {}

ProducerCore::ProducerCore(std::shared_ptr<RingCore> ring, const std::string& identity)
    : part_(std::move(ring), identity, ring::Role::producer),
      protocol_(part_.protocol()),
      cell_(protocol_.producer(part_.me().id)),
      fields_(protocol_.rows().fields) {}

Result<ClaimedRecord> ProducerCore::made_of(const ring::Claim& claim) {
    switch (claim.state) {
        case ring::ClaimState::claimed:
            raise_own(cell_.claimed);
            return ClaimedRecord(this, fields_, protocol_.slot_of(claim.index), claim.index,
                                 claim.word, claim.floor);
        case ring::ClaimState::aborted: part_.throw_aborted();
        case ring::ClaimState::end: return Outcome::end;
        case ring::ClaimState::nothing_yet: break;
    }
    return Outcome::timed_out;
}

Result<ClaimedRecord> ProducerCore::try_claim() {
    if (part_.is_finished()) return Outcome::end;
    const ring::Claim claim = protocol_.try_claim(part_.me(), memory_);
    if (claim.state == ring::ClaimState::nothing_yet) part_.look_at_trainer();
    return made_of(claim);
}

Result<ClaimedRecord> ProducerCore::claim(std::optional<Clock::time_point> deadline) {
    if (part_.is_finished()) return Outcome::end;
    const ring::Claim claim = protocol_.try_claim(part_.me(), memory_);
    if (claim.state != ring::ClaimState::nothing_yet) return made_of(claim);
    return wait_and_claim(deadline);
}

Result<ClaimedRecord> ProducerCore::wait_and_claim(std::optional<Clock::time_point> deadline) {
    ring::Claim claim{ring::ClaimState::nothing_yet};
    const WaitAccount account(cell_);
    bool alarmed = false;
    ring::SleepTicket slept{};
    for (;;) {
        const ring::SleepTicket ticket = protocol_.announce_producer_sleep();
        claim = protocol_.try_claim(part_.me(), memory_);
        if (claim.state != ring::ClaimState::nothing_yet) {
            if (alarmed && protocol_.was_due(slept, claim.index)) raise_own(cell_.alarms);
            break;
        }
        // Also where others wake this one again and again: they may not have noticed either.
        part_.look_at_trainer();
        alarmed = false;
        slept = ticket;
        std::chrono::nanoseconds wait = ring::kAlarm;
        if (deadline) {
            wait = std::min(wait, ring::time_left(*deadline));
            if (wait.count() == 0) {
                part_.look_at_trainer();
                break;
            }
        }
        if (!protocol_.sleep_as_producer(ticket, wait)) {
            look_after_alarm();
            alarmed = wait == ring::kAlarm;
        }
    }
    return made_of(claim);
}

// Half a second without a wake-up. The trainer may have died, or somebody died or was stopped
// between giving an index back and saying so: look at everything again.
void ProducerCore::look_after_alarm() {
    part_.forget_last_look();
    part_.look_at_trainer();
    memory_.returns = ~std::uint64_t{0};
}

void ProducerCore::publish(std::uint64_t index, std::uint64_t word,
                           std::span<const std::int64_t> lengths) {
    if (part_.is_finished()) throw_revoked(index);  // its slot may be another's by now
    if (lengths.size() != fields_.size()) refuse_lengths(index, lengths);
    std::uint64_t payload = 0;
    for (std::size_t i = 0; i < lengths.size(); ++i) {
        const auto length = static_cast<std::uint64_t>(lengths[i]);  // below zero: over every one
        if (length > fields_[i].capacity) refuse_lengths(index, lengths);
        payload += length * fields_[i].element_bytes;
    }
    if (!protocol_.publish(index, word, lengths)) throw_revoked(index);
    raise_own(cell_.published);
    raise_own(cell_.payload_bytes, payload);
}

void ProducerCore::refuse_lengths(std::uint64_t index,
                                  std::span<const std::int64_t> lengths) const {
    const Schema& schema = this->schema();
    const std::string record = "record " + std::to_string(index) + ": ";
    for (std::size_t i = 0; i < std::min(lengths.size(), schema.size()); ++i) {
        if (lengths[i] >= 0 && lengths[i] <= std::int64_t{schema[i].capacity}) continue;
        throw UsageError(record + "length " + std::to_string(lengths[i]) + " of field \"" +
                         schema[i].name + "\", wanted 0 to " + std::to_string(schema[i].capacity) +
                         " elements");
    }
    throw UsageError(record + std::to_string(lengths.size()) + " lengths, wanted " +
                     std::to_string(schema.size()) + ": " + schema.to_string());
}

void ProducerCore::skip(std::uint64_t index, std::uint64_t word, std::string_view reason) {
    if (part_.is_finished()) throw_revoked(index);
    if (!protocol_.skip(index, word, {HoleKind::skipped, std::string(reason)})) {
        throw_revoked(index);
    }
    raise_own(cell_.skipped);
}

void ProducerCore::drop(std::uint64_t index, std::uint64_t word) noexcept {
    if (part_.is_finished() || !part_.is_ours()) return;  // given back by finish(), or the parent's
    bool came_back = false;
    if (!protocol_.give_back(index, word, came_back)) return;  // taken back already: finished
    raise_own(cell_.dropped);
    if (came_back) cell_.returned.fetch_add(1, std::memory_order_relaxed);
}

void ProducerCore::throw_revoked(std::uint64_t index) const {
    throw Error(
        "ring \"" + description().name + "\": record " + std::to_string(index) +
        (part_.is_finished() ? " was given back by finish()" : " is no longer this producer's"));
}

}  // namespace detail

// ---- ClaimedRecord ----

ClaimedRecord& ClaimedRecord::operator=(ClaimedRecord&& other) noexcept {
    std::swap(core_, other.core_);
    std::swap(fields_, other.fields_);
    std::swap(slot_, other.slot_);
    std::swap(index_, other.index_);
    std::swap(word_, other.word_);
    std::swap(floor_, other.floor_);
    return *this;
}

detail::ProducerCore& ClaimedRecord::claimed() const {
    if (core_ == nullptr) {
        throw UsageError("record " + std::to_string(index_) +
                         ": published, skipped or moved away already");
    }
    return *core_;
}

const Schema& ClaimedRecord::schema() const {
    return claimed().schema();
}

std::uint64_t ClaimedRecord::epoch() const {
    return claimed().description().epoch_of(index_, floor_);
}

std::uint64_t ClaimedRecord::item() const {
    return claimed().description().item_of(index_, floor_);
}

std::uint32_t ClaimedRecord::attempt() const noexcept {
    return ring::attempts_of(word_);
}

std::span<std::byte> ClaimedRecord::field_bytes(std::size_t field) {
    if (core_ == nullptr || field >= fields_.size()) refuse_field(field, DType::u8);
    return {row(field), std::size_t{fields_[field].capacity} * fields_[field].element_bytes};
}

void ClaimedRecord::refuse_field(std::size_t field, DType wanted) const {
    schema().expect(field, wanted);
    throw UsageError("field " + std::to_string(field));  // expect() has thrown
}

void ClaimedRecord::publish_lengths(std::span<const std::int64_t> lengths) {
    claimed().publish(index_, word_, lengths);
    core_ = nullptr;
}

void ClaimedRecord::skip(std::string_view reason) {
    claimed().skip(index_, word_, reason);
    core_ = nullptr;
}

void ClaimedRecord::drop() noexcept {
    std::exchange(core_, nullptr)->drop(index_, word_);
}

// ---- Producer ----

Producer::Producer(std::unique_ptr<detail::ProducerCore> core)
    : core_(std::move(core)), exceptions_at_birth_(std::uncaught_exceptions()) {}

Producer::Producer(Producer&&) noexcept = default;

Producer& Producer::operator=(Producer&& other) noexcept {
    std::swap(core_, other.core_);
    std::swap(exceptions_at_birth_, other.exceptions_at_birth_);
    return *this;
}

Producer::~Producer() {
    if (core_) core_->finish(std::uncaught_exceptions() > exceptions_at_birth_);
}

Producer Producer::attach(std::string_view name, const AttachOptions& options) {
    return Producer(std::make_unique<detail::ProducerCore>(
        detail::attach(name, options, ring::Role::producer)));
}

Producer Producer::attach(std::string_view name, std::chrono::milliseconds timeout) {
    return attach(name, AttachOptions{.timeout = timeout});
}

const Schema& Producer::schema() const noexcept {
    return core_->schema();
}

Result<ClaimedRecord> Producer::claim() {
    return core_->claim(std::nullopt);
}

Result<ClaimedRecord> Producer::claim_for(std::chrono::nanoseconds timeout) {
    return core_->claim(ring::deadline_after(timeout));
}

Result<ClaimedRecord> Producer::try_claim() {
    return core_->try_claim();
}

Outcome Producer::put(std::span<const float> floats, std::span<const std::int32_t> ints) {
    const Schema& schema = core_->schema();
    if (schema.size() != 2 || schema[0].dtype != DType::f32 || schema[1].dtype != DType::i32) {
        throw UsageError("put(floats, ints) wants a schema of one f32 and one i32 field, found " +
                         schema.to_string());
    }
    // Before the claim: a claimed record that is then refused would be given back for nothing.
    if (floats.size() > schema[0].capacity || ints.size() > schema[1].capacity) {
        throw UsageError("put of " + std::to_string(floats.size()) + " floats and " +
                         std::to_string(ints.size()) + " ints, wanted at most " +
                         schema.to_string());
    }
    auto record = claim();
    if (!record) return record.outcome();
    std::copy(floats.begin(), floats.end(), record->field<float>(0).begin());
    std::copy(ints.begin(), ints.end(), record->field<std::int32_t>(1).begin());
    record->publish(floats.size(), ints.size());
    return Outcome::ready;
}

void Producer::finish() noexcept {
    core_->finish(false);
}

}  // namespace headrace
