// A packed field as one of LibTorch's nested tensors.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/_nested_view_from_buffer.h>
#include <ATen/ops/empty.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "headrace/error.hpp"
#include "headrace/layout.hpp"
#include "headrace/torch/batch_tensors.hpp"

namespace headrace::torch {

namespace detail {

// LibTorch wants shape, strides and place of each record on the host.
struct NestedShape {
    at::Tensor sizes;    // int64[B, dims]
    at::Tensor strides;  // int64[B, dims]
    at::Tensor places;   // int64[B]
};

inline NestedShape nested_shape(std::span<const std::int64_t> offsets, std::string_view field,
                                std::int64_t row) {
    const auto records = static_cast<std::int64_t>(offsets.size()) - 1;
    const std::int64_t dims = row > 0 ? 2 : 1;
    const auto options = at::TensorOptions().dtype(at::kLong);
    NestedShape shape{.sizes = at::empty({records, dims}, options),
                      .strides = at::empty({records, dims}, options),
                      .places = at::empty({records}, options)};
    auto* size = shape.sizes.data_ptr<std::int64_t>();
    auto* stride = shape.strides.data_ptr<std::int64_t>();
    auto* place = shape.places.data_ptr<std::int64_t>();
    for (std::size_t record = 0; record + 1 < offsets.size(); ++record) {
        const std::int64_t length = offsets[record + 1] - offsets[record];
        if (row > 0 && length % row != 0) {
            throw UsageError("nested_of field \"" + std::string(field) + "\": record " +
                             std::to_string(record) + " has " + std::to_string(length) +
                             " elements, wanted a multiple of the row, " + std::to_string(row));
        }
        *place++ = offsets[record];
        *size++ = row > 0 ? length / row : length;
        *stride++ = row > 0 ? row : 1;
        if (row == 0) continue;
        *size++ = row;
        *stride++ = 1;
    }
    return shape;
}

// `view` is LibTorch's function, which wants the places as an array in 1.13 and as a tensor later.
template <class View>
at::Tensor view_nested(View view, const at::Tensor& values, const NestedShape& shape) {
    using Tensor = const at::Tensor&;
    if constexpr (std::is_invocable_v<View, Tensor, Tensor, Tensor, Tensor>) {
        return view(values, shape.sizes, shape.strides, shape.places);
    } else {
        const at::IntArrayRef places(shape.places.data_ptr<std::int64_t>(),
                                     static_cast<std::size_t>(shape.places.numel()));
        return view(values, shape.sizes, shape.strides, places);
    }
}

}  // namespace detail

/// A field of a packed batch as a nested tensor with the strided layout, over the same memory: its
/// record r is [length], or with `row` > 0 [length / row, row] (a spectrogram of `row` bands, say).
/// Nothing is copied, nothing synchronises; it holds the memory as any other view. Which of
/// LibTorch's functions take such tensors depends on its version.
/// Throws UsageError for another layout, an unknown field, a negative `row`, a length that `row`
/// does not divide, and a batch without a record, which LibTorch has no nested tensor for.
inline at::Tensor nested_of(const BatchTensors& batch, std::string_view field,
                            std::int64_t row = 0) {
    const at::Tensor& values = batch[field].values;
    const auto refuse = [field](const std::string& what) {
        throw UsageError("nested_of field \"" + std::string(field) + "\": " + what);
    };
    if (batch.layout != Layout::packed) {
        refuse("found layout " + std::string(name_of(batch.layout)) +
               ", wanted packed; other layouts have mask_of()");
    }
    if (row < 0) refuse("row " + std::to_string(row) + ", wanted 0 or more");
    if (batch.size() == 0) refuse("found a batch without a record, wanted at least one");
    const detail::NestedShape shape = detail::nested_shape(batch.host_offsets(field), field, row);
    return detail::view_nested(at::_nested_view_from_buffer, values, shape);
}

}  // namespace headrace::torch
