// A batch as tensors, whoever owns their memory. Made by to_tensors() and to_owned_tensors().
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "headrace/batch.hpp"
#include "headrace/device.hpp"
#include "headrace/error.hpp"
#include "headrace/layout.hpp"
#include "headrace/schema.hpp"
#include "headrace/torch/device.hpp"

namespace headrace::torch {

/// One field of a batch of B records.
struct FieldTensors {
    /// Layout packed: [total]; trimmed: [B, longest]; padded: [B, capacity]; rows: [B, width], at
    /// least as wide as the capacity, with tails that mean nothing.
    at::Tensor values;
    /// int32[B + 1], or int64 as LoaderOptions::offsets says: record r is values[offsets[r]] to
    /// values[offsets[r + 1]] of the packed layout. In every layout. Not to be written.
    at::Tensor offsets;
    std::int64_t longest = 0;  ///< elements of the longest record; known without asking the device
    std::int64_t total = 0;    ///< elements of all records together
};

struct BatchTensors;

namespace detail {
// All of a batch that is no tensor.
BatchTensors describe(const Batch& batch);
void attach(BatchTensors& tensors, const std::shared_ptr<Batch>& lease);
}  // namespace detail

/// A batch as tensors. Copies share the tensors' memory.
struct BatchTensors {
    Schema schema = {};                       ///< the ring's
    Layout layout = Layout::packed;           ///< of the tensors
    std::vector<FieldTensors> fields = {};    ///< in the schema's order
    std::vector<std::uint64_t> indices = {};  ///< of each record; [B]
    std::vector<std::uint64_t> items = {};    ///< of each record; [B]
    std::uint64_t epoch = 0;                  ///< that of all its records
    std::uint64_t first_index = 0;            ///< the range of indices [first, last) that it is for
    std::uint64_t last_index = 0;             ///< the end of that range

    /// Records, B.
    std::size_t size() const noexcept { return indices.size(); }
    /// Throws UsageError that lists the fields there are.
    const FieldTensors& operator[](std::string_view field) const {
        return fields.at(schema.index_of(field));
    }
    /// The offsets of a field on the host, [B + 1], known without asking the device; they belong to
    /// this object. Throws as operator[].
    std::span<const std::int64_t> host_offsets(std::string_view field) const {
        const std::size_t each = size() + 1;
        return std::span(host_offsets_).subspan(schema.index_of(field) * each, each);
    }

    /// Says that work which has been, or will be, enqueued on `stream` uses these tensors: their
    /// memory is not written again before that work has passed. Wanted for every stream but the one
    /// given to Loader::next(), or LibTorch's current one in to_owned_tensors(), and only while a
    /// tensor that shares the memory is there. Making that stream wait for the batch is the
    /// caller's. Tensors of a batch: Batch::used_on(). Their own memory: Tensor::record_stream();
    /// on the host nothing. Throws UsageError when the batch has been given back, or as
    /// Batch::used_on(). Thread-safe.
    void used_on(StreamRef stream) const {
        if (!lease_) return keep_for(stream);
        if (const auto batch = lease_->lock()) return batch->used_on(stream);
        throw UsageError(
            "used_on: the batch has been given back, for no tensor of it is left; say it while "
            "there is one");
    }
    /// The same for LibTorch's name of a stream.
    void used_on(const c10::Stream& stream) const { used_on(torch::stream_of(stream)); }

  private:
    friend BatchTensors detail::describe(const Batch& batch);
    friend void detail::attach(BatchTensors& tensors, const std::shared_ptr<Batch>& lease);

    // LibTorch's allocator does not hand the memory out again before `stream` has passed.
    void keep_for(StreamRef stream) const {
        for (const FieldTensors& field : fields) {
            for (const at::Tensor* const tensor : {&field.values, &field.offsets}) {
                if (!tensor->defined() || !tensor->is_cuda()) continue;
                tensor->record_stream(detail::stream_of(stream, tensor->device()));
            }
        }
    }

    std::vector<std::int64_t> host_offsets_ = {};  // [fields][B + 1]
    // Of tensors over a batch. Weak: the tensors hold the lease, this must not.
    std::optional<std::weak_ptr<Batch>> lease_ = {};
};

namespace detail {

template <class T>
void append_offsets(const Batch& batch, std::vector<std::int64_t>& offsets) {
    for (std::size_t field = 0; field < batch.schema().size(); ++field) {
        const std::span<const T> part = batch.host_offsets<T>(field);
        offsets.insert(offsets.end(), part.begin(), part.end());
    }
}

inline BatchTensors describe(const Batch& batch) {
    BatchTensors tensors;
    tensors.schema = batch.schema();
    tensors.layout = batch.layout();
    tensors.indices.assign(batch.indices().begin(), batch.indices().end());
    tensors.items.assign(batch.items().begin(), batch.items().end());
    tensors.epoch = batch.epoch();
    tensors.first_index = batch.first_index();
    tensors.last_index = batch.last_index();
    tensors.fields.reserve(tensors.schema.size());
    tensors.host_offsets_.reserve(tensors.schema.size() * (batch.size() + 1));
    if (batch.offsets_dtype() == DType::i64) {
        append_offsets<std::int64_t>(batch, tensors.host_offsets_);
    } else {
        append_offsets<std::int32_t>(batch, tensors.host_offsets_);
    }
    return tensors;
}

inline void attach(BatchTensors& tensors, const std::shared_ptr<Batch>& lease) {
    tensors.lease_ = lease;
}

}  // namespace detail

}  // namespace headrace::torch
