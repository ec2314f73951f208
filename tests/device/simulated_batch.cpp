#include "device/simulated_batch.hpp"

#include <algorithm>
#include <cstring>

namespace headrace::device {

SimulatedBatch::SimulatedBatch(const CopyForm& form, std::shared_ptr<CopyStream> host,
                               const BatchPlan& plan, const BatchTarget& target,
                               std::mt19937_64& random)
    : form_(form),
      host_(std::move(host)),
      theirs_(plan),
      target_(target),
      head_(plan.head.begin(), plan.head.end()),
      slots_(plan.slots.begin(), plan.slots.end()),
      plan_(plan) {
    plan_.slots = slots_;
    plan_.head = head_;
    for (const FieldPlan& field : plan.fields) {
        lengths_.emplace_back(field.lengths.begin(), field.lengths.end());
    }
    for (std::size_t i = 0; i < plan_.fields.size(); ++i) {
        FieldPlan& field = plan_.fields[i];
        field.lengths = lengths_[i];
        field.offsets = {head_.data() + field.offsets_at, field.offsets.size(),
                         field.offsets.wide()};
    }
    constexpr std::size_t kMostPieces = 4;
    const std::size_t pieces = std::min(slots_.size(), 1 + random() % kMostPieces);
    for (std::size_t i = 0; i < pieces; ++i) {
        pieces_.emplace_back(slots_.size() * i / pieces, slots_.size() * (i + 1) / pieces);
    }
    pieces_.emplace_back(kHead, kHead);
    std::shuffle(pieces_.begin(), pieces_.end(), random);
}

std::uint64_t SimulatedBatch::payload_bytes() const {
    std::uint64_t bytes = 0;
    for (std::size_t i = 0; i < plan_.fields.size(); ++i) {
        bytes += static_cast<std::uint64_t>(plan_.fields[i].offsets.back()) *
                 form_.fields[i].element_bytes;
    }
    return bytes;
}

bool SimulatedBatch::is_unchanged() const {
    const auto same = [](const auto& a, const auto& b) {
        return std::equal(a.begin(), a.end(), b.begin(), b.end());
    };
    if (!same(theirs_.slots, slots_) || !same(theirs_.head, head_)) return false;
    for (std::size_t i = 0; i < lengths_.size(); ++i) {
        if (!same(theirs_.fields[i].lengths, lengths_[i])) return false;
    }
    return true;
}

// Bytes of the first so many records of a field, in the target.
std::size_t SimulatedBatch::field_bytes(std::size_t i, std::size_t records) const {
    const FieldPlan& field = plan_.fields[i];
    const std::size_t elements = field.width != 0 || records == 0
                                     ? static_cast<std::size_t>(field.width) * records
                                     : static_cast<std::size_t>(field.offsets[records]);
    return elements * form_.fields[i].element_bytes;
}

std::vector<Simulator::Access> SimulatedBatch::writes() const {
    std::vector<Simulator::Access> accesses{{target_.head, head_.size(), true}};
    for (std::size_t i = 0; i < plan_.fields.size(); ++i) {
        accesses.push_back({target_.values[i], field_bytes(i, slots_.size()), true});
    }
    return accesses;
}

Simulator::Access SimulatedBatch::reads_head() const {
    return {theirs_.head.data(), theirs_.head.size(), false};
}

void SimulatedBatch::set_staging(std::shared_ptr<std::vector<std::byte>> staging) {
    staging_ = std::move(staging);
    staged_ = target_;
    for (std::size_t i = 0; i < staged_.values.size(); ++i) {
        staged_.values[i] = staging_->data() + (target_.values[i] - target_.values[0]);
    }
}

void SimulatedBatch::fill_target_with_rubbish() const {
    constexpr int kRubbish = 0xE7;
    for (const Simulator::Access& access : writes()) {
        std::memset(const_cast<void*>(access.data), kRubbish, access.bytes);
    }
}

void SimulatedBatch::bring(std::size_t piece) const {
    const auto [first, last] = pieces_[piece];
    if (first == kHead) {
        std::memcpy(target_.head, head_.data(), head_.size());
        return;
    }
    const BatchTarget& whole = staging_ ? staged_ : target_;
    // A batch of its own; an empty head, which is copied as nothing.
    BatchPlan part{.slots = plan_.slots.subspan(first, last - first),
                   .slots_at = plan_.slots_at,
                   .head = plan_.head.first(0),
                   .fields = plan_.fields};
    BatchTarget to = whole;
    for (std::size_t i = 0; i < part.fields.size(); ++i) {
        FieldPlan& field = part.fields[i];
        field.lengths = field.lengths.subspan(first, last - first);
        const std::size_t one = Offsets::bytes_of_one(field.offsets.wide());
        field.offsets = {field.offsets.data() + first * one, last - first + 1,
                         field.offsets.wide()};
        // Rows count from the batch's first one, offsets from its values' beginning.
        if (field.width != 0) to.values[i] += field_bytes(i, first);
    }
    // It records nothing, for it is complete at once.
    struct : Event {
    } none;
    host_->enqueue(part, to, none);
}

void SimulatedBatch::bring_values() const {
    for (std::size_t piece = 0; piece < pieces_.size(); ++piece) {
        if (pieces_[piece].first != kHead) bring(piece);
    }
}

void SimulatedBatch::unpack(std::size_t piece) const {
    const auto [first, last] = pieces_[piece];
    if (first == kHead) return;
    for (std::size_t i = 0; i < plan_.fields.size(); ++i) {
        const std::size_t begin = field_bytes(i, first);
        const std::size_t end = field_bytes(i, last);
        if (begin == end) continue;
        std::memcpy(target_.values[i] + begin, staged_.values[i] + begin, end - begin);
    }
}

void SimulatedBatch::bring_from_staging(std::size_t piece) const {
    pieces_[piece].first == kHead ? bring(piece) : unpack(piece);
}

}  // namespace headrace::device
