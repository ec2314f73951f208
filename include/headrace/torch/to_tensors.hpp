// A batch as tensors over its own memory: nothing is copied.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/from_blob.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "headrace/batch.hpp"
#include "headrace/torch/batch_tensors.hpp"
#include "headrace/torch/device.hpp"
#include "headrace/torch/scalar_type.hpp"

namespace headrace::torch {

namespace detail {

inline void drop_lease(void* lease) noexcept {
    delete static_cast<std::shared_ptr<Batch>*>(lease);
}

// A tensor over memory of the batch, whose storage holds the lease. The device is told, not asked
// for, which would be a call of CUDA. from_blob takes no pointer to const; that nobody writes
// offsets is said in the contract.
inline at::Tensor view_of(const void* data, at::IntArrayRef sizes, at::ScalarType type,
                          c10::Device device, const std::shared_ptr<Batch>& lease) {
    const auto options = at::TensorOptions().dtype(type).device(device);
    // Without an element there is no memory to share, nor perhaps a pointer.
    if (c10::multiply_integers(sizes) == 0) {
        return at::for_blob(nullptr, sizes).target_device(device).options(options).make_tensor();
    }
    return at::for_blob(const_cast<void*>(data), sizes)
        .context(new std::shared_ptr<Batch>(lease), drop_lease)
        .target_device(device)
        .options(options)
        .make_tensor();
}

inline at::Tensor values_of(const std::shared_ptr<Batch>& lease, std::size_t field,
                            c10::Device device) {
    const at::ScalarType type = scalar_type_of(lease->schema()[field].dtype);
    const void* const data = lease->data(field);
    if (lease->layout() == Layout::packed) {
        return view_of(data, {lease->total(field)}, type, device, lease);
    }
    const auto records = static_cast<std::int64_t>(lease->size());
    return view_of(data, {records, lease->width(field)}, type, device, lease);
}

inline at::Tensor offsets_of(const std::shared_ptr<Batch>& lease, std::size_t field,
                             c10::Device device) {
    const std::int64_t count = static_cast<std::int64_t>(lease->size()) + 1;
    if (lease->offsets_dtype() == DType::i64) {
        return view_of(lease->offsets<std::int64_t>(field), {count}, at::kLong, device, lease);
    }
    return view_of(lease->offsets<std::int32_t>(field), {count}, at::kInt, device, lease);
}

}  // namespace detail

/// Turns a batch into tensors that lie in its memory, on its device: nothing is copied but some
/// numbers a record on the host, and nothing is asked of CUDA. The stream that was given to
/// Loader::next() sees the tensors complete; let that be current_stream().
///
/// The batch is given back when the last tensor that shares its memory (views, and what autograd
/// has saved, included) is gone, on whichever thread that is, also after the loader, the ring or
/// CUDA has gone; with every batch held, the loader waits. A tensor without elements shares
/// nothing, and BatchTensors holds the batch by the tensors in its `fields` only. Like every batch,
/// it may be given back as soon as the work that uses it is enqueued.
///
/// Work on other streams is declared with BatchTensors::used_on(). Tensor::record_stream() does
/// nothing for these tensors: it speaks to LibTorch's allocator, which does not know this memory.
///
/// Throws UsageError as device_of(); the batch then stays the caller's. Otherwise `batch` has been
/// moved from. Thread-safe.
inline BatchTensors to_tensors(Batch&& batch) {
    const c10::Device device = device_of(batch.device());
    BatchTensors tensors = detail::describe(batch);
    const auto lease = std::make_shared<Batch>(std::move(batch));
    for (std::size_t field = 0; field < tensors.schema.size(); ++field) {
        tensors.fields.push_back({.values = detail::values_of(lease, field, device),
                                  .offsets = detail::offsets_of(lease, field, device),
                                  .longest = lease->longest(field),
                                  .total = lease->total(field)});
    }
    detail::attach(tensors, lease);
    return tensors;
}

}  // namespace headrace::torch
