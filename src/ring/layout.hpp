// The shared memory, byte by byte. What comes first in the file is what lies first in memory.
//
//   0        Header            who made it, schema, sampler, where everything lies; read once
//   4096     Control           phase, tail, the sleepers' words; one cache line for each writer
//   ...      TrainerCounters   written by the trainer only
//   ...      ProducerCell[256] one a producer id: identity by the trainer, counters by the producer
//   ...      ConsumerCell[256] the same for consumers that share the ring
//   ...      returned bitmap   one bit a slot: an index that came back may wait there
//   ...      SlotDescriptor[n] one cache line a slot: its word, its lengths
//   ...      SlotReason[n]     why a hole is one
//   pages    field arrays      for each field [slots][row]: a run of slots is one contiguous copy
//
// All integers are in the machine's own byte order. Sizes are fixed constants and not the
// compiler's idea of a cache line, for the processes may be built by different compilers.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "headrace/ring.hpp"
#include "ring/platform.hpp"

namespace headrace::ring {

inline constexpr std::uint64_t kMagic = 0x3145434152444548;  // "HEDRACE1", least byte first
inline constexpr std::uint32_t kLayoutVersion = 4;
inline constexpr std::uint32_t kEndianMark = 0x01020304;
inline constexpr std::size_t kLine = 64;
inline constexpr std::size_t kPage = 4096;
inline constexpr std::size_t kHugePage = std::size_t{2} << 20;
inline constexpr std::size_t kIdentityBytes = 48;
inline constexpr std::size_t kAbortReasonBytes = 192;

struct HeaderField {
    char name[kMaxFieldNameBytes + 1];
    std::uint32_t dtype;
    std::uint32_t capacity;
    std::uint64_t offset;     // of the field's array, from the start of the memory
    std::uint64_t row_bytes;  // from one slot's row to the next
};

struct Header {
    std::uint64_t magic;  // written last
    std::uint32_t version;
    std::uint32_t endian;
    std::uint64_t hash;  // FNV-1a of the header with magic and hash zero
    std::uint64_t memory_bytes;
    char name[kMaxRingNameBytes + 1];
    std::int64_t trainer_pid;
    std::uint64_t created_ns;  // CLOCK_MONOTONIC
    std::uint32_t slots;
    std::uint32_t field_count;
    std::uint64_t epoch_records;  // 0: a stream ring, the sampler's fields are all zero
    std::uint64_t epochs;
    std::uint64_t shuffle_seed;
    std::uint32_t has_shuffle_seed;
    std::uint32_t rank;
    std::uint32_t world_size;
    std::uint32_t remainder;
    std::uint64_t origin_epoch;
    std::uint64_t origin_position;
    std::uint64_t start_index;
    std::uint32_t shared_consumers;  // 1: consumers attach, and share the records
    std::uint32_t reserved;
    HeaderField fields[kMaxFields];
};
static_assert(sizeof(Header) <= kPage);

// Text that one process writes and others may read at any time: torn, at the worst.
template <std::size_t Bytes>
struct SharedText {
    static_assert(Bytes % 8 == 0);
    std::atomic<std::uint64_t> words[Bytes / 8];
    void store(std::string_view text) noexcept;
    std::string load() const;
};

template <class P>
struct BasicControl {
    template <class T>
    using Atomic = typename P::template Atomic<T>;

    alignas(kLine) Atomic<std::uint32_t> phase;  // headrace::Phase
    Atomic<std::uint32_t> incomplete;            // headrace::ring::Incomplete
    // Bumped after an index was given back and after every death: a producer that has looked at the
    // bitmap since need not look again.
    Atomic<std::uint64_t> returns;
    // Raised by resets: indices below it are passed over, and the sampler's index 0 is this one.
    Atomic<std::uint64_t> floor;

    alignas(kLine) Atomic<std::uint64_t> tail;  // a hint, never ahead of the truth

