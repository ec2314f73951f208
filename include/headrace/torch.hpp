// Batches as LibTorch tensors, without a copy. Header-only: the one header that knows LibTorch
// (1.13 or 2.x), and not part of headrace.hpp. Whoever includes it links LibTorch himself.
//
// The namespace is headrace::torch; after `using namespace headrace;` write ::torch for LibTorch's.
#pragma once

#include <torch/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "headrace/batch.hpp"
#include "headrace/device.hpp"
#include "headrace/dtype.hpp"
#include "headrace/error.hpp"
#include "headrace/schema.hpp"

namespace headrace::torch {

/// LibTorch's name of a dtype; the widths and meanings are the same. Throws UsageError for a value
/// that is no DType.
inline at::ScalarType scalar_type_of(DType dtype) {
    switch (dtype) {
        case DType::f32: return at::kFloat;
        case DType::i32: return at::kInt;
        case DType::f16: return at::kHalf;
        case DType::bf16: return at::kBFloat16;
        case DType::f64: return at::kDouble;
        case DType::i64: return at::kLong;
        case DType::i16: return at::kShort;
        case DType::i8: return at::kChar;
        case DType::u8: return at::kByte;
    }
    throw UsageError("dtype " + std::to_string(static_cast<unsigned>(dtype)) +
                     ": LibTorch has no name for it");
}

/// One field of a batch of B records.
struct FieldTensors {
    /// Layout packed: [total]; trimmed: [B, longest]; padded: [B, capacity].
    at::Tensor values;
    /// int32[B + 1]: record r is values[offsets[r]] to values[offsets[r + 1]] of the packed layout.
    /// In every layout. Not to be written.
    at::Tensor offsets;
    std::int64_t longest = 0;  ///< elements of the longest record; known without asking the device
    std::int64_t total = 0;    ///< elements of all records together
};

/// A batch as tensors. Copies share the memory.
struct BatchTensors {
    Schema schema;
    std::vector<FieldTensors> fields;    ///< in the schema's order
    std::vector<std::uint64_t> indices;  ///< of each record; [B]
    std::vector<std::uint64_t> items;    ///< of each record; [B]
    std::uint64_t epoch = 0;

    std::size_t size() const noexcept { return indices.size(); }
    /// Throws UsageError that lists the fields there are.
    const FieldTensors& operator[](std::string_view field) const {
        return fields.at(schema.index_of(field));
    }
};

namespace detail {

// A tensor over memory of the batch. Its storage holds the lease; the deleter itself has nothing to
// do and cannot throw: the lease goes with the closure, on whichever thread LibTorch drops it.
inline at::Tensor view_of(void* data, at::IntArrayRef sizes, at::ScalarType type,
                          const std::shared_ptr<Batch>& lease) {
    const auto options = at::TensorOptions().dtype(type).device(at::kCPU);
    // Without an element there is no memory to share, nor perhaps a pointer.
    if (c10::multiply_integers(sizes) == 0) return at::empty(sizes, options);
    return ::torch::from_blob(
        data, sizes, [lease](void*) noexcept {}, options);
}

inline at::Tensor values_of(const std::shared_ptr<Batch>& lease, std::size_t field) {
    const auto records = static_cast<std::int64_t>(lease->size());
    const at::ScalarType type = scalar_type_of(lease->schema()[field].dtype);
    if (lease->layout() == Layout::packed) {
        return view_of(lease->data(field), {lease->total(field)}, type, lease);
    }
    return view_of(lease->data(field), {records, lease->width(field)}, type, lease);
}

inline at::Tensor offsets_of(const std::shared_ptr<Batch>& lease, std::size_t field) {
    // from_blob takes no pointer to const; the contract above says that nobody writes.
    auto* const data = const_cast<std::int32_t*>(lease->offsets(field));
    return view_of(data, {static_cast<std::int64_t>(lease->size()) + 1}, at::kInt, lease);
}

}  // namespace detail

/// Turns a batch into tensors that lie in its memory: nothing is copied but B numbers of indices
/// and items. The batch is given back when the last tensor that shares its memory (views, and what
/// autograd has saved, included) is gone; with every tensor held, the loader waits for it. A tensor
/// without elements shares nothing.
///
/// `device` is the loader's: Loader::device(). This version of the adapter reads host memory: for a
/// CUDA device it throws UsageError, and the batch stays the caller's. Otherwise `batch` has been
/// moved from. Takes some microseconds a field; may be called, and the tensors dropped, on any
/// thread.
inline BatchTensors to_tensors(Batch&& batch, const Device& device = Device::host()) {
    if (device.name().starts_with("cuda")) {
        throw UsageError("to_tensors: found a batch on " + device.name() +
                         ", wanted one on the host: this build's adapter reads host batches; make "
                         "the loader with Device::host()");
    }
    BatchTensors tensors;
    tensors.schema = batch.schema();
    tensors.indices.assign(batch.indices().begin(), batch.indices().end());
    tensors.items.assign(batch.items().begin(), batch.items().end());
    tensors.epoch = batch.epoch();
    tensors.fields.reserve(tensors.schema.size());
    const auto lease = std::make_shared<Batch>(std::move(batch));
    for (std::size_t field = 0; field < tensors.schema.size(); ++field) {
        tensors.fields.push_back({.values = detail::values_of(lease, field),
                                  .offsets = detail::offsets_of(lease, field),
                                  .longest = lease->longest(field),
                                  .total = lease->total(field)});
    }
    return tensors;
}

}  // namespace headrace::torch
