#include "headrace/batch.hpp"

#include <utility>

#include "headrace/error.hpp"
#include "loader/loader_core.hpp"

namespace headrace {

namespace {

const detail::FieldShape& shape_of(const detail::BatchSlot& slot, std::size_t field) {
    if (field >= slot.shapes.size()) {
        throw UsageError("batch: no field number " + std::to_string(field) + ", there are " +
                         std::to_string(slot.shapes.size()));
    }
    return slot.shapes[field];
}

void expect_offsets(const detail::BatchForm& form, DType wanted) {
    const DType found = form.wide_offsets ? DType::i64 : DType::i32;
    if (found == wanted) return;
    throw UsageError("batch: offsets are " + std::string(name_of(found)) + ", asked for as " +
                     std::string(name_of(wanted)) + "; see LoaderOptions::offsets");
}

}  // namespace

Batch::Batch(std::shared_ptr<detail::LoaderCore> core, detail::BatchSlot* slot)
    : core_(std::move(core)), slot_(slot) {}

Batch::Batch(Batch&& other) noexcept
    : core_(std::move(other.core_)), slot_(std::exchange(other.slot_, nullptr)) {}

Batch& Batch::operator=(Batch&& other) noexcept {
    std::swap(core_, other.core_);
    std::swap(slot_, other.slot_);
    return *this;
}

Batch::~Batch() {
    release();
}

void Batch::release() noexcept {
    if (slot_ == nullptr) return;
    if (!core_->is_this_process()) {  // a forked child has neither ring nor device; see ~Loader
        slot_ = nullptr;
        new std::shared_ptr<detail::LoaderCore>(std::move(core_));
        return;
    }
    core_->give_back(*std::exchange(slot_, nullptr));
    core_.reset();
}

std::size_t Batch::size() const noexcept {
    return slot_->taken.indices.size();
}
Layout Batch::layout() const noexcept {
    return core_->form().layout;
}
const Device& Batch::device() const noexcept {
    return core_->options().device;
}
const Schema& Batch::schema() const noexcept {
    return core_->form().schema;
}
std::uint64_t Batch::epoch() const noexcept {
    return slot_->epoch;
}
std::uint64_t Batch::first_index() const noexcept {
    return slot_->range.first;
}
std::uint64_t Batch::last_index() const noexcept {
    return slot_->range.last;
}
std::span<const std::uint64_t> Batch::indices() const noexcept {
    return slot_->taken.indices;
}
std::span<const std::uint64_t> Batch::items() const noexcept {
    return slot_->items;
}
const std::vector<Hole>& Batch::holes() const noexcept {
    return slot_->taken.holes;
}

DType Batch::offsets_dtype() const noexcept {
    return core_->form().wide_offsets ? DType::i64 : DType::i32;
}

void* Batch::data(std::size_t field) const {
    shape_of(*slot_, field);
    return slot_->target.values[field];
}

const void* Batch::offsets_data(std::size_t field, DType wanted) const {
    shape_of(*slot_, field);
    expect_offsets(core_->form(), wanted);
    return slot_->target.head + core_->form().offsets_at(field);
}

const void* Batch::host_offsets_data(std::size_t field, DType wanted) const {
    shape_of(*slot_, field);
    expect_offsets(core_->form(), wanted);
    return slot_->host_head->data() + core_->form().offsets_at(field);
}

std::int64_t Batch::longest(std::size_t field) const {
    return shape_of(*slot_, field).longest;
}
std::int64_t Batch::total(std::size_t field) const {
    return shape_of(*slot_, field).total;
}
std::int64_t Batch::width(std::size_t field) const {
    return shape_of(*slot_, field).width;
}

void Batch::used_on(StreamRef stream) {
    core_->use(*slot_, stream);
}

void Batch::strip_into(std::span<const StripTarget> targets, StreamRef stream) {
    if (slot_ == nullptr) throw UsageError("batch: strip_into of one that was given back");
    core_->strip(*slot_, targets, stream);
}

}  // namespace headrace
