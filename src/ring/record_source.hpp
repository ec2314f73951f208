// Where the records of a Consumer come from: a ring that is all its own (ConsumerCore), or one that
// it shares with others (SharedConsumerCore).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "headrace/consumer.hpp"
#include "ring/layout.hpp"
#include "ring/protocol.hpp"

namespace headrace::detail {

class RecordSource {
  public:
    RecordSource() = default;
    RecordSource(const RecordSource&) = delete;
    RecordSource& operator=(const RecordSource&) = delete;
    virtual ~RecordSource() = default;

    // `records` at most; until the time-out, or that of the options.
    virtual Result<RecordLease> take_lease(std::size_t records,
                                           std::optional<std::chrono::nanoseconds> timeout) = 0;
    // A lease is given back. On any thread.
    virtual void settle_lease(const RecordLease& lease) noexcept = 0;
    virtual std::uint64_t position() const noexcept = 0;
    virtual const ring::Description& description() const noexcept = 0;

  protected:
    // The insides of a lease, for those who make and settle them.
    struct Parts {
        std::vector<std::uint64_t>& indices;
        std::vector<std::uint32_t>& lengths;  // [field][record]
        std::vector<Hole>& holes;
        std::vector<std::uint8_t>& deaths;
    };
    static Parts parts_of(RecordLease& lease) noexcept {
        return {lease.indices_, lease.lengths_, lease.holes_, lease.deaths_};
    }
    // "ring "voices": record 7 (item 3) is a hole: skipped: unreadable".
    static std::string hole_text(const std::string& ring, std::uint64_t index, std::uint64_t item,
                                 const ring::Reason& reason);
    // An empty lease on records from the one that slot 0 has, or had, when `lap_start` was its
    // index.
    RecordLease empty_lease(detail::RowView rows, std::uint64_t lap_start, std::uint64_t floor);
    // The same later, before it has any records.
    static void place(RecordLease& lease, std::uint64_t lap_start, std::uint64_t floor) noexcept {
        lease.lap_start_ = lap_start;
        lease.floor_ = floor;
    }

    struct Volume {  // bytes
        std::uint64_t payload = 0;
        std::uint64_t padding = 0;
    };
    static Volume volume_of(const RecordLease& lease) noexcept;
    static const std::vector<std::uint64_t>& indices_of(const RecordLease& lease) noexcept {
        return lease.indices_;
    }
};

}  // namespace headrace::detail
