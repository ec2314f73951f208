#include "headrace/producer.hpp"

#include <algorithm>
#include <exception>
#include <utility>

#include "headrace/error.hpp"
#include "ring/deadline.hpp"
#include "ring/producer_core.hpp"
#include "ring/rendezvous.hpp"
#include "ring/ring_core.hpp"

namespace headrace {

namespace detail {

namespace {

// Counters with one writer need no locked instruction.
void raise(std::atomic<std::uint64_t>& counter, std::uint64_t by = 1) {
    counter.store(counter.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
}

}  // namespace

ProducerCore::ProducerCore(Attachment attachment)
    : socket_(std::move(attachment.socket)),
      trainer_pidfd_(std::move(attachment.trainer_pidfd)),
      mapping_(std::move(attachment.mapping)),
      description_(std::move(attachment.description)),
      trainer_(std::move(attachment.trainer)),
      protocol_(mapping_.bytes(), description_),
      me_(attachment.owner),
      cell_(&protocol_.producer(me_.id)),
      fields_(protocol_.rows().fields) {}

ProducerCore::ProducerCore(std::shared_ptr<RingCore> ring, const std::string& identity)
    : ring_(std::move(ring)),
      description_(ring_->description()),
      protocol_(ring_->protocol()),
      me_(ring_->enlist(identity)),
      cell_(&protocol_.producer(me_.id)),
      fields_(protocol_.rows().fields) {}

Result<ClaimedRecord> ProducerCore::made_of(const ring::Claim& claim) {
    switch (claim.state) {
        case ring::ClaimState::claimed:
            raise(cell_->claimed);
            return ClaimedRecord(this, fields_, protocol_.slot_of(claim.index), claim.index,
                                 claim.word);
        case ring::ClaimState::aborted: throw_aborted();
        case ring::ClaimState::end: return Outcome::end;
        case ring::ClaimState::nothing_yet: break;
    }
    return Outcome::timed_out;
}

Result<ClaimedRecord> ProducerCore::try_claim() {
    if (finished_) return Outcome::end;
    const ring::Claim claim = protocol_.try_claim(me_, memory_);
    if (claim.state == ring::ClaimState::nothing_yet) look_at_trainer();
    return made_of(claim);
}

Result<ClaimedRecord> ProducerCore::claim(std::optional<Clock::time_point> deadline) {
    if (finished_) return Outcome::end;
    const ring::Claim claim = protocol_.try_claim(me_, memory_);
    if (claim.state != ring::ClaimState::nothing_yet) return made_of(claim);
    return wait_and_claim(deadline);
}

Result<ClaimedRecord> ProducerCore::wait_and_claim(std::optional<Clock::time_point> deadline) {
    ring::Claim claim{ring::ClaimState::nothing_yet};
    const std::uint64_t began = ring::now_ns();
    cell_->waiting_since_ns.store(began, std::memory_order_relaxed);
    struct Account {  // also when the wait ends by an exception
        ring::ProducerCell& cell;
        std::uint64_t began;
        ~Account() {
            raise(cell.waited_ns, ring::now_ns() - began);
            cell.waiting_since_ns.store(0, std::memory_order_relaxed);
        }
    } account{*cell_, began};
    bool alarmed = false;
    ring::SleepTicket slept{};
    for (;;) {
        const ring::SleepTicket ticket = protocol_.announce_producer_sleep();
        claim = protocol_.try_claim(me_, memory_);
        if (claim.state != ring::ClaimState::nothing_yet) {
            if (alarmed && protocol_.was_due(slept, claim.index)) raise(cell_->alarms);
            break;
        }
        alarmed = false;
        slept = ticket;
        std::chrono::nanoseconds wait = ring::kAlarm;
        if (deadline) {
            wait = std::min(wait, ring::time_left(*deadline));
            if (wait.count() == 0) {
                look_at_trainer();
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
    trainer_seen_ = {};
    look_at_trainer();
    memory_.returns = ~std::uint64_t{0};
}

// At most once an alarm time, for those who poll.
void ProducerCore::look_at_trainer() {
    const Clock::time_point now = Clock::now();
    if (now - trainer_seen_ < ring::kAlarm) return;
    trainer_seen_ = now;
    if (trainer_pidfd_ && ring::is_dead(trainer_pidfd_.get())) {
        throw RingAborted("ring \"" + description_.name + "\": the trainer (" + trainer_ +
                          ") died");
    }
}

bool ProducerCore::is_ours() const noexcept {
    return made_in_.is_here();
}

void ProducerCore::publish(std::uint64_t index, std::uint64_t word,
                           std::span<const std::int64_t> lengths) {
    if (finished_) throw_revoked(index);  // its slot may be another's by now
    if (lengths.size() != fields_.size()) refuse_lengths(index, lengths);
    std::uint64_t payload = 0;
    for (std::size_t i = 0; i < lengths.size(); ++i) {
        const auto length = static_cast<std::uint64_t>(lengths[i]);  // below zero: over every one
        if (length > fields_[i].capacity) refuse_lengths(index, lengths);
        payload += length * fields_[i].element_bytes;
    }
    if (!protocol_.publish(index, word, lengths)) throw_revoked(index);
    raise(cell_->published);
    raise(cell_->payload_bytes, payload);
}

void ProducerCore::refuse_lengths(std::uint64_t index,
                                  std::span<const std::int64_t> lengths) const {
    const Schema& schema = description_.schema;
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
    if (finished_) throw_revoked(index);
    if (!protocol_.skip(index, word, {HoleKind::skipped, std::string(reason)})) {
        throw_revoked(index);
    }
    raise(cell_->skipped);
}

void ProducerCore::drop(std::uint64_t index, std::uint64_t word) noexcept {
    if (finished_ || !is_ours()) return;  // given back by finish(), or the parent's
    bool came_back = false;
    if (!protocol_.give_back(index, word, came_back)) return;  // taken back already: finished
    raise(cell_->dropped);
    if (came_back) cell_->returned.fetch_add(1, std::memory_order_relaxed);
}

void ProducerCore::finish(bool left) noexcept {
    if (std::exchange(finished_, true)) return;
    if (!is_ours()) {
        socket_.reset();  // the parent's copy goes on
        return;
    }
    if (ring_) {
        ring_->discharge(me_, left);
        return;
    }
    const ring::Farewell farewell{ring::kWireMagic,
                                  left ? ring::Farewell::left : ring::Farewell::finished};
    ring::send_message(socket_.get(), std::as_bytes(std::span(&farewell, 1)));
    socket_.reset();
}

void ProducerCore::throw_aborted() const {
    const std::string reason = protocol_.control().abort_reason.load();
    throw RingAborted("ring \"" + description_.name + "\": the trainer ended it with an error" +
                      (reason.empty() ? "" : ": " + reason));
}

void ProducerCore::throw_revoked(std::uint64_t index) const {
    throw Error("ring \"" + description_.name + "\": record " + std::to_string(index) +
                (finished_ ? " was given back by finish()" : " is no longer this producer's"));
}

}  // namespace detail

// ---- ClaimedRecord ----

ClaimedRecord& ClaimedRecord::operator=(ClaimedRecord&& other) noexcept {
    std::swap(core_, other.core_);
    std::swap(fields_, other.fields_);
    std::swap(slot_, other.slot_);
    std::swap(index_, other.index_);
    std::swap(word_, other.word_);
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
    const auto& sampler = claimed().sampler();
    return sampler ? sampler->epoch_of(index_) : 0;
}

std::uint64_t ClaimedRecord::item() const {
    const auto& sampler = claimed().sampler();
    return sampler ? sampler->item_of(index_) : index_;
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
    return Producer(std::make_unique<detail::ProducerCore>(detail::attach(name, options, false)));
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
