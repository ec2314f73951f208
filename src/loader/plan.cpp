#include "loader/plan.hpp"

#include <algorithm>
#include <limits>

#include "headrace/error.hpp"

namespace headrace::detail {

namespace {

constexpr std::uint32_t kMaxDepth = 64;

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
    constexpr std::uint64_t kMost = std::numeric_limits<std::int32_t>::max();
    for (const Field& field : schema.fields()) {
        const std::uint64_t elements = std::uint64_t{options.batch} * field.capacity;
        if (elements > kMost) {
            throw UsageError("loader: a batch of " + std::to_string(options.batch) +
                             " records could hold " + std::to_string(elements) +
                             " elements of field \"" + field.name +
                             "\", wanted at most 2^31 - 1, for offsets are int32");
        }
    }
}

}  // namespace

BatchForm BatchForm::of(const Schema& schema, std::uint32_t slots, const LoaderOptions& options) {
    check_sizes(schema, slots, options);
    BatchForm form{schema, options.layout, options.batch, {}};
    form.pads.resize(schema.size());
    for (const auto& [name, value] : options.pad_values) {
        const std::size_t field = schema.index_of(name);
        form.pads[field] = schema::encode(schema[field].dtype, value,
                                          "loader: pad value of field \"" + name + "\"");
    }
    return form;
}

std::uint64_t BatchForm::most_bytes(std::size_t field) const {
    return std::uint64_t{batch} * schema[field].capacity * bytes_of(schema[field].dtype);
}

void make_plan(const BatchForm& form, const Taken& taken, std::span<const std::uint64_t> slots,
               std::vector<FieldShape>& shapes, std::span<const std::byte* const> rows,
               std::span<const std::uint64_t> row_bytes, device::BatchPlan& plan) {
    const std::size_t records = slots.size();
    plan.layout = form.layout;
    plan.slots = slots;
    plan.fields.clear();
    for (std::size_t i = 0; i < form.schema.size(); ++i) {
        const Field& field = form.schema[i];
        const std::span lengths = std::span(taken.lengths).subspan(i * records, records);
        FieldShape& shape = shapes[i];
        shape.longest = 0;
        std::int32_t end = 0;  // bounded by batch * capacity <= 2^31 - 1, checked at set-up
        shape.offsets[0] = 0;
        for (std::size_t record = 0; record < records; ++record) {
            end += static_cast<std::int32_t>(lengths[record]);
            shape.offsets[record + 1] = end;
            shape.longest = std::max(shape.longest, std::int64_t{lengths[record]});
        }
        switch (form.layout) {
            case Layout::packed: shape.width = 0; break;
            case Layout::trimmed: shape.width = shape.longest; break;
            case Layout::padded: shape.width = field.capacity; break;
        }
        plan.fields.push_back({.element_bytes = bytes_of(field.dtype),
                               .capacity = field.capacity,
                               .row_bytes = row_bytes[i],
                               .rows = rows[i],
                               .lengths = lengths,
                               .offsets = shape.offsets.first(records + 1),
                               .longest = shape.longest,
                               .width = shape.width,
                               .pad = form.pads[i]});
    }
}

}  // namespace headrace::detail
