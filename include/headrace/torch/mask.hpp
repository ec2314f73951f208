// Lengths and masks of a batch's records, computed where the batch is.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/arange.h>

#include <string>
#include <string_view>

#include "headrace/error.hpp"
#include "headrace/layout.hpp"
#include "headrace/torch/batch_tensors.hpp"

namespace headrace::torch {

/// Elements of each record: int64[B] on the batch's device, enqueued on LibTorch's current stream.
/// Does not synchronise. Throws UsageError that lists the fields there are.
inline at::Tensor lengths_of(const BatchTensors& batch, std::string_view field) {
    const at::Tensor offsets = batch[field].offsets.to(at::kLong);
    return offsets.slice(0, 1).sub(offsets.slice(0, 0, -1));
}

/// Which elements of a field's rows are the record's own: bool[B, width], true where one is, of the
/// shape and on the device of `values`. For layouts with rows (trimmed, padded, rows); enqueued on
/// LibTorch's current stream. Does not synchronise. Throws UsageError for a packed batch, and as
/// lengths_of().
inline at::Tensor mask_of(const BatchTensors& batch, std::string_view field) {
    const at::Tensor& values = batch[field].values;
    if (batch.layout == Layout::packed) {
        throw UsageError("mask_of field \"" + std::string(field) +
                         "\": found a packed batch, which has no padding, wanted layout trimmed, "
                         "padded or rows");
    }
    const at::Tensor places =
        at::arange(values.size(1), at::TensorOptions().dtype(at::kLong).device(values.device()));
    return places.unsqueeze(0).lt(lengths_of(batch, field).unsqueeze(1));
}

}  // namespace headrace::torch
