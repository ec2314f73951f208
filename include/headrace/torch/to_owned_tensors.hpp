// A batch as tensors of LibTorch's own memory, so that it can be given back at once.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "headrace/batch.hpp"
#include "headrace/error.hpp"
#include "headrace/layout.hpp"
#include "headrace/torch/batch_tensors.hpp"
#include "headrace/torch/device.hpp"
#include "headrace/torch/scalar_type.hpp"

namespace headrace::torch {

/// Strips a batch of layout rows, or copies a packed one, into tensors from LibTorch's allocator,
/// on LibTorch's current stream of the batch's device, and gives the batch back at once: the
/// tensors may be kept as long as one likes, and depend on neither loader nor ring. They are
/// packed: `layout` says so. That stream sees them complete, and is made to wait for the batch
/// where another was given to Loader::next(). Enqueues and returns; nothing is waited for.
///
/// The memory is LibTorch's in every respect: further streams are declared with
/// BatchTensors::used_on(), or Tensor::record_stream().
///
/// Throws UsageError for the layouts trimmed and padded, or as device_of(), c10::Error when there
/// is no memory, and what Batch::strip_into() throws; the batch then stays the caller's. Otherwise
/// it has been released.
/// Thread-safe.
inline BatchTensors to_owned_tensors(Batch&& batch) {
    const c10::Device device = device_of(batch.device());
    if (batch.layout() != Layout::rows && batch.layout() != Layout::packed) {
        throw UsageError("to_owned_tensors: found a batch of layout " +
                         std::string(name_of(batch.layout())) +
                         ", wanted rows or packed: choose one in LoaderOptions::layout, or take "
                         "to_tensors()");
    }
    BatchTensors tensors = detail::describe(batch);
    tensors.layout = Layout::packed;
    const auto records = static_cast<std::int64_t>(batch.size());
    const auto options = at::TensorOptions().device(device);
    std::vector<StripTarget> targets;
    targets.reserve(tensors.schema.size());
    for (std::size_t field = 0; field < tensors.schema.size(); ++field) {
        const at::ScalarType type = scalar_type_of(tensors.schema[field].dtype);
        const std::int64_t total = batch.total(field);
        FieldTensors made{.values = at::empty({total}, options.dtype(type)),
                          .offsets = at::empty(
                              {records + 1}, options.dtype(scalar_type_of(batch.offsets_dtype()))),
                          .longest = batch.longest(field),
                          .total = total};
        targets.push_back({.values = total == 0 ? nullptr : made.values.data_ptr(),
                           .offsets = made.offsets.data_ptr()});
        tensors.fields.push_back(std::move(made));
    }
    batch.strip_into(targets, current_stream(batch.device()));
    batch.release();
    return tensors;
}

}  // namespace headrace::torch
