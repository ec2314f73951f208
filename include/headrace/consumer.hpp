// Records straight from shared memory, one at a time or in runs: for the trainer, or for several
// consumers in any process. The loader is built on the same; use this where records are wanted and
// no batches on a device.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "headrace/attach_options.hpp"
#include "headrace/detail/field_view.hpp"
#include "headrace/dtype.hpp"
#include "headrace/export.hpp"
#include "headrace/outcome.hpp"
#include "headrace/schema.hpp"

namespace headrace {

namespace detail {
class RecordSource;
}

/// Why an index was never delivered.
enum class HoleKind : std::uint8_t {
    skipped = 1,  ///< its producer said so, with a reason
    died = 2,     ///< a producer died while it wrote it (stream ring), or the last of three did, or
                  ///< of three consumers that shared the ring and had it
    dropped = 3,  ///< given back unpublished for the third time, or with no producer left
    invalid = 4,  ///< published with a length over the capacity
};
/// "skipped", "died", "dropped", "invalid".
HEADRACE_EXPORT std::string_view name_of(HoleKind kind) noexcept;

/// An index that is never delivered.
struct Hole {
    std::uint64_t index;  ///< the number of the record in the ring
    std::uint64_t item;   ///< what it stands for: the index itself in a stream ring
    HoleKind kind;        ///< why it is one
    std::string reason;   ///< the same in words, of its producer where that has skipped it
};

/// How long a consumer waits, and for what.
struct ConsumerOptions {
    /// How long to wait for the very first record; empty: without limit, for producers may take
    /// minutes to warm up.
    std::optional<std::chrono::milliseconds> first_timeout = {};
    /// How long to wait for a record after that; empty: without limit.
    std::optional<std::chrono::milliseconds> stall_timeout = {};
    /// How long a wait that nothing but leases on records blocks goes on before it is an error. It
    /// is not zero because another thread may be about to let go.
    std::chrono::milliseconds lease_timeout{10'000};
};

/// One or several records, in place: consecutive ones, but for holes and, where consumers share the
/// ring, for what others have. The slots go back to the producers when it is
/// destroyed or released. Movable; may be released on any thread; must not outlive its Consumer.
class HEADRACE_EXPORT RecordLease {
  public:
    RecordLease(RecordLease&&) noexcept;
    RecordLease& operator=(RecordLease&&) noexcept;
    ~RecordLease();

    /// Records in the lease; holes are not among them.
    std::size_t size() const noexcept { return indices_.size(); }
    /// The number of a record in the ring.
    std::uint64_t index(std::size_t record = 0) const { return indices_.at(record); }
    /// The epoch that it belongs to; 0 in a stream ring.
    std::uint64_t epoch(std::size_t record = 0) const;
    /// The item that it stands for; the index itself in a stream ring.
    std::uint64_t item(std::size_t record = 0) const;
    /// How many consumers that share the ring had this record before, and died with it: 0 for a
    /// record that is delivered for the first time, at most kMaxAttempts - 1.
    std::uint32_t deaths(std::size_t record = 0) const {
        return deaths_.empty() ? 0 : deaths_.at(record);
    }
    /// Indices without a record that were met on the way.
    const std::vector<Hole>& holes() const noexcept { return holes_; }

    /// The payload of a field: as many elements as were published.
    template <class T>
    std::span<const T> field(std::string_view name, std::size_t record = 0) const {
        return field<T>(schema().index_of(name, dtype_of<T>), record);
    }
    /// The same by the field's place in the schema.
    template <class T>
    std::span<const T> field(std::size_t field, std::size_t record = 0) const {
        if (field >= rows_.fields.size() || rows_.fields[field].dtype != dtype_of<T>) {
            refuse_field(field, dtype_of<T>);
        }
        const std::uint32_t elements = length(field, record);
        return {reinterpret_cast<const T*>(row(field, record)), elements};
    }
    /// The same in bytes.
    std::span<const std::byte> field_bytes(std::size_t field, std::size_t record = 0) const {
        const std::size_t elements = length(field, record);
        return {row(field, record), elements * rows_.fields[field].element_bytes};
    }
    /// Elements of a field, as published.
    std::uint32_t length(std::size_t field, std::size_t record = 0) const {
        if (field >= rows_.fields.size() || record >= indices_.size()) refuse(field, record);
        return lengths_[field * indices_.size() + record];
    }

