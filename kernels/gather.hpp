// The body of the kernel `gather`: out of host memory, by the source. The link is what counts, so
// each block of 16 bytes of the source that holds payload is read by one lane and once, and
// neighbouring lanes read neighbouring blocks; stores fall where they fall.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/field_job.hpp"
#include "kernels/host_device.hpp"
#include "kernels/records.hpp"
#include "kernels/tiles.hpp"
#include "kernels/vector.hpp"

namespace headrace::kernels {

// The source of a job as lines of 128 bytes (a full read of a device; less where rows are shorter),
// numbered through over all records: record r has the lines from first_line(r) on, as many as it
// needs or one more. The numbers come from the offsets alone, without a sum over the records
// before.
template <class Offset>
class SourceLines {
  public:
    HEADRACE_HOST_DEVICE explicit SourceLines(const FieldJob& job)
        : records_(job), line_shift_(shift_of(job)), slack_(slack_of(job)) {}

    // Up to the end of the last record, from what the host knows; 0 if there is no payload.
    HEADRACE_HOST_DEVICE static std::uint64_t vectors(const FieldJob& job) {
        if (job.total == 0) return 0;
        const std::uint32_t shift = shift_of(job);
        const std::uint64_t lines =
            (job.total * job.element_bytes + job.records * slack_of(job)) >> shift;
        return lines << (shift - kVectorShift);
    }

    // What lies in one vector of a line.
    struct Piece {
        std::uint64_t source = 0;  // of the whole block, in the source: bytes
        std::uint64_t target = 0;  // where the whole block would come to lie: bytes
        std::uint32_t from = 0;    // payload: bytes [from, until) of the block, none if equal
        std::uint32_t until = 0;
    };
    // `vector` counts those of all lines; its record is one of [first, end).
    HEADRACE_HOST_DEVICE Piece piece(const FieldJob& job, std::uint32_t first, std::uint32_t end,
                                     std::uint64_t vector) const {
        const std::uint32_t record = holding(first, end, vector);
        const std::uint64_t begin = records_.begin(record);
        const std::uint64_t bytes = records_.begin(std::uint64_t{record} + 1) - begin;
        const std::uint64_t source = records_.source(record);
        const std::uint64_t target =
            job.width == 0 ? begin : record * job.width * job.element_bytes;
        // A record of a packed source may begin within a block, which it shares with the one
        // before; as many bytes lie before it in the target.
        const std::uint64_t lead = source & kVectorMask;
        const std::uint64_t at = (vector << kVectorShift) - (first_line(record) << line_shift_);
        const std::uint64_t left = at < lead + bytes ? lead + bytes - at : 0;
        const auto until = static_cast<std::uint32_t>(smaller<std::uint64_t>(left, kVectorBytes));
        const std::uint32_t from = at == 0 ? static_cast<std::uint32_t>(lead) : 0;
        return {source - lead + at, target - lead + at, smaller(from, until), until};
    }
    // The record of a vector, given that it is one of [first, end).
    HEADRACE_HOST_DEVICE std::uint32_t holding(std::uint32_t first, std::uint32_t end,
                                               std::uint64_t vector) const {
        return last_not_above(first, end, vector >> (line_shift_ - kVectorShift),
                              [this](std::uint32_t record) { return first_line(record); });
    }
    // The same, quicker where it is near `first`.
    HEADRACE_HOST_DEVICE std::uint32_t next_holding(std::uint32_t first, std::uint32_t end,
                                                    std::uint64_t vector) const {
        return next_not_above(first, end, vector >> (line_shift_ - kVectorShift),
                              [this](std::uint32_t record) { return first_line(record); });
    }
    HEADRACE_HOST_DEVICE std::uint64_t first_line(std::uint64_t record) const {
        return (records_.begin(record) + record * slack_) >> line_shift_;
    }

  private:
    HEADRACE_HOST_DEVICE static std::uint32_t shift_of(const FieldJob& job) {
        std::uint32_t shift = 7;
        while (job.row_bytes != 0 && shift > kVectorShift && job.row_bytes >> shift == 0) --shift;
        return shift;
    }
    // With so much added to each record, rounding down to whole lines leaves each enough: a record
    // of n bytes, n a multiple of the element, needs (n + line - element) / line of them, and in a
    // packed source may lie up to 16 - element bytes behind the begin of its first block.
    HEADRACE_HOST_DEVICE static std::uint64_t slack_of(const FieldJob& job) {
        const std::uint64_t line = std::uint64_t{1} << shift_of(job);
        return line - job.element_bytes +
               (job.row_bytes == 0 ? kVectorBytes - job.element_bytes : 0);
    }

    Records<Offset> records_;
    std::uint32_t line_shift_;
    std::uint64_t slack_;
};

struct Gather {
    HEADRACE_HOST_DEVICE static std::uint64_t vectors(const FieldJob& job) {
        return SourceLines<std::int32_t>::vectors(job);  // the same for all offsets
    }

    template <class Offset>
    HEADRACE_HOST_DEVICE static void tile(const FieldJob& job, std::uint64_t number,
                                          std::uint32_t lane) {
        const SourceLines<Offset> lines(job);
        const auto [begin, end] = tile_vectors(vectors(job), number);
        const std::uint32_t first = lines.holding(0, job.records, begin);
        const std::uint32_t last = lines.next_holding(first, job.records, end - 1);
        for (std::uint64_t at = begin + lane; at < end; at += kInFlight * kLanes) {
            // Looking up first, for a load that is waited for (an offset) would hold up those of
            // the payload; then all loads, then all stores.
            typename SourceLines<Offset>::Piece piece[kInFlight];
            HEADRACE_UNROLL
            for (std::uint32_t i = 0; i < kInFlight; ++i) {
                piece[i] = {};
                if (at + i * kLanes < end) {
                    piece[i] = lines.piece(job, first, last + 1, at + i * kLanes);
                }
            }
            Vector value[kInFlight];
            HEADRACE_UNROLL
            for (std::uint32_t i = 0; i < kInFlight; ++i) {
                value[i] = Vector{};
                if (piece[i].from < piece[i].until) {
                    value[i] = load_vector(job.source + piece[i].source);
                }
            }
            HEADRACE_UNROLL
            for (std::uint32_t i = 0; i < kInFlight; ++i) {
                if (piece[i].from == piece[i].until) continue;
                store_part(job.target + piece[i].target, value[i], piece[i].from, piece[i].until);
            }
        }
    }
};

// What thread `thread` of a grid of `threads`, whole warps, does.
HEADRACE_HOST_DEVICE inline void gather_thread(const Jobs& jobs, std::uint64_t thread,
                                               std::uint64_t threads) {
    run_thread<Gather>(jobs, thread, threads);
}

}  // namespace headrace::kernels
