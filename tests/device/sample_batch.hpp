// Random records in rows as a ring has them, a batch of some of them, and what each layout of it
// must be, said as simply as can be. For the tests of every device.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <random>
#include <span>
#include <vector>

#include "device/backend.hpp"

namespace headrace::device {

using Bytes = std::vector<std::byte>;

// Bytes of a batch's values that may be anything: the tails of the layout rows.
struct AnyBytes {
    std::size_t at = 0, bytes = 0;
};
inline void clear(Bytes& values, const std::vector<AnyBytes>& parts) {
    for (const AnyBytes& part : parts) {
        std::fill_n(values.begin() + static_cast<std::ptrdiff_t>(part.at), part.bytes,
                    std::byte{0});
    }
}

struct SampleField {
    std::size_t element_bytes = 4;
    std::uint32_t capacity = 0;
    std::uint64_t row_bytes = 0;
    std::size_t rows_at = 0;  // in SampleBatch::memory
    std::vector<std::uint32_t> lengths;
    schema::Element pad{};

    std::int64_t longest() const {
        return lengths.empty() ? 0 : *std::max_element(lengths.begin(), lengths.end());
    }
    std::int64_t width(Layout layout) const {
        switch (layout) {
            case Layout::packed: return 0;
            case Layout::trimmed: return longest();
            case Layout::padded: return capacity;
            case Layout::rows: break;
        }
        return static_cast<std::int64_t>(row_bytes / element_bytes);
    }
    std::vector<std::int64_t> offsets() const {
        std::vector<std::int64_t> sums{0};
        for (const std::uint32_t length : lengths) sums.push_back(sums.back() + length);
        return sums;
    }
    std::uint64_t payload_bytes() const {
        return static_cast<std::uint64_t>(offsets().back()) * element_bytes;
    }
};

class SampleBatch {
  public:
    static constexpr std::size_t kAlignment = 256;

    // Moving keeps the memory where it is; a copy would have its rows elsewhere than it says.
    SampleBatch() = default;
    SampleBatch(SampleBatch&&) = default;
    SampleBatch& operator=(SampleBatch&&) = default;
    SampleBatch(const SampleBatch&) = delete;
    SampleBatch& operator=(const SampleBatch&) = delete;
    ~SampleBatch() = default;

    std::vector<SampleField> fields;
    std::vector<std::uint32_t> slots;
    Layout layout = Layout::packed;
    bool wide_offsets = false;

    // `ring` slots, `records` of them in consecutive places, as a loader takes them, but for some
    // holes; fields of all widths.
    static SampleBatch random(std::mt19937_64& random, std::size_t ring, std::size_t records,
                              std::uint32_t most_capacity = 50) {
        SampleBatch batch;
        std::size_t at = random() % ring;
        for (std::size_t i = 0; i < records; ++i) {
            batch.slots.push_back(static_cast<std::uint32_t>(at % ring));
            at += random() % 8 == 0 ? 2u : 1u;
        }
        for (const std::size_t width : {1u, 2u, 4u, 8u}) {
            const auto capacity = static_cast<std::uint32_t>(1 + random() % most_capacity);
            batch.add_field(random, width, capacity, ring);
        }
        batch.write_memory(random);
        return batch;
    }

    // Every record of every field as long as `length_of` says.
    template <class LengthOf>
    void set_lengths(const LengthOf& length_of) {
        for (SampleField& field : fields) {
            for (std::uint32_t& length : field.lengths) length = length_of(field);
        }
    }

    std::size_t size() const { return slots.size(); }
    // The rows, as they lie in a ring; a device may register them. Aligned to a page.
    std::span<std::byte> memory() { return {memory_.data() + memory_at_, memory_bytes_}; }
    const std::byte* rows(const SampleField& field) const {
        return memory_.data() + memory_at_ + field.rows_at;
    }

    CopyForm form(Transfer transfer = Transfer::automatic) const {
        CopyForm form{.layout = layout,
                      .transfer = transfer,
                      .batch = static_cast<std::uint32_t>(std::max<std::size_t>(1, size())),
                      .values_bytes = values_bytes(),
                      .fields = {}};
        for (const SampleField& field : fields) {
            form.fields.push_back({.element_bytes = field.element_bytes,
                                   .capacity = field.capacity,
                                   .row_bytes = field.row_bytes,
                                   .rows = rows(field),
                                   .pad = field.pad});
        }
        return form;
    }

    // Values: the fields one behind the other, each at a multiple of 256 bytes.
    std::size_t values_at(std::size_t field) const {
        std::size_t at = 0;
        for (std::size_t i = 0; i < field; ++i) at += values_bytes(i);
        return at;
    }
    std::size_t values_bytes(std::size_t i) const {
        const SampleField& field = fields[i];
        const std::size_t row =
            layout == Layout::rows ? field.row_bytes : field.capacity * field.element_bytes;
        return aligned(std::max<std::size_t>(1, size()) * row);
    }
    std::size_t values_bytes() const { return values_at(fields.size()); }