    // Consumers that share: the first index that none of them has taken, a hint like the tail; and,
    // bumped after every death of one, a count for `returned` as `returns` is for producers.
    alignas(kLine) Atomic<std::uint64_t> head;
    Atomic<std::uint64_t> redeliveries;

    // Producers asleep. `space_bell` is the futex.
    alignas(kLine) Atomic<std::uint32_t> producers_asleep;
    Atomic<std::uint32_t> space_bell;
    Atomic<std::uint64_t> space_wanted;  // the value of `released` worth waking for

    alignas(kLine) Atomic<std::uint64_t> released;  // slots ever released, plus start_index

    // The consumer asleep: the index it waits for, or kNobody. `ready_bell` is the futex.
    alignas(kLine) Atomic<std::uint64_t> wanted;
    Atomic<std::uint32_t> ready_bell;
    Atomic<std::uint32_t> consumers_asleep;  // consumers that share; they want `head`

    alignas(kLine) SharedText<kAbortReasonBytes> abort_reason;
};
using Control = BasicControl<SystemPlatform>;
// In `floor` while a reset looks for the tail: above every index, so that nobody claims meanwhile.
inline constexpr std::uint64_t kClaimsStopped = std::uint64_t{1} << 63;
inline constexpr std::uint64_t kNobody = ~std::uint64_t{0};

struct TrainerCounters {
    using Counter = std::atomic<std::uint64_t>;
    alignas(kLine) Counter delivered, prefetched, discarded, skipped, died, dropped, invalid;
    Counter deaths, alarms, huge_pages, redelivered;
    alignas(kLine) Counter batches, payload_bytes, padding_bytes, link_bytes;
    Counter loader_started_ns, loader_ended_ns, trainer_waited_ns, waited_for_producers_ns,
        waited_for_copies_ns;
    Counter held_by_trainer_ns, trainer_waiting_since_ns, producers_awaited_since_ns;
    Counter copying_ns, stripping_ns;
    SharedText<16> device, host_memory;
};

// What control.incomplete says.
enum class Incomplete : std::uint32_t { no = 0, error = 1, allowed = 2 };

// Who has, or had, an id. By the trainer's service thread.
struct MemberCell {
    using Counter = std::atomic<std::uint64_t>;
    alignas(kLine) std::atomic<std::uint32_t> state;  // headrace::ProducerState; 0: never used
    std::atomic<std::uint32_t> incarnation;
    std::atomic<std::int64_t> pid;
    Counter attached_ns, detached_ns;
    SharedText<kIdentityBytes> identity;
};

struct ProducerCell : MemberCell {
    // By the producer.
    alignas(kLine) Counter claimed, published, skipped, dropped, returned, payload_bytes;
    Counter waited_ns, waiting_since_ns, alarms;
};

// What became of an index that a consumer was done with. The holes are in the order of HoleKind.
enum class Settled : std::uint32_t { delivered, skipped, died, dropped, invalid, discarded };
inline constexpr std::size_t kSettledKinds = 6;
// `invalid` for what is no reason, as the memory may have it.
constexpr Settled settled_as(HoleKind kind) noexcept {
    switch (kind) {
        case HoleKind::skipped: return Settled::skipped;
        case HoleKind::died: return Settled::died;
        case HoleKind::dropped: return Settled::dropped;
        case HoleKind::invalid: break;
    }
    return Settled::invalid;
}

template <class P>
struct BasicConsumerCell : MemberCell {
    template <class T>
    using Atomic = typename P::template Atomic<T>;
    // By the consumer. The counters go on over all that ever had the id, for the books' sake.
    //
    // `settling` is the index, plus one, that it lets go of; before that it writes down as which
    // kind, and what the counter of that kind was. If it dies, the slot's word tells whether it has
    // let go, and the counter is set to what it must be: no index is counted twice or never.
    alignas(kLine) Atomic<std::uint64_t> settling, counted_before;
    Atomic<std::uint32_t> settled_as;
    Atomic<std::uint64_t> counts[kSettledKinds];
    alignas(kLine) Counter payload_bytes, padding_bytes;
    Counter waited_ns, waiting_since_ns, alarms;
    Counter delivered_before;  // by those who had the id earlier; by the trainer
};
using ConsumerCell = BasicConsumerCell<SystemPlatform>;

template <class P>
struct BasicSlotDescriptor {
    alignas(kLine) typename P::template Atomic<std::uint64_t> word;
    typename P::template Atomic<std::uint32_t> lengths[kMaxFields];
};
using SlotDescriptor = BasicSlotDescriptor<SystemPlatform>;
static_assert(sizeof(SlotDescriptor) == kLine);

struct SlotReason {
    std::atomic<std::uint8_t> kind;  // headrace::HoleKind
    std::atomic<std::uint8_t> length;
    std::atomic<char> text[kMaxReasonBytes];
};
static_assert(sizeof(SlotReason) == kLine);

static_assert(std::atomic<std::uint64_t>::is_always_lock_free);
static_assert(std::atomic<std::uint32_t>::is_always_lock_free);
static_assert(std::atomic<char>::is_always_lock_free);

// Where everything lies: a pure function of schema and slots, which both sides compute.
struct Geometry {
    std::uint64_t control, trainer, producers, consumers, returned, descriptors, reasons;
    std::vector<std::uint64_t> field_offset, row_bytes;
    std::uint64_t memory_bytes;

