// A batch in the trainer's hands.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "headrace/consumer.hpp"
#include "headrace/device.hpp"
#include "headrace/dtype.hpp"
#include "headrace/export.hpp"
#include "headrace/layout.hpp"
#include "headrace/schema.hpp"

namespace headrace {

namespace detail {
class LoaderCore;
struct BatchSlot;
}  // namespace detail

/// Memory of the caller's, for one field of a batch: see Batch::strip_into.
struct StripTarget {
    /// For total(field) elements; may be null where that is 0. Aligned to 256 bytes, but on the
    /// host device as the elements want it.
    void* values = nullptr;
    /// For size() + 1 numbers of offsets_dtype(); null where they are not wanted.
    void* offsets = nullptr;
};

/// A lease on a batch: its memory is the caller's, to read and to write, until the lease is
/// destroyed or released, in any order and from any thread. Movable. It may outlive its Loader and
/// its Ring: the buffers stay as long as a lease is out.
///
/// Pointers are device pointers (host pointers on the host device), aligned to 256 bytes, and the
/// same for each of the loader's `depth` batches whenever it comes round, unless
/// LoaderOptions::batch_bytes_limit is set. Lengths,
/// totals, indices and items are on the host and known without asking the device.
class HEADRACE_EXPORT Batch {
  public:
    Batch(Batch&& other) noexcept;
    Batch& operator=(Batch&& other) noexcept;
    ~Batch();

    /// Records, B; holes are not among them. Zero when the whole range was holes.
    std::size_t size() const noexcept;
    /// How the values lie in memory.
    Layout layout() const noexcept;
    /// Where the batch is: LoaderOptions::device.
    const Device& device() const noexcept;
    /// The fields of each record.
    const Schema& schema() const noexcept;
    /// The epoch of all its records; 0 in a stream ring.
    std::uint64_t epoch() const noexcept;
    /// The range of indices [first, last) that the batch stands for.
    ///@{
    std::uint64_t first_index() const noexcept;
    std::uint64_t last_index() const noexcept;
    ///@}
    /// The number in the ring of each record, in order; [B].
    std::span<const std::uint64_t> indices() const noexcept;
    /// The item that each record stands for; [B].
    std::span<const std::uint64_t> items() const noexcept;
    /// Indices of the range that have no record.
    const std::vector<Hole>& holes() const noexcept;

    /// Elements of a field, row-major: packed [total(field)], trimmed and padded [B, width(field)]
    /// with the tails filled with the pad value, rows [B, width(field)] with anything in the tails.
    /// Throws UsageError for an unknown field or another dtype.
    template <class T>
    T* values(std::string_view field) const {
        return static_cast<T*>(data(schema().index_of(field, dtype_of<T>)));
    }
    /// T[B + 1] on the device: offsets[0] = 0, record r has elements offsets[r] to offsets[r + 1]
    /// of the packed values. What variable-length attention calls cu_seqlens. It is there in every
    /// layout. T is std::int32_t, or std::int64_t where LoaderOptions::offsets says so; throws
    /// UsageError for the other one.
    template <class T = std::int32_t>
    const T* offsets(std::string_view field) const {
        return offsets<T>(schema().index_of(field));
    }
    /// What offsets are: DType::i32 or DType::i64.
    DType offsets_dtype() const noexcept;
    /// The same values on the host, [B + 1].
    template <class T = std::int32_t>
    std::span<const T> host_offsets(std::string_view field) const {
        return host_offsets<T>(schema().index_of(field));
    }
    /// Elements of the longest record; 0 in an empty batch.
    std::int64_t longest(std::string_view field) const { return longest(schema().index_of(field)); }
    /// Elements of all records together.
    std::int64_t total(std::string_view field) const { return total(schema().index_of(field)); }
    /// Elements of a row: longest (trimmed), the capacity (padded), 0 (packed); in the layout rows
    /// the ring's row, which is the capacity, and a few elements more where that is no multiple of
    /// 16 bytes (of 64, for rows of 64 bytes and more).
    std::int64_t width(std::string_view field) const { return width(schema().index_of(field)); }

    /// The same by the field's place in the schema; data() are its values without a type.
    ///@{
    void* data(std::size_t field) const;
    template <class T = std::int32_t>
    const T* offsets(std::size_t field) const {
        return static_cast<const T*>(offsets_data(field, dtype_of<T>));
    }
    template <class T = std::int32_t>
    std::span<const T> host_offsets(std::size_t field) const {
        return {static_cast<const T*>(host_offsets_data(field, dtype_of<T>)), size() + 1};
    }
    std::int64_t longest(std::size_t field) const;
    std::int64_t total(std::size_t field) const;
    std::int64_t width(std::size_t field) const;
    ///@}

    /// Says that work enqueued on `stream` so far uses this batch: its memory is not written again
    /// before that work has passed. The stream given to Loader::next is known already. Work that is
    /// enqueued there later, and before the batch is given back, counts too. The caller makes that
    /// stream wait for the batch, by an event of the stream given to next().
    /// Throws UsageError for cudaStreamPerThread, and a stream that is being captured into a graph.
    void used_on(StreamRef stream);
    /// Enqueues on `stream`: the payload of all fields, end to end and without padding, is written
    /// into memory of the caller's, and so are the offsets. `targets` has one a field, in the
    /// schema's order. For the layouts rows (one launch of the strip kernel takes all fields) and
    /// packed (copies). Returns at once, allocates no device memory and waits for nothing. The
    /// batch stays as it is.
    ///
    /// `stream`, of the batch's device, is made to wait for the batch, be it the one given to
    /// next() or another, and counts as told by used_on(): the batch may be given back right behind
    /// this. What the caller has done to the batch on other streams is not waited for. The memory
    /// is on the batch's device (on the host device it is written on return), no two places
    /// overlap, and the caller keeps it until `stream` has passed. Thread-safe. Throws UsageError
    /// for another layout, another number of targets, values that are null or not aligned, a batch
    /// that was given back, and as used_on(); then nothing is enqueued. A failure of the device is
    /// thrown as DeviceError and ends the ring.
    void strip_into(std::span<const StripTarget> targets, StreamRef stream);
    /// Gives the batch back now. What goes wrong, giving it back inside of a capture too, ends the
    /// ring with that error, which the next call of the loader throws. Idempotent; everything else
    /// may then no longer be called.
    void release() noexcept;

  private:
    friend class detail::LoaderCore;
    Batch(std::shared_ptr<detail::LoaderCore> core, detail::BatchSlot* slot);
    const void* offsets_data(std::size_t field, DType wanted) const;
    const void* host_offsets_data(std::size_t field, DType wanted) const;
    std::shared_ptr<detail::LoaderCore> core_;
    detail::BatchSlot* slot_ = nullptr;
};

}  // namespace headrace
