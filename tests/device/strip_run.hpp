// A sample that lies on a device as the layouts rows or packed have it, and memory of the trainer's
// that it is stripped into, with something behind it. For the tests of every device.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

#include "device/backend.hpp"
#include "device/sample_batch.hpp"

namespace headrace::device {

class StripRun {
  public:
    // Where memory of the device is for the host.
    using PlaceOf = std::byte* (*)(const void* address);

    // `batch` says layout and offsets, and outlives it.
    StripRun(const SampleBatch& batch, Backend& backend, PlaceOf place_of,
             bool wants_offsets = true)
        : batch_(batch),
          backend_(backend),
          place_of_(place_of),
          wants_offsets_(wants_offsets),
          values_(backend.allocate(batch.values_bytes())),
          head_(backend.allocate(batch.head_bytes())) {
        Bytes head(batch.head_bytes());
        batch.write_head(head.data());
        std::copy(head.begin(), head.end(), place_of_(head_->data()));
        for (std::size_t i = 0; i < batch.fields.size(); ++i) {
            write_values(i);
            const SampleField& field = batch.fields[i];
            to_values_.push_back(make_target(field.payload_bytes()));
            to_offsets_.push_back(make_target(offsets_bytes()));
            const bool is_packed = batch.layout == Layout::packed;
            const bool is_empty = field.payload_bytes() == 0;
            fields_.push_back({.values = values_->data() + batch.values_at(i),
                               .row_bytes = is_packed ? 0 : field.row_bytes,
                               .offsets = head_->data() + batch.offsets_at(i),
                               .total = field.payload_bytes() / field.element_bytes,
                               .element_bytes = field.element_bytes,
                               .to_values = is_empty ? nullptr : to_values_[i]->data(),
                               .to_offsets = wants_offsets ? to_offsets_[i]->data() : nullptr});
        }
    }

    void strip(StreamRef stream) {
        backend_.strip(
            {.records = batch_.size(), .wide_offsets = batch_.wide_offsets, .fields = fields_},
            stream);
        for (StripField& field : fields_) field = {};  // nobody looks at the plan any more
    }

    // To the bit, and not a byte behind.
    void expect_stripped() const {
        for (std::size_t i = 0; i < batch_.fields.size(); ++i) {
            const Bytes wanted = batch_.payload(batch_.fields[i]);
            expect_target(*to_values_[i], wanted);
            Bytes head(batch_.head_bytes());
            batch_.write_head(head.data());
            const auto offsets = head.begin() + static_cast<std::ptrdiff_t>(batch_.offsets_at(i));
            const Bytes wanted_offsets(offsets,
                                       offsets + static_cast<std::ptrdiff_t>(offsets_bytes()));
            expect_target(*to_offsets_[i], wants_offsets_ ? wanted_offsets : Bytes{});
        }
    }

  private:
    static constexpr std::byte kUntouched{0xcd};
    static constexpr std::size_t kBehind = 256;

    std::size_t offsets_bytes() const {
        return (batch_.size() + 1) * Offsets::bytes_of_one(batch_.wide_offsets);
    }

    std::unique_ptr<Buffer> make_target(std::size_t bytes) {
        auto target = backend_.allocate(bytes + kBehind);
        std::fill_n(place_of_(target->data()), bytes + kBehind, kUntouched);
        return target;
    }

    // Rows with what the ring has in their tails.
    void write_values(std::size_t i) {
        const SampleField& field = batch_.fields[i];
        std::byte* const to = place_of_(values_->data()) + batch_.values_at(i);
        if (batch_.layout == Layout::packed) {
            const Bytes payload = batch_.payload(field);
            std::copy(payload.begin(), payload.end(), to);
            return;
        }
        for (std::size_t record = 0; record < batch_.size(); ++record) {
            const std::byte* const from =
                batch_.rows(field) + batch_.slots[record] * field.row_bytes;
            std::copy_n(from, field.row_bytes, to + record * field.row_bytes);
        }
    }

    void expect_target(const Buffer& target, Bytes wanted) const {
        const std::byte* const found = place_of_(target.data());
        wanted.resize(wanted.size() + kBehind, kUntouched);
        EXPECT_EQ(Bytes(found, found + wanted.size()), wanted);
    }

    const SampleBatch& batch_;
    Backend& backend_;
    PlaceOf place_of_;
    bool wants_offsets_;
    std::unique_ptr<Buffer> values_, head_;
    std::vector<std::unique_ptr<Buffer>> to_values_, to_offsets_;
    std::vector<StripField> fields_;
};

}  // namespace headrace::device
