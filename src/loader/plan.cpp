#include "loader/plan.hpp"

#include <algorithm>
#include <cstring>
#include <limits>

#include "headrace/error.hpp"

namespace headrace::detail {

namespace {

using device::aligned;

constexpr std::uint32_t kMaxDepth = 64;

void check_offsets(const Schema& schema, const LoaderOptions& options) {
    if (options.offsets != DType::i32 && options.offsets != DType::i64) {
        throw UsageError("loader: offsets of dtype " + std::string(name_of(options.offsets)) +
                         ", wanted i32 or i64");
    }
    constexpr std::uint64_t kMost = std::numeric_limits<std::int32_t>::max();
    for (const Field& field : schema.fields()) {
        const std::uint64_t elements = std::uint64_t{options.batch} * field.capacity;
        if (elements > kMost && options.offsets == DType::i32) {
            throw UsageError("loader: a batch of " + std::to_string(options.batch) +
                             " records could hold " + std::to_string(elements) +
                             " elements of field \"" + field.name +
                             "\", wanted at most 2^31 - 1, for offsets are int32; choose "
                             "LoaderOptions::offsets = i64");
        }
    }
}

void check_sizes(const Schema& schema, std::uint32_t slots, const LoaderOptions& options) {
    if (options.batch == 0) throw UsageError("loader: batch 0, wanted at least 1 record");
    if (options.batch > slots / 2) {
        throw UsageError("loader: batch " + std::to_string(options.batch) + " in a ring of " +
                         std::to_string(slots) + " slots, wanted slots for two batches: " +
                         std::to_string(std::uint64_t{options.batch} * 2));
    }
    if (options.depth == 0 || options.depth > kMaxDepth) {
        throw UsageError("loader: depth " + std::to_string(options.depth) + ", wanted 1 to " +
                         std::to_string(kMaxDepth));
    }
    if (name_of(options.layout) == "?") throw UsageError("loader: no such layout");
    if (name_of(options.transfer) == "?") throw UsageError("loader: no such transfer");
    check_offsets(schema, options);
}

template <class T>
void write_offsets(std::span<const std::uint32_t> lengths, std::byte* out, FieldShape& shape) {
    std::int64_t end = 0;  // within T: batch * capacity was checked at set-up
    std::int64_t longest = 0;
    const auto put = [&](std::size_t i) {
        const T value = static_cast<T>(end);
        std::memcpy(out + i * sizeof(T), &value, sizeof(T));
    };
    put(0);
    for (std::size_t record = 0; record < lengths.size(); ++record) {
        end += lengths[record];
        longest = std::max(longest, std::int64_t{lengths[record]});
        put(record + 1);
    }
    shape.longest = longest;
    shape.total = end;
}

[[noreturn]] void refuse_size(const BatchForm& form, const Taken& taken, std::uint64_t bytes) {
    throw SystemError("loader: the batch of records " + std::to_string(taken.indices.front()) +
                      " to " + std::to_string(taken.indices.back()) + " takes " +
                      std::to_string(bytes) + " bytes as " + std::string(name_of(form.layout)) +
                      ", batch_bytes_limit is " + std::to_string(form.values_bytes) +
                      "; raise it, or make the batch smaller");
}

// Where the fields lie in the values' memory.
void place_fields(const BatchForm& form, const Taken& taken, std::span<const FieldShape> shapes,
                  std::byte* values, device::BatchTarget& target) {
    target.values.clear();
    std::uint64_t at = 0;
    for (std::size_t i = 0; i < form.schema.size(); ++i) {
        target.values.push_back(values + at);
        std::uint64_t bytes = form.most_bytes(i);
        if (form.is_limited) {
            const auto elements = static_cast<std::uint64_t>(
                form.layout == Layout::packed
                    ? shapes[i].total
                    : shapes[i].width * static_cast<std::int64_t>(taken.indices.size()));
            bytes = elements * bytes_of(form.schema[i].dtype);
        }
        at += aligned(bytes);
    }
    if (at > form.values_bytes) refuse_size(form, taken, at);
}

}  // namespace

BatchForm BatchForm::of(const Schema& schema, std::uint32_t slots, const LoaderOptions& options) {
    check_sizes(schema, slots, options);
    BatchForm form;
    form.schema = schema;
    form.layout = options.layout;
    form.batch = options.batch;
    form.wide_offsets = options.offsets == DType::i64;
    const ring::Geometry geometry = ring::Geometry::of(schema, slots);
    for (std::size_t i = 0; i < schema.size(); ++i) {
        form.row_widths.push_back(
            static_cast<std::int64_t>(geometry.row_bytes[i] / bytes_of(schema[i].dtype)));
    }
    form.pads.resize(schema.size());
    for (const auto& [name, value] : options.pad_values) {
        const std::size_t field = schema.index_of(name);
        form.pads[field] = schema::encode(schema[field].dtype, value,
                                          "loader: pad value of field \"" + name + "\"");
    }
    for (std::size_t i = 0; i < schema.size(); ++i)
        form.values_bytes += aligned(form.most_bytes(i));
    if (options.batch_bytes_limit && *options.batch_bytes_limit < form.values_bytes) {
        form.values_bytes = *options.batch_bytes_limit;
        form.is_limited = true;
    }
    return form;
}

std::int64_t BatchForm::width_of(std::size_t field, std::int64_t longest) const {
    switch (layout) {
        case Layout::packed: break;
        case Layout::trimmed: return longest;
        case Layout::padded: return schema[field].capacity;
        case Layout::rows: return row_widths[field];
    }
    return 0;
}

std::uint64_t BatchForm::most_bytes(std::size_t field) const {
    const std::uint64_t widest = layout == Layout::rows
                                     ? static_cast<std::uint64_t>(row_widths[field])
                                     : schema[field].capacity;
    return std::uint64_t{batch} * widest * bytes_of(schema[field].dtype);
}

device::CopyForm BatchForm::copy_form(Transfer transfer, const std::byte* memory,
                                      const ring::Geometry& geometry) const {
    device::CopyForm form{.layout = layout,
                          .transfer = transfer,
                          .batch = batch,
                          .values_bytes = values_bytes,
                          .staging_limit = is_limited ? values_bytes : ~std::uint64_t{0},
                          .fields = {}};
    for (std::size_t field = 0; field < schema.size(); ++field) {
        form.fields.push_back({.element_bytes = bytes_of(schema[field].dtype),
                               .capacity = schema[field].capacity,
                               .row_bytes = geometry.row_bytes[field],
                               .rows = memory + geometry.field_offset[field],
                               .pad = pads[field]});
    }
    return form;
}

std::size_t BatchForm::offsets_at(std::size_t field) const noexcept {
    const std::size_t one = device::Offsets::bytes_of_one(wide_offsets);
    return field * aligned((std::size_t{batch} + 1) * one);
}

std::size_t BatchForm::head_bytes() const noexcept {
    return slots_at() + aligned(std::size_t{batch} * sizeof(std::uint32_t));
}

void make_plan(const BatchForm& form, const Taken& taken, std::span<const std::uint32_t> slots,
               const BatchMemory& memory, std::vector<FieldShape>& shapes, device::BatchPlan& plan,
               device::BatchTarget& target) {
    const std::size_t records = slots.size();
    shapes.resize(form.schema.size());
    plan.fields.clear();
    for (std::size_t i = 0; i < form.schema.size(); ++i) {
        const std::span lengths = std::span(taken.lengths).subspan(i * records, records);
        std::byte* const offsets = memory.host_head + form.offsets_at(i);
        FieldShape& shape = shapes[i];
        if (form.wide_offsets) {
            write_offsets<std::int64_t>(lengths, offsets, shape);
        } else {
            write_offsets<std::int32_t>(lengths, offsets, shape);
        }
        shape.width = form.width_of(i, shape.longest);
        plan.fields.push_back({.lengths = lengths,
                               .offsets = {offsets, records + 1, form.wide_offsets},
                               .offsets_at = form.offsets_at(i),
                               .longest = shape.longest,
                               .width = shape.width});
    }
    if (records != 0) {
        std::memcpy(memory.host_head + form.slots_at(), slots.data(), slots.size_bytes());
    }
    plan.slots = slots;
    plan.slots_at = form.slots_at();
    plan.head = {memory.host_head, form.head_bytes()};
    target.head = memory.head;
    place_fields(form, taken, shapes, memory.values, target);
}

}  // namespace headrace::detail