    // Throws UsageError when the memory would pass 2^47 bytes.
    static Geometry of(const Schema& schema, std::uint32_t slots);
};

// Where a ring may start at the latest; as for a sampler.
inline constexpr std::uint64_t kMostIndex = std::uint64_t{1} << 62;

// What a header says, checked.
struct Description {
    std::string name;
    Schema schema;
    std::uint32_t slots = 0;
    std::optional<Sampler> sampler;
    std::uint64_t start_index = 0;
    bool shared_consumers = false;
    std::int64_t trainer_pid = 0;
    std::uint64_t created_ns = 0;

    // Of a ring that was not reset.
    std::uint64_t end_index() const { return sampler ? sampler->end_index() : Sampler::kEndless; }
    // Of an index at or above `floor`, which is the sampler's index 0.
    std::uint64_t epoch_of(std::uint64_t index, std::uint64_t floor) const noexcept {
        return sampler ? sampler->epoch_of(index - floor) : 0;
    }
    std::uint64_t item_of(std::uint64_t index, std::uint64_t floor) const noexcept {
        return sampler ? sampler->item_of(index - floor) : index;
    }
};

// Writes header and initial words into zeroed memory; the magic last.
void format(std::span<std::byte> memory, const Description& description);

// Copies the header once and checks all of it: magic, version, byte order, hash, sizes, names,
// limits. Throws SystemError that names ring, what was found and what was wanted.
Description read_header(std::span<const std::byte> memory, std::string_view ring_name);

// Nanoseconds of CLOCK_MONOTONIC, which every process of a machine shares.
std::uint64_t now_ns() noexcept;

template <std::size_t Bytes>
void SharedText<Bytes>::store(std::string_view text) noexcept {
    for (std::size_t word = 0; word < Bytes / 8; ++word) {
        std::uint64_t value = 0;
        for (std::size_t byte = 0; byte < 8; ++byte) {
            const std::size_t at = word * 8 + byte;
            const unsigned char c = at < text.size() ? static_cast<unsigned char>(text[at]) : 0;
            value |= std::uint64_t{c} << (8 * byte);
        }
        words[word].store(value, std::memory_order_relaxed);
    }
}

template <std::size_t Bytes>
std::string SharedText<Bytes>::load() const {
    std::string text;
    for (std::size_t at = 0; at < Bytes; ++at) {
        const std::uint64_t word = words[at / 8].load(std::memory_order_relaxed);
        const char c = static_cast<char>(word >> (8 * (at % 8)) & 0xff);
        if (c == '\0') break;
        text += c;
    }
    return text;
}

}  // namespace headrace::ring
