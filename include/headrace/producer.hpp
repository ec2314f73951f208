// The producers' side of a ring: claim a record, write it in place, publish it.
#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "headrace/attach_options.hpp"
#include "headrace/detail/field_view.hpp"
#include "headrace/dtype.hpp"
#include "headrace/export.hpp"
#include "headrace/outcome.hpp"
#include "headrace/schema.hpp"

namespace headrace {

namespace detail {
class ProducerCore;
}

/// Bytes of a skip's reason that are kept.
inline constexpr std::size_t kMaxReasonBytes = 62;

/// A record that is being written: its index is this producer's until it is published or skipped.
/// Dropped unpublished (also by an exception) it is given back, and a producer, perhaps this one,
/// gets the index again. Movable; belongs to one thread; must not outlive its Producer.
class HEADRACE_EXPORT ClaimedRecord {
  public:
    /// Takes the record over.
    ClaimedRecord(ClaimedRecord&& other) noexcept
        : core_(std::exchange(other.core_, nullptr)),
          fields_(other.fields_),
          slot_(other.slot_),
          index_(other.index_),
          word_(other.word_),
          floor_(other.floor_) {}
    ClaimedRecord& operator=(ClaimedRecord&& other) noexcept;
    ~ClaimedRecord() {
        if (core_ != nullptr) drop();
    }

    /// The number of the record in the ring.
    std::uint64_t index() const noexcept { return index_; }
    /// The epoch that the index belongs to; 0 in a stream ring.
    std::uint64_t epoch() const;
    /// The item that it stands for; the index itself in a stream ring.
    std::uint64_t item() const;
    /// How often this index was claimed and given back before: 0, 1 or 2.
    std::uint32_t attempt() const noexcept;
    /// The ring's.
    const Schema& schema() const;

    /// The whole capacity of a field, to write in place. What it holds is unspecified. Throws
    /// UsageError for an unknown field or another dtype.
    template <class T>
    std::span<T> field(std::string_view name) {
        return field<T>(schema().index_of(name, dtype_of<T>));
    }
    /// The same by place, which saves the look-up.
    template <class T>
    std::span<T> field(std::size_t field) {
        if (core_ == nullptr || field >= fields_.size() || fields_[field].dtype != dtype_of<T>) {
            refuse_field(field, dtype_of<T>);
        }
        return {reinterpret_cast<T*>(row(field)), fields_[field].capacity};
    }
    /// Raw bytes of a field's capacity, aligned to at least 16.
    std::span<std::byte> field_bytes(std::size_t field);

    /// Makes the record visible, with the length in elements of each field, in the schema's order.
    /// Throws UsageError, and leaves the record claimed, when the number of lengths is wrong, or
    /// one is negative or over the capacity. Afterwards the record is no longer the caller's.
    template <class... Lengths>
    requires(std::integral<Lengths>&&...) void publish(Lengths... lengths) {
        const std::int64_t values[] = {as_length(lengths)..., 0};
        publish_lengths({values, sizeof...(lengths)});
    }
    /// The same with the lengths in an array.
    void publish_lengths(std::span<const std::int64_t> lengths);

    /// Makes the record a hole: it is never delivered, but counted and named with this reason, of
    /// which kMaxReasonBytes are kept.
    void skip(std::string_view reason);

  private:
    friend class detail::ProducerCore;
    ClaimedRecord(detail::ProducerCore* core, std::span<const detail::FieldView> fields,
                  std::uint64_t slot, std::uint64_t index, std::uint64_t word, std::uint64_t floor)
        : core_(core), fields_(fields), slot_(slot), index_(index), word_(word), floor_(floor) {}

    template <std::integral L>
    static std::int64_t as_length(L length) noexcept {
        if (!std::in_range<std::int64_t>(length)) return -1;  // no capacity is as large
        return static_cast<std::int64_t>(length);
    }
    void drop() noexcept;
    detail::ProducerCore& claimed() const;

    [[noreturn]] void refuse_field(std::size_t field, DType wanted) const;
    std::byte* row(std::size_t field) const {
        return fields_[field].rows + slot_ * fields_[field].row_bytes;
    }

    detail::ProducerCore* core_;
    std::span<const detail::FieldView> fields_;
    std::uint64_t slot_;
    std::uint64_t index_;
    std::uint64_t word_;
    std::uint64_t floor_;  // the index that was the sampler's index 0 when it was claimed
};

/// A producer. Movable; belongs to one thread at a time, which may hold several claimed records.
/// It does not survive fork(): in a child, where it may be destroyed but not used, it stands for
/// nothing; the child attaches for itself.
class HEADRACE_EXPORT Producer {
  public:
    /// Attaches to a ring of another process, and waits for it while it is not there yet. Throws
    /// TimeoutError, or SystemError when the ring refuses or is of another layout.
    static Producer attach(std::string_view name, const AttachOptions& options = {});
    /// The same with a time-out, and nothing else that is not as usual.
    static Producer attach(std::string_view name, std::chrono::milliseconds timeout);

    Producer(Producer&&) noexcept;
    Producer& operator=(Producer&&) noexcept;
    /// finish(), unless an exception is on its way through: then the ring counts it as lost.
    ~Producer();

    /// The fields of each record.
    const Schema& schema() const noexcept;

    /// Waits for a place and for work. Outcome::end when no work is left nor can come back: every
    /// index up to the end is published or a hole, or the ring was closed. Throws RingAborted when
    /// the trainer died or ended the ring with an error.
    Result<ClaimedRecord> claim();
    /// The same, for so long at most; Outcome::timed_out when there was nothing to do.
    Result<ClaimedRecord> claim_for(std::chrono::nanoseconds timeout);
    /// The same, without waiting.
    Result<ClaimedRecord> try_claim();

    /// Claims, copies and publishes one record of the classic pair: a schema of one f32 field and
    /// one i32 field. Returns ready or end. Throws UsageError when the schema is another.
    Outcome put(std::span<const float> floats, std::span<const std::int32_t> ints);

    /// Says that this producer will write no more. Records still claimed are given back.
    /// Idempotent.
    void finish() noexcept;

  private:
    friend class Ring;
    explicit Producer(std::unique_ptr<detail::ProducerCore> core);
    std::unique_ptr<detail::ProducerCore> core_;
    int exceptions_at_birth_ = 0;
};

}  // namespace headrace
