// What one lane does in a tile of a job that is done by its target: it makes whole vectors of the
// target and finds out what belongs in them, so that stores are aligned and each is made once.
// `Target` is PackedTarget or RowTarget.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/field_job.hpp"
#include "kernels/host_device.hpp"
#include "kernels/target.hpp"
#include "kernels/tiles.hpp"
#include "kernels/vector.hpp"

namespace headrace::kernels {

// Bytes [from, until) of the vector whose first byte would lie at `position` of the source; the
// others are arbitrary. Loads only blocks of 16 bytes that hold one of these: `position` itself may
// lie before the source (and have wrapped), and what follows may be no memory.
HEADRACE_HOST_DEVICE inline Vector load_part(const std::byte* source, std::uint64_t position,
                                             std::uint32_t from, std::uint32_t until) {
    const auto shift = static_cast<std::uint32_t>(position & kVectorMask);
    const std::uint64_t block = position - shift;
    Vector low{};
    Vector high{};
    if (from < kVectorBytes - shift) low = load_vector(source + block);
    if (until > kVectorBytes - shift) high = load_vector(source + (block + kVectorBytes));
    return shifted(low, high, shift);
}

// How many bytes of a vector, of which `done` of `bytes` are, belong to a stretch of `left` more.
HEADRACE_HOST_DEVICE inline std::uint32_t part_of(std::uint32_t done, std::uint32_t bytes,
                                                  std::uint64_t left) {
    return static_cast<std::uint32_t>(smaller<std::uint64_t>(bytes - done, left));
}

HEADRACE_HOST_DEVICE inline std::uint64_t payload_left(const Spot& spot) {
    return spot.column < spot.payload ? spot.payload - spot.column : 0;
}

// The first `bytes` bytes of the vector at `position` of the target, whatever lies in it.
template <class Target>
HEADRACE_HOST_DEVICE Vector assembled(const FieldJob& job, const Target& target,
                                      std::uint64_t position, std::uint32_t bytes) {
    Vector value = repeated(job.pad);  // the tails; what is left to do is the payload
    Spot spot = target.at(position);
    for (std::uint32_t done = 0;;) {
        const std::uint32_t payload = part_of(done, bytes, payload_left(spot));
        if (payload != 0) {
            const std::uint64_t from = target.records().source(spot.record) + spot.column;
            const Vector part = load_part(job.source, from - done, done, done + payload);
            value = merged(value, part, done, done + payload);
        }
        done += part_of(done, bytes, spot.end - spot.column);
        if (done == bytes) return value;
        spot = target.behind(spot);
    }
}

// What the vectors of a round are: each one of a single record's payload, or of its tail, or mixed;
// none of these where the tile has no such vector. Sets of bits, vector i in bit i.
class Kinds {
  public:
    HEADRACE_HOST_DEVICE void add(const Spot& spot, std::uint32_t i) {
        const std::uint64_t until = spot.column + kVectorBytes;
        if (until <= spot.payload) {
            payload_ |= 1u << i;
        } else if (spot.column >= spot.payload && until <= spot.end) {
            tail_ |= 1u << i;
        } else {
            mixed_ |= 1u << i;
        }
    }
    HEADRACE_HOST_DEVICE bool is_payload(std::uint32_t i) const { return (payload_ >> i & 1) != 0; }
    HEADRACE_HOST_DEVICE bool is_tail(std::uint32_t i) const { return (tail_ >> i & 1) != 0; }
    HEADRACE_HOST_DEVICE bool is_mixed(std::uint32_t i) const { return (mixed_ >> i & 1) != 0; }

  private:
    std::uint32_t payload_ = 0;
    std::uint32_t tail_ = 0;
    std::uint32_t mixed_ = 0;
};

// Writes the vector at `position`, or as much of it as belongs to the tile.
template <class Target>
HEADRACE_HOST_DEVICE void copy_mixed(const FieldJob& job, const Target& target, Range tile,
                                     std::uint64_t position) {
    const std::uint32_t bytes = part_of(0, kVectorBytes, tile.end - position);
    store_part(job.target + position, assembled(job, target, position, bytes), 0, bytes);
}

// Writes all of the tile: payload and tails. Looking up comes first, for a load that is waited for
// (an offset) would hold up those of the payload, then all loads, then all stores.
template <class Target>
HEADRACE_HOST_DEVICE void copy_tile(const FieldJob& job, const Target& target, Range tile,
                                    std::uint32_t lane) {
    constexpr std::uint32_t kRoundBytes = kLanes * kVectorBytes;
    std::uint64_t first = tile.begin + lane * kVectorBytes;
    for (; first < tile.end; first += kInFlight * kRoundBytes) {
        Kinds kinds;
        std::uint64_t from[kInFlight];  // of a vector of payload, in the source
        HEADRACE_UNROLL
        for (std::uint32_t i = 0; i < kInFlight; ++i) {
            const std::uint64_t position = first + i * kRoundBytes;
            from[i] = 0;
            if (position >= tile.end) continue;
            const Spot spot = target.at(position);
            kinds.add(spot, i);
            if (kinds.is_payload(i)) {
                from[i] = target.records().source(spot.record) + spot.column;
            }
        }
        Vector low[kInFlight];
        Vector high[kInFlight];
        HEADRACE_UNROLL
        for (std::uint32_t i = 0; i < kInFlight; ++i) {
            low[i] = high[i] = Vector{};
            if (!kinds.is_payload(i)) continue;
            const std::byte* const block = job.source + (from[i] & ~kVectorMask);
            low[i] = load_vector(block);
            if ((from[i] & kVectorMask) != 0) high[i] = load_vector(block + kVectorBytes);
        }
        HEADRACE_UNROLL
        for (std::uint32_t i = 0; i < kInFlight; ++i) {
            std::byte* const to = job.target + (first + i * kRoundBytes);
            if (kinds.is_payload(i)) {
                const auto shift = static_cast<std::uint32_t>(from[i] & kVectorMask);
                store_vector(to, shifted(low[i], high[i], shift));
            } else if (kinds.is_tail(i)) {
                store_vector(to, repeated(job.pad));
            }
        }
        HEADRACE_DO_NOT_UNROLL
        for (std::uint32_t i = 0; i < kInFlight; ++i) {
            if (kinds.is_mixed(i)) copy_mixed(job, target, tile, first + i * kRoundBytes);
        }
    }
}

// Writes the tails of the tile, and of the payload not a byte.
template <class Target>
HEADRACE_HOST_DEVICE void fill_tile(const FieldJob& job, const Target& target, Range tile,
                                    std::uint32_t lane) {
    const Vector pad = repeated(job.pad);
    std::uint64_t position = tile.begin + lane * kVectorBytes;
    for (; position < tile.end; position += kLanes * kVectorBytes) {
        const std::uint32_t bytes = part_of(0, kVectorBytes, tile.end - position);
        Spot spot = target.at(position);
        for (std::uint32_t done = 0;;) {
            const std::uint32_t payload = part_of(done, bytes, payload_left(spot));
            const std::uint32_t until = done + part_of(done, bytes, spot.end - spot.column);
            store_part(job.target + position, pad, done + payload, until);
            done = until;
            if (done == bytes) break;
            spot = target.behind(spot);
        }
    }
}

}  // namespace headrace::kernels
