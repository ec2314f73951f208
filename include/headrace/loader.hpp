// Batches for a training loop: a consumer thread plans them from the ring's slots and hands them to
// the device while the trainer works on the one before.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "headrace/batch.hpp"
#include "headrace/device.hpp"
#include "headrace/dtype.hpp"
#include "headrace/export.hpp"
#include "headrace/outcome.hpp"
#include "headrace/ring.hpp"
#include "headrace/state.hpp"
#include "headrace/stats.hpp"
#include "headrace/transfer.hpp"

namespace headrace {

/// What a loader's batches are to be.
struct LoaderOptions {
    std::uint32_t batch = 0;         ///< indices of a batch; at most half the ring's slots
    Layout layout = Layout::packed;  ///< how they lie in memory
    /// Device::best() is a GPU where there is one; batches are then on the device, and next() and
    /// epoch() want a stream.
    Device device = Device::host();
    std::uint32_t depth = 2;  ///< device batches, 1 to 64
    /// How batches cross the link to a GPU.
    Transfer transfer = Transfer::automatic;
    /// DType::i32 or DType::i64: what Batch::offsets() are. int32 bounds a batch to 2^31 - 1
    /// elements a field.
    DType offsets = DType::i32;
    /// Device memory for the values of one batch, in bytes; by default what a batch of full records
    /// takes. With less, a batch whose values do not fit is an error that names its records.
    std::optional<std::uint64_t> batch_bytes_limit = {};
    /// Refuse to start when the ring's memory cannot be pinned for the GPU. Without it batches then
    /// go through a pinned buffer, which costs a copy on the host; that is said once, and shows in
    /// Stats::host_memory.
    bool require_pinned = false;
    /// Leave out an epoch's last batch when it stands for fewer indices than `batch`.
    bool drop_last = false;
    /// What fills the tails of the layouts trimmed and padded, by field; 0 where none is given.
    std::map<std::string, double> pad_values = {};
    /// As in ConsumerOptions; here they bound Loader::next.
    ///@{
    std::optional<std::chrono::milliseconds> first_timeout = {};
    std::optional<std::chrono::milliseconds> stall_timeout = {};
    std::chrono::milliseconds lease_timeout{10'000};
    ///@}
    /// Stream rings: a batch goes out short when its next record has not come for so long.
    std::optional<std::chrono::milliseconds> flush_after = {};
};

class Epoch;

/// Hands out batches. Starts its threads when it is made and prefetches up to `depth` batches, over
/// epoch boundaries too.
///
/// Batches of a ring with a sampler are fixed ranges of indices: batch k of an epoch stands for its
/// indices [k * batch, (k + 1) * batch), so they are the same in every run.
///
/// Ring::reset() takes a loader along. A next() that is called afterwards gives no batch, and no
/// end of an epoch, from before it; what was prefetched is discarded and counted. The batches that
/// the trainer holds stay valid and are given back as ever; they are among the `depth` that there
/// are.
class HEADRACE_EXPORT Loader {
  public:
    /// Throws UsageError (no batch size, a ring of fewer slots than two batches, a batch that could
    /// pass 2^31 - 1 elements of a field with int32 offsets, a depth, layout, transfer or dtype of
    /// offsets that there is none of, a pad value that the dtype cannot hold, Transfer::gather
    /// where the GPU cannot read the ring, the ring's consumer already taken), SystemError (no
    /// memory for the batches) or DeviceError (the same on a GPU; memory that cannot be pinned,
    /// with require_pinned). With a GPU and Transfer::automatic it measures the link for a moment.
    /// All device memory and streams are made here; later only events, one a batch for each further
    /// stream.
    Loader(Ring& ring, LoaderOptions options);
    Loader(Loader&&) noexcept;
    Loader& operator=(Loader&&) noexcept;
    /// Stops the threads. Batches taken stay valid; those prefetched are discarded and counted, and
    /// state() does not speak of them, so a run resumed from it gets them again.
    ~Loader();

    /// The next batch. Work enqueued on `stream` afterwards sees it complete: the stream waits for
    /// the batch by an event, and no CUDA call waits on the host. The host sleeps while no batch is
    /// ready: for producers, or because it is far ahead of its stream; as long as the options say.
    /// Outcome::end_of_epoch comes once after each epoch's last batch; Outcome::end again and
    /// again, until a reset brings new batches. Throws IncompleteError, RingAborted, DeviceError,
    /// SystemError (a batch over batch_bytes_limit), and UsageError when nothing but batches that
    /// the caller holds stands in the way, or for a stream that is being captured or is
    /// cudaStreamPerThread. Thread-safe.
    Result<Batch> next(StreamRef stream);
    /// The same, for so long at most.
    Result<Batch> next_for(std::chrono::nanoseconds timeout, StreamRef stream);
    /// On the host device, which has no streams. Throws UsageError on any other.
    ///@{
    Result<Batch> next();
    Result<Batch> next_for(std::chrono::nanoseconds timeout);
    ///@}

    /// What is left of the current epoch, as a range of batches. It may be left early: what was
    /// prefetched is kept, and the next range goes on from there. One that is being gone through
    /// when the ring is reset goes on with the new first epoch. A time-out throws TimeoutError.
    Epoch epoch(StreamRef stream);
    /// The same on the host device, which has no streams.
    Epoch epoch();

    /// The position of the batches given back. After Ring::reset() that of the new order: its
    /// beginning, until a batch of it is given back (in a stream ring, whose indices go on, the
    /// first index that was not discarded).
    State state() const;
    /// True after Outcome::end was returned, until a reset.
    bool done() const noexcept;
    /// Where the batches are.
    const Device& device() const noexcept;
    /// As they were given.
    const LoaderOptions& options() const noexcept;
    /// Of the ring and of this loader.
    Stats stats() const;

  private:
    friend class Epoch;
    std::shared_ptr<detail::LoaderCore> core_;
};

/// A range over the batches of one epoch; single pass. The batch that an iterator points to is
/// given back when the iterator moves on, unless it was moved out.
class HEADRACE_EXPORT Epoch {
  public:
    class HEADRACE_EXPORT Iterator {
      public:
        using iterator_concept = std::input_iterator_tag;
        using difference_type = std::ptrdiff_t;
        using value_type = Batch;

        Batch& operator*() const { return *current_; }
        Batch* operator->() const { return &*current_; }
        Iterator& operator++();
        void operator++(int) { ++*this; }
        friend bool operator==(const Iterator& it, std::default_sentinel_t) {
            return !it.current_.has_value();
        }

      private:
        friend class Epoch;
        Iterator(std::shared_ptr<detail::LoaderCore> core, StreamRef stream);
        void advance();
        std::shared_ptr<detail::LoaderCore> core_;
        StreamRef stream_;
        mutable std::optional<Batch> current_;
    };

    /// For a range-for loop; takes the first batch.
    Iterator begin() { return Iterator(core_, stream_); }
    /// Where there is no batch any more.
    std::default_sentinel_t end() const { return {}; }

  private:
    friend class Loader;
    Epoch(std::shared_ptr<detail::LoaderCore> core, StreamRef stream)
        : core_(std::move(core)), stream_(stream) {}
    std::shared_ptr<detail::LoaderCore> core_;
    StreamRef stream_;
};

}  // namespace headrace