    std::size_t offsets_at(std::size_t field) const {
        return field * aligned((size() + 1) * Offsets::bytes_of_one(wide_offsets));
    }
    std::size_t head_bytes() const {
        return offsets_at(fields.size()) + aligned(size() * sizeof(std::uint32_t));
    }
    // `head` is [head_bytes()], quick for the device to copy from, and stays.
    void write_head(std::byte* head) const {
        std::memset(head, 0, head_bytes());
        for (std::size_t i = 0; i < fields.size(); ++i) {
            const std::vector<std::int64_t> sums = fields[i].offsets();
            for (std::size_t record = 0; record < sums.size(); ++record) {
                const auto narrow = static_cast<std::int32_t>(sums[record]);
                std::byte* const to =
                    head + offsets_at(i) + record * Offsets::bytes_of_one(wide_offsets);
                if (wide_offsets) {
                    std::memcpy(to, &sums[record], sizeof sums[record]);
                } else {
                    std::memcpy(to, &narrow, sizeof narrow);
                }
            }
        }
        if (!slots.empty()) {
            std::memcpy(head + offsets_at(fields.size()), slots.data(),
                        slots.size() * sizeof(std::uint32_t));
        }
    }
    BatchPlan plan(const std::byte* head) const {
        BatchPlan plan{.slots = slots,
                       .slots_at = offsets_at(fields.size()),
                       .head = {head, head_bytes()},
                       .fields = {}};
        for (std::size_t i = 0; i < fields.size(); ++i) {
            plan.fields.push_back({.lengths = fields[i].lengths,
                                   .offsets = {head + offsets_at(i), size() + 1, wide_offsets},
                                   .offsets_at = offsets_at(i),
                                   .longest = fields[i].longest(),
                                   .width = fields[i].width(layout)});
        }
        return plan;
    }
    BatchTarget target(std::byte* head, std::byte* values) const {
        BatchTarget target{.head = head, .values = {}};
        for (std::size_t i = 0; i < fields.size(); ++i) {
            target.values.push_back(values + values_at(i));
        }
        return target;
    }

    // What the whole memory of the values must be; what no field owns is `untouched`, and what may
    // be anything 0.
    Bytes expected_values(std::byte untouched) const {
        Bytes all;
        for (std::size_t i = 0; i < fields.size(); ++i) {
            const Bytes field = expected_values(fields[i]);
            all.insert(all.end(), field.begin(), field.end());
            all.resize(values_at(i + 1), untouched);
        }
        return all;
    }
    std::vector<AnyBytes> any_bytes() const {
        std::vector<AnyBytes> parts;
        if (layout != Layout::rows) return parts;
        for (std::size_t i = 0; i < fields.size(); ++i) {
            for (std::size_t record = 0; record < size(); ++record) {
                const std::size_t used = fields[i].lengths[record] * fields[i].element_bytes;
                parts.push_back({values_at(i) + record * fields[i].row_bytes + used,
                                 fields[i].row_bytes - used});
            }
        }
        return parts;
    }
    // One field without its padding, whatever the layout.
    Bytes payload(const SampleField& field) const {
        Bytes all;
        for (std::size_t record = 0; record < slots.size(); ++record) {
            const std::byte* const row = rows(field) + slots[record] * field.row_bytes;
            all.insert(all.end(), row, row + field.lengths[record] * field.element_bytes);
        }
        return all;
    }
    std::uint64_t payload_bytes() const {
        std::uint64_t bytes = 0;
        for (const SampleField& field : fields) bytes += field.payload_bytes();
        return bytes;
    }

  private:
    static constexpr std::size_t kPage = 4096;
    static std::size_t aligned(std::size_t bytes) {
        return (bytes + kAlignment - 1) / kAlignment * kAlignment;
    }

    void add_field(std::mt19937_64& random, std::size_t width, std::uint32_t capacity,
                   std::size_t ring) {
        SampleField field;
        field.element_bytes = width;
        field.capacity = capacity;
        // As in a ring: short rows keep 16 bytes, others a cache line.
        const std::size_t step = capacity * width < 64 ? 16 : 64;
        field.row_bytes = (capacity * width + step - 1) / step * step;
        field.rows_at = memory_bytes_;
        memory_bytes_ += (field.row_bytes * ring + 63) / 64 * 64;
        for (std::size_t i = 0; i < slots.size(); ++i) {
            // None and all are as likely as anything between.
            const auto any = static_cast<std::uint32_t>(random() % (capacity + 1));
            field.lengths.push_back(random() % 4 == 0 ? 0 : random() % 4 == 0 ? capacity : any);
        }
        for (std::size_t i = 0; i < width; ++i) field.pad[i] = static_cast<std::byte>(random());
        fields.push_back(field);
    }

    void write_memory(std::mt19937_64& random) {
        memory_bytes_ = (memory_bytes_ + kPage - 1) / kPage * kPage;
        memory_.resize(memory_bytes_ + kPage);
        const auto address = reinterpret_cast<std::uintptr_t>(memory_.data());
        memory_at_ = (kPage - address % kPage) % kPage;
        for (std::byte& byte : memory_) byte = static_cast<std::byte>(random());
    }

    Bytes expected_values(const SampleField& field) const {
        if (layout == Layout::packed) return payload(field);
        const schema::Element tail = layout == Layout::rows ? schema::Element{} : field.pad;
        Bytes values;
        for (std::size_t record = 0; record < slots.size(); ++record) {
            const std::byte* const row = rows(field) + slots[record] * field.row_bytes;
            values.insert(values.end(), row, row + field.lengths[record] * field.element_bytes);
            for (std::int64_t i = field.lengths[record]; i < field.width(layout); ++i) {
                values.insert(values.end(), tail.begin(),
                              tail.begin() + static_cast<std::ptrdiff_t>(field.element_bytes));
            }
        }
        return values;
    }

    Bytes memory_;
    std::size_t memory_at_ = 0;
    std::size_t memory_bytes_ = 0;
};

}  // namespace headrace::device
