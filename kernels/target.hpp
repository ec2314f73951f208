// Which byte of which record belongs at a byte of the target, packed or in rows. One object for a
// tile: what is dear to find (a search over all records, a division of 64 bits) is found once.
#pragma once

#include <cstdint>

#include "kernels/field_job.hpp"
#include "kernels/host_device.hpp"
#include "kernels/records.hpp"
#include "kernels/tiles.hpp"

namespace headrace::kernels {

// A byte of the target. Columns count from where the record begins: those below `payload` are of
// the record, those from there to below `end` of its tail.
struct Spot {
    std::uint32_t record = 0;
    std::uint64_t column = 0;
    std::uint64_t payload = 0;
    std::uint64_t end = 0;
};

// Records end to end: no tails.
template <class Offset>
class PackedTarget {
  public:
    // `tile`: not empty, bytes of the target.
    HEADRACE_HOST_DEVICE PackedTarget(const FieldJob& job, Range tile) : records_(job) {
        first_ = records_.holding(0, job.records, tile.begin);
        end_ = records_.next_holding(first_, job.records, tile.end - 1) + 1;
    }

    HEADRACE_HOST_DEVICE const Records<Offset>& records() const { return records_; }

    // `position`: within the tile.
    HEADRACE_HOST_DEVICE Spot at(std::uint64_t position) const {
        return in(records_.holding(first_, end_, position), position);
    }

    // The spot behind the record of `spot`, which is not the last of the tile.
    HEADRACE_HOST_DEVICE Spot behind(const Spot& spot) const {
        const std::uint64_t position = records_.begin(spot.record + 1);
        const Spot next = in(spot.record + 1, position);
        if (next.end != 0) return next;
        return in(records_.next_holding(spot.record + 1, end_, position), position);
    }

  private:
    HEADRACE_HOST_DEVICE Spot in(std::uint32_t record, std::uint64_t position) const {
        const std::uint64_t begin = records_.begin(record);
        const std::uint64_t bytes = records_.begin(std::uint64_t{record} + 1) - begin;
        return {record, position - begin, bytes, bytes};
    }

    Records<Offset> records_;
    std::uint32_t first_ = 0;
    std::uint32_t end_ = 0;
};

// Records in rows of one width.
template <class Offset>
class RowTarget {
  public:
    HEADRACE_HOST_DEVICE static std::uint64_t row_bytes(const FieldJob& job) {
        return job.width * job.element_bytes;
    }

    HEADRACE_HOST_DEVICE RowTarget(const FieldJob& job, Range tile)
        : records_(job), row_bytes_(row_bytes(job)), tile_(tile.begin) {
        first_ = static_cast<std::uint32_t>(tile.begin / row_bytes_);
        column_ = tile.begin - first_ * row_bytes_;
    }

    HEADRACE_HOST_DEVICE const Records<Offset>& records() const { return records_; }

    // `position`: within the tile.
    HEADRACE_HOST_DEVICE Spot at(std::uint64_t position) const {
        const std::uint64_t column = column_ + (position - tile_);
        if (row_bytes_ >= kTileBytes) {  // no tile reaches into a third row
            return column < row_bytes_ ? in(first_, column) : in(first_ + 1, column - row_bytes_);
        }
        // Less than a row and a tile: 32 bits are enough, and their division is much the cheaper.
        const auto row = static_cast<std::uint32_t>(row_bytes_);
        const std::uint32_t rows = static_cast<std::uint32_t>(column) / row;
        return in(first_ + rows, static_cast<std::uint32_t>(column) - rows * row);
    }

    // The spot behind the row of `spot`, which is not the last.
    HEADRACE_HOST_DEVICE Spot behind(const Spot& spot) const { return in(spot.record + 1, 0); }

  private:
    HEADRACE_HOST_DEVICE Spot in(std::uint32_t record, std::uint64_t column) const {
        const std::uint64_t begin = records_.begin(record);
        return {record, column, records_.begin(std::uint64_t{record} + 1) - begin, row_bytes_};
    }

    Records<Offset> records_;
    std::uint64_t row_bytes_;
    std::uint64_t tile_;  // byte at which the tile begins: column_ of the row first_
    std::uint64_t column_ = 0;
    std::uint32_t first_ = 0;
};

}  // namespace headrace::kernels
