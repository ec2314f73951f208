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

// What a vector of the target is: one of a single record's payload, of its tail, or of more.
enum class Kind : std::uint32_t { nothing, payload, tail, mixed };

HEADRACE_HOST_DEVICE inline Kind kind_of(const Spot& spot) {
    const std::uint64_t until = spot.column + kVectorBytes;
    if (until <= spot.payload) return Kind::payload;
    return spot.column >= spot.payload && until <= spot.end ? Kind::tail : Kind::mixed;
}

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
        Kind kind[kInFlight];
        std::uint64_t from[kInFlight];  // in the source
        HEADRACE_UNROLL
        for (std::uint32_t i = 0; i < kInFlight; ++i) {
            const std::uint64_t position = first + i * kRoundBytes;
            kind[i] = Kind::nothing;
            from[i] = 0;
            if (position >= tile.end) continue;
            const Spot spot = target.at(position);
            kind[i] = kind_of(spot);
            if (kind[i] == Kind::payload) {
                from[i] = target.records().source(spot.record) + spot.column;
            }
        }
        Vector low[kInFlight];
        Vector high[kInFlight];
        HEADRACE_UNROLL
        for (std::uint32_t i = 0; i < kInFlight; ++i) {
            low[i] = high[i] = Vector{};
            if (kind[i] != Kind::payload) continue;
            const std::byte* const block = job.source + (from[i] & ~kVectorMask);
            low[i] = load_vector(block);
            if ((from[i] & kVectorMask) != 0) high[i] = load_vector(block + kVectorBytes);
        }
        std::uint32_t mixed = 0;  // bit i: vector i is yet to be done
        HEADRACE_UNROLL
        for (std::uint32_t i = 0; i < kInFlight; ++i) {
            std::byte* const to = job.target + (first + i * kRoundBytes);
            if (kind[i] == Kind::payload) {
                const auto shift = static_cast<std::uint32_t>(from[i] & kVectorMask);
                store_vector(to, shifted(low[i], high[i], shift));
            } else if (kind[i] == Kind::tail) {
                store_vector(to, repeated(job.pad));
            } else if (kind[i] == Kind::mixed) {
                mixed |= 1u << i;
            }
        }
        HEADRACE_DO_NOT_UNROLL
        for (std::uint32_t i = 0; mixed >> i != 0; ++i) {
            if ((mixed >> i & 1) != 0) copy_mixed(job, target, tile, first + i * kRoundBytes);
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
