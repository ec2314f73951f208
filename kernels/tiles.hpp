// How the work of a launch is dealt out. Each job is cut into tiles of vectors; the tiles of all
// jobs are numbered through, and a warp takes every so many-th. Threads know nothing of each other:
// no shared memory, no barrier, no vote. So any order of threads gives the same bytes, and the
// tests run them one after the other.
#pragma once

#include <cstdint>

#include "kernels/field_job.hpp"
#include "kernels/host_device.hpp"
#include "kernels/vector.hpp"

namespace headrace::kernels {

// Of a warp. Grids are whole warps.
inline constexpr std::uint32_t kLanes = 32;
// Vectors that a lane loads before it stores the first, so that the loads overlap.
inline constexpr std::uint32_t kInFlight = 4;

// Tiles are powers of two of vectors, for a division would cost a device as much as the rest. Of a
// large job: 4 KiB, two rounds of a warp, over which looking up its records is spread.
inline constexpr std::uint32_t kTileShift = 8;
inline constexpr std::uint64_t kTileBytes = std::uint64_t{kVectorBytes} << kTileShift;
// Of a job up to 256 KiB: one vector a lane. It could not keep a device busy otherwise, and takes
// as long as its slowest warp.
inline constexpr std::uint32_t kSmallTileShift = 5;
inline constexpr std::uint64_t kSmallJobVectors = 16384;

HEADRACE_HOST_DEVICE constexpr std::uint32_t tile_shift(std::uint64_t job_vectors) {
    return job_vectors > kSmallJobVectors ? kTileShift : kSmallTileShift;
}

HEADRACE_HOST_DEVICE constexpr std::uint64_t tiles_of(std::uint64_t job_vectors) {
    const std::uint32_t shift = tile_shift(job_vectors);
    const std::uint64_t whole = job_vectors >> shift;
    return whole + (whole << shift != job_vectors ? 1 : 0);
}

HEADRACE_HOST_DEVICE constexpr std::uint64_t vectors_of(std::uint64_t bytes) {
    return bytes / kVectorBytes + (bytes % kVectorBytes != 0 ? 1 : 0);
}

// Of what a tile is made of: [begin, end).
struct Range {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
};

HEADRACE_HOST_DEVICE constexpr Range tile_vectors(std::uint64_t job_vectors, std::uint64_t tile) {
    const std::uint32_t shift = tile_shift(job_vectors);
    return {tile << shift, smaller((tile + 1) << shift, job_vectors)};
}

// The bytes of a tile of a job whose target has `bytes` bytes.
HEADRACE_HOST_DEVICE constexpr Range tile_bytes(std::uint64_t bytes, std::uint64_t tile) {
    const Range vectors = tile_vectors(vectors_of(bytes), tile);
    return {vectors.begin * kVectorBytes, smaller(vectors.end * kVectorBytes, bytes)};
}

// What one thread of a grid of `threads` does. Work tells by
//   vectors(job)              how many vectors a job has, 0 if there is nothing to do;
//   tile<Offset>(job, tile, lane)  what a lane does in a tile of a job.
template <class Work>
HEADRACE_HOST_DEVICE void run_thread(const Jobs& jobs, std::uint64_t thread,
                                     std::uint64_t threads) {
    const auto lane = static_cast<std::uint32_t>(thread % kLanes);
    const std::uint64_t warps = threads / kLanes;
    std::uint64_t tile = thread / kLanes;  // from the first tile of the job at hand
    for (std::uint32_t i = 0; i < jobs.count; ++i) {
        const FieldJob& job = jobs.field[i];
        const std::uint64_t tiles = tiles_of(Work::vectors(job));
        if (job.wide_offsets) {
            for (; tile < tiles; tile += warps) {
                Work::template tile<std::int64_t>(job, tile, lane);
            }
        } else {
            for (; tile < tiles; tile += warps) {
                Work::template tile<std::int32_t>(job, tile, lane);
            }
        }
        tile -= tiles;
    }
}

// What the tiles of all jobs are together: a grid of more warps is of no use.
template <class Work>
std::uint64_t all_tiles(const Jobs& jobs) {
    std::uint64_t tiles = 0;
    for (std::uint32_t i = 0; i < jobs.count; ++i) tiles += tiles_of(Work::vectors(jobs.field[i]));
    return tiles;
}

}  // namespace headrace::kernels