    /// Gives the slots back now. Idempotent.
    void release() noexcept;

  private:
    friend class detail::RecordSource;
    RecordLease() = default;
    const Schema& schema() const;
    [[noreturn]] void refuse_field(std::size_t field, DType wanted) const;
    [[noreturn]] void refuse(std::size_t field, std::size_t record) const;
    const std::byte* row(std::size_t field, std::size_t record) const {
        std::uint64_t slot = indices_[record] - lap_start_;
        if (slot >= rows_.slots) slot -= rows_.slots;  // a lease is at most one lap long
        return rows_.fields[field].rows + slot * rows_.fields[field].row_bytes;
    }

    detail::RecordSource* core_ = nullptr;
    detail::RowView rows_{};       // no field once the lease is released
    std::uint64_t floor_ = 0;      // the index that was the sampler's index 0 then
    std::uint64_t lap_start_ = 0;  // the index that slot 0 had when the lease began
    std::vector<std::uint64_t> indices_;
    std::vector<std::uint32_t> lengths_;  // [field][record]
    std::vector<Hole> holes_;
    std::vector<std::uint8_t> deaths_;  // empty where consumers do not share
};

/// Takes records in the order of their indices. Movable; one thread at a time calls it.
///
/// In a ring with RingOptions::shared_consumers there may be any number of them, in the trainer and
/// in other processes, up to kMaxProducers together with the producers. Each record goes to one of
/// them, in the order of indices as they ask. Where a consumer dies, what it had taken and not
/// given back is delivered again, to another, and says so (RecordLease::deaths); the third time it
/// becomes a hole. So in such a ring an epoch's last records, or the data's, may come back late:
/// Outcome::end waits for what others hold, unless this one holds records itself.
class HEADRACE_EXPORT Consumer {
  public:
    /// Attaches to the ring of another process, which has to be one with
    /// RingOptions::shared_consumers, and waits for it while it is not there yet. Throws
    /// TimeoutError, or SystemError when the ring refuses or is of another layout.
    static Consumer attach(std::string_view name, const ConsumerOptions& options = {});
    /// The same, found as these options say.
    static Consumer attach(std::string_view name, const ConsumerOptions& options,
                           const AttachOptions& how);

    Consumer(Consumer&&) noexcept;
    Consumer& operator=(Consumer&&) noexcept;
    ~Consumer();

    /// The fields of each record.
    const Schema& schema() const noexcept;

    /// The next record. Holes are passed over. Outcome::end_of_epoch comes once after each epoch's
    /// last record. Waits as long as the options say. Throws IncompleteError, RingAborted, and
    /// UsageError when only leases of this consumer stand in the way.
    Result<RecordLease> get();
    /// The same, for so long at most.
    Result<RecordLease> get_for(std::chrono::nanoseconds timeout);
    /// The same, without waiting.
    Result<RecordLease> try_get();

    /// The next `records` indices in one lease, waiting until all of them are settled; fewer at the
    /// end of an epoch, of the data, or when the slots are fewer. Holes make it shorter, or empty.
    /// A consumer that shares the ring waits for one record, and takes as many as are there then:
    /// it would keep from others what it waits with.
    Result<RecordLease> take(std::size_t records);
    /// The same, for so long at most.
    Result<RecordLease> take_for(std::size_t records, std::chrono::nanoseconds timeout);

    /// The index that comes next; where consumers share the ring, the first that none has taken.
    std::uint64_t position() const noexcept;

  private:
    friend class Ring;
    explicit Consumer(std::unique_ptr<detail::RecordSource> core);
    std::unique_ptr<detail::RecordSource> core_;
};

}  // namespace headrace
