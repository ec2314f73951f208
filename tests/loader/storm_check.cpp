#include "loader/storm_check.hpp"

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "loader/storm_content.hpp"

namespace headrace::storm {

namespace {

constexpr std::uint64_t kAlignment = 256;

[[noreturn]] void complain(const Batch& batch, const std::string& about) {
    throw std::logic_error("batch of " + std::to_string(batch.first_index()) + " to " +
                           std::to_string(batch.last_index()) + ": " + about);
}

std::vector<std::uint64_t> records_of(std::uint64_t first, std::uint64_t last) {
    std::vector<std::uint64_t> records;
    for (std::uint64_t index = first; index < last; ++index) {
        if (!is_hole(index)) records.push_back(index);
    }
    return records;
}

struct Shape {
    std::int64_t longest = 0, total = 0, width = 0;
};

Shape shape_of(const Field& field, std::size_t number, Layout layout,
               const std::vector<std::uint64_t>& records) {
    Shape shape;
    for (const std::uint64_t index : records) {
        const std::int64_t length = length_of(index, number, field.capacity);
        shape.longest = std::max(shape.longest, length);
        shape.total += length;
    }
    if (layout == Layout::trimmed) shape.width = shape.longest;
    if (layout == Layout::padded) shape.width = field.capacity;
    if (layout == Layout::rows) {
        // As the ring has them: short rows keep 16 bytes, others a cache line.
        const auto element = static_cast<std::int64_t>(bytes_of(field.dtype));
        const std::int64_t bytes = field.capacity * element;
        const std::int64_t step = bytes < 64 ? 16 : 64;
        shape.width = (bytes + step - 1) / step * step / element;
    }
    return shape;
}

std::size_t bytes_of(const Field& field, const Shape& shape, std::size_t records) {
    const std::int64_t elements =
        shape.width != 0 ? shape.width * static_cast<std::int64_t>(records) : shape.total;
    return static_cast<std::size_t>(elements) * bytes_of(field.dtype);
}

}  // namespace

std::uint64_t batch_bytes(const Plan& plan, std::uint64_t first, std::uint64_t last) {
    const std::vector<std::uint64_t> records = records_of(first, last);
    const Schema schema = schema_of(plan.schema);
    std::uint64_t bytes = 0;
    for (std::size_t i = 0; i < schema.size(); ++i) {
        const Shape shape = shape_of(schema[i], i, plan.layout, records);
        const std::uint64_t of_field = bytes_of(schema[i], shape, records.size());
        bytes += (of_field + kAlignment - 1) / kAlignment * kAlignment;
    }
    return bytes;
}

Check::Check(const Plan& plan, const Batch& batch)
    : schema_(schema_of(plan.schema)),
      first_(batch.first_index()),
      wide_(plan.wide_offsets),
      has_tails_(plan.layout != Layout::rows),
      indices_(records_of(batch.first_index(), batch.last_index())),
      pads_(schema_.size()) {
    if (plan.pad) pads_[0] = schema::encode(schema_[0].dtype, *plan.pad, "pad");
    check_host(batch);
    for (std::size_t i = 0; i < schema_.size(); ++i) {
        const Shape shape = shape_of(schema_[i], i, plan.layout, indices_);
        if (batch.longest(i) != shape.longest || batch.total(i) != shape.total ||
            batch.width(i) != shape.width) {
            complain(batch, "the shape of field " + schema_[i].name);
        }
        const void* const offsets = wide_ ? static_cast<const void*>(batch.offsets<std::int64_t>(i))
                                          : batch.offsets<std::int32_t>(i);
        fields_.push_back({.values = static_cast<std::byte*>(batch.data(i)),
                           .offsets = static_cast<const std::byte*>(offsets),
                           .bytes = bytes_of(schema_[i], shape, indices_.size()),
                           .width = shape.width});
    }
}

Check::Check(const Plan& plan, const Batch& batch, std::span<const StripTarget> targets)
    : Check(plan, batch) {
    for (std::size_t i = 0; i < fields_.size(); ++i) {
        fields_[i] = {.values = static_cast<std::byte*>(targets[i].values),
                      .offsets = static_cast<const std::byte*>(targets[i].offsets),
                      .bytes = static_cast<std::size_t>(batch.total(i)) *
                               headrace::bytes_of(schema_[i].dtype),
                      .width = 0};
    }
}

void Check::check_host(const Batch& batch) {
    if (!std::equal(indices_.begin(), indices_.end(), batch.indices().begin(),
                    batch.indices().end())) {
        complain(batch, "its indices");
    }
    std::uint64_t index = batch.first_index();
    for (const Hole& hole : batch.holes()) {
        while (index < batch.last_index() && !is_hole(index)) ++index;
        if (hole.index != index++) complain(batch, "hole " + std::to_string(hole.index));
    }
    if (batch.size() + batch.holes().size() != batch.last_index() - batch.first_index()) {
        complain(batch, "records and holes together");
    }
}

std::size_t Check::offset_bytes() const noexcept {
    return (indices_.size() + 1) * (wide_ ? sizeof(std::int64_t) : sizeof(std::int32_t));
}

std::vector<Simulator::Access> Check::touches(bool writes) const {
    std::vector<Simulator::Access> accesses;
    for (const FieldCheck& field : fields_) {
        accesses.push_back({field.values, field.bytes, writes});
        accesses.push_back({field.offsets, offset_bytes(), false});
    }
    return accesses;
}

void Check::scribble() const {
    for (const FieldCheck& field : fields_) std::memset(field.values, 0x5C, field.bytes);
}

std::string Check::look() const {
    for (std::size_t i = 0; i < fields_.size(); ++i) {
        std::string wrong = look_at_offsets(i);
        if (wrong.empty()) wrong = look_at_values(i);
        if (wrong.empty()) continue;
        return "batch of " + std::to_string(first_) + ": " + wrong + " of field " + schema_[i].name;
    }
    return {};
}

std::string Check::look_at_offsets(std::size_t i) const {
    std::int64_t wanted = 0;
    for (std::size_t record = 0; record <= indices_.size(); ++record) {
        std::int64_t found = 0;
        if (wide_) {
            std::memcpy(&found, fields_[i].offsets + record * sizeof found, sizeof found);
        } else {
            std::int32_t narrow = 0;
            std::memcpy(&narrow, fields_[i].offsets + record * sizeof narrow, sizeof narrow);
            found = narrow;
        }
        if (found != wanted) return "offset " + std::to_string(record);
        if (record < indices_.size()) {
            wanted += length_of(indices_[record], i, schema_[i].capacity);
        }
    }
    return {};
}

std::string Check::look_at_values(std::size_t i) const {
    const std::size_t element = headrace::bytes_of(schema_[i].dtype);
    std::vector<std::byte> wanted(schema_[i].capacity * element);
    const std::byte* at = fields_[i].values;
    for (std::size_t record = 0; record < indices_.size(); ++record) {
        const std::size_t length = length_of(indices_[record], i, schema_[i].capacity);
        std::size_t elements = length;
        if (fields_[i].width != 0) elements = static_cast<std::size_t>(fields_[i].width);
        write_content(indices_[record], i, std::span(wanted).first(length * element));
        const std::size_t looked_at = has_tails_ ? elements : length;
        for (std::size_t pad = length; pad < looked_at; ++pad) {
            std::memcpy(wanted.data() + pad * element, pads_[i].data(), element);
        }
        if (looked_at != 0 && std::memcmp(at, wanted.data(), looked_at * element) != 0) {
            return "record " + std::to_string(record);
        }
        at += elements * element;
    }
    return {};
}

}  // namespace headrace::storm
