// How a batch goes into memory of the trainer's: Batch::strip_into.
#include <array>
#include <string>

#include "headrace/error.hpp"
#include "loader/loader_core.hpp"

namespace headrace::detail {

// Everything that can be wrong with what was asked for. Nothing has been done yet.
void LoaderCore::expect_strippable(const BatchSlot& slot,
                                   std::span<const StripTarget> targets) const {
    if (form_.layout != Layout::rows && form_.layout != Layout::packed) {
        throw UsageError("batch: strip_into of layout " + std::string(name_of(form_.layout)) +
                         ", wanted rows or packed; choose LoaderOptions::layout = Layout::rows");
    }
    if (targets.size() != form_.schema.size()) {
        throw UsageError("batch: strip_into with " + std::to_string(targets.size()) +
                         " targets, wanted one for each of " + std::to_string(form_.schema.size()) +
                         " fields");
    }
    const std::size_t alignment = backend_->strip_alignment();
    for (std::size_t i = 0; i < targets.size(); ++i) {
        if (slot.shapes[i].total == 0) continue;
        const auto what = [&] {
            return "batch: strip_into: field \"" + form_.schema[i].name + "\": ";
        };
        if (targets[i].values == nullptr) {
            throw UsageError(what() + "no memory for its values, wanted room for " +
                             std::to_string(slot.shapes[i].total) + " elements");
        }
        const std::size_t beside = reinterpret_cast<std::uintptr_t>(targets[i].values) % alignment;
        if (beside != 0) {
            throw UsageError(what() + "its values lie " + std::to_string(beside) +
                             " bytes behind a multiple of " + std::to_string(alignment) +
                             ", wanted at one");
        }
    }
}

void LoaderCore::strip(BatchSlot& slot, std::span<const StripTarget> targets, StreamRef stream) {
    expect_strippable(slot, targets);
    std::array<device::StripField, kMaxFields> fields;
    for (std::size_t i = 0; i < targets.size(); ++i) {
        const std::size_t element = bytes_of(form_.schema[i].dtype);
        fields[i] = {.values = slot.target.values[i],
                     .row_bytes = static_cast<std::uint64_t>(slot.shapes[i].width) * element,
                     .offsets = slot.target.head + form_.offsets_at(i),
                     .total = static_cast<std::uint64_t>(slot.shapes[i].total),
                     .element_bytes = element,
                     .to_values = static_cast<std::byte*>(targets[i].values),
                     .to_offsets = static_cast<std::byte*>(targets[i].offsets)};
    }
    // Before the work: what of it has been enqueued when something fails is waited for, too.
    use(slot, stream);
    const device::Stage stage(*backend_, "headrace: strip");
    try {
        if (!was_handed_to(slot, stream)) backend_->wait(stream, *slot.filling().filled);
        backend_->strip({.records = slot.taken.indices.size(),
                         .wide_offsets = form_.wide_offsets,
                         .fields = std::span(fields).first(targets.size())},
                        stream);
    } catch (...) {
        fail(std::current_exception());
        rethrow_error();
    }
}

// Whether it is the stream that next() has made wait for the batch: the first that used it.
bool LoaderCore::was_handed_to(const BatchSlot& slot, StreamRef stream) {
    const std::lock_guard lock(mutex_);
    return slot.streams.front().native == stream.native;
}

}  // namespace headrace::detail
