// Producers that hold tensors.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/from_blob.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "headrace/error.hpp"
#include "headrace/producer.hpp"
#include "headrace/schema.hpp"
#include "headrace/torch/scalar_type.hpp"

namespace headrace::torch {

namespace detail {

[[noreturn]] inline void refuse_write(const Field& field, const std::string& found) {
    throw UsageError("write: field \"" + field.name + "\": found " + found + ", wanted " +
                     std::string(name_of(field.dtype)) + "[" + std::to_string(field.capacity) +
                     "] at the most");
}

inline std::string shape_text(const at::Tensor& values) {
    std::ostringstream text;
    text << values.sizes();
    return text.str();
}

inline void expect_writable(const Field& field, const at::Tensor& values) {
    if (!values.defined()) refuse_write(field, "an undefined tensor");
    if (values.is_nested() || values.layout() != at::kStrided) {
        refuse_write(field, "a tensor that is sparse or nested");
    }
    if (values.is_meta()) refuse_write(field, "a tensor on the device meta, which has no elements");
    if (values.scalar_type() != scalar_type_of(field.dtype)) {
        refuse_write(field, std::string("a tensor of ") + at::toString(values.scalar_type()) +
                                shape_text(values) + ", which is converted only by its owner");
    }
    if (values.numel() > static_cast<std::int64_t>(field.capacity)) {
        refuse_write(field, std::to_string(values.numel()) + " elements " + shape_text(values));
    }
}

inline std::int64_t write(ClaimedRecord& record, std::size_t field, const at::Tensor& values) {
    expect_writable(record.schema()[field], values);
    if (values.numel() == 0) return 0;
    std::byte* const place = record.field_bytes(field).data();
    if (values.is_cpu() && values.is_contiguous() && !values.is_neg()) {
        std::memcpy(place, values.data_ptr(), values.nbytes());
    } else {
        const auto options = at::TensorOptions().dtype(values.scalar_type());
        // A copy from a GPU to memory that is not pinned is complete when it returns.
        at::from_blob(place, values.sizes(), options).copy_(values.detach());
    }
    return values.numel();
}

}  // namespace detail

/// Writes a tensor's elements, in row-major order, into a field of a claimed record, and returns
/// their number, which publish() wants. Any shape, strides and device; the dtype is the field's,
/// for nothing is converted in silence. A tensor on a GPU is copied on LibTorch's current stream,
/// and waited for; a producer that has one uses CUDA, which the ring itself never does.
/// Throws UsageError that names the field, what was found and what was wanted; nothing has been
/// written then.
inline std::int64_t write(ClaimedRecord& record, std::string_view field, const at::Tensor& values) {
    return detail::write(record, record.schema().index_of(field), values);
}

/// Writes one tensor a field, in the schema's order, and publishes the record. Throws UsageError as
/// write(), and for another number of tensors; the record then stays claimed.
inline void publish(ClaimedRecord& record, at::ArrayRef<at::Tensor> fields) {
    const Schema& schema = record.schema();
    if (fields.size() != schema.size()) {
        throw UsageError("publish: found " + std::to_string(fields.size()) +
                         " tensors, wanted one for each of the " + std::to_string(schema.size()) +
                         " fields: " + schema.to_string());
    }
    std::vector<std::int64_t> lengths;
    lengths.reserve(fields.size());
    for (std::size_t field = 0; field < fields.size(); ++field) {
        lengths.push_back(detail::write(record, field, fields[field]));
    }
    record.publish_lengths(lengths);
}

}  // namespace headrace::torch
