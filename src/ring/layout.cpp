#include "ring/layout.hpp"

#include <ctime>

#include <algorithm>
#include <cstring>

#include "headrace/error.hpp"
#include "ring/word.hpp"

namespace headrace::ring {

namespace {

constexpr std::uint64_t align_up(std::uint64_t bytes, std::uint64_t to) {
    return (bytes + to - 1) / to * to;
}

// Rows of a cache line and more start on one, so that two producers never share a line; shorter
// ones keep the 16 bytes that a device's widest access wants.
std::uint64_t row_bytes_of(const Field& field) {
    const std::uint64_t bytes = std::uint64_t{field.capacity} * bytes_of(field.dtype);
    return align_up(bytes, bytes >= kLine ? kLine : 16);
}

std::uint64_t fnv1a(std::span<const std::byte> bytes) {
    std::uint64_t hash = 0xcbf29ce484222325u;
    for (const std::byte byte : bytes) {
        hash = (hash ^ std::to_integer<std::uint64_t>(byte)) * 0x100000001b3u;
    }
    return hash;
}

std::uint64_t hash_of(Header header) {
    header.magic = 0;
    header.hash = 0;
    return fnv1a(std::as_bytes(std::span(&header, 1)));
}

[[noreturn]] void refuse(std::string_view ring, const std::string& found_and_wanted) {
    throw SystemError("ring \"" + std::string(ring) + "\": " + found_and_wanted);
}

template <std::size_t N>
std::string text_of(const char (&bytes)[N]) {
    return {bytes, strnlen(bytes, N)};
}

template <std::size_t N>
void put_text(char (&bytes)[N], const std::string& text) {
    std::memcpy(bytes, text.data(), std::min(text.size(), N - 1));
}

Header make_header(const Description& description, const Geometry& geometry) {
    Header header;
    std::memset(&header, 0, sizeof(header));  // the hash covers the padding between members too
    header.version = kLayoutVersion;
    header.endian = kEndianMark;
    header.memory_bytes = geometry.memory_bytes;
    put_text(header.name, description.name);
    header.trainer_pid = description.trainer_pid;
    header.created_ns = description.created_ns;
    header.slots = description.slots;
    header.field_count = static_cast<std::uint32_t>(description.schema.size());
    header.start_index = description.start_index;
    header.shared_consumers = description.shared_consumers ? 1 : 0;
    if (description.sampler) {
        const SamplerOptions& options = description.sampler->options();
        header.epoch_records = options.epoch_records;
        header.epochs = options.epochs;
        header.shuffle_seed = options.shuffle_seed.value_or(0);
        header.has_shuffle_seed = options.shuffle_seed.has_value() ? 1 : 0;
        header.rank = options.rank;
        header.world_size = options.world_size;
        header.remainder = static_cast<std::uint32_t>(options.remainder);
        header.origin_epoch = options.origin_epoch;
        header.origin_position = options.origin_position;
    }
    for (std::size_t i = 0; i < description.schema.size(); ++i) {
        const Field& field = description.schema[i];
        put_text(header.fields[i].name, field.name);
        header.fields[i].dtype = static_cast<std::uint32_t>(field.dtype);
        header.fields[i].capacity = field.capacity;
        header.fields[i].offset = geometry.field_offset[i];
        header.fields[i].row_bytes = geometry.row_bytes[i];
    }
    header.hash = hash_of(header);
    return header;
}

// Everything that can differ between two programs, in the order in which it makes sense to say so.
void check_identity(const Header& header, std::string_view ring, std::size_t memory_bytes) {
    if (header.magic != kMagic) {
        refuse(ring, "the memory does not start with Headrace's mark, or was not finished");
    }
    if (header.endian != kEndianMark) {
        refuse(ring, "written with another byte order; rebuild the producer for this machine");
    }
    if (header.version != kLayoutVersion) {
        refuse(ring, "layout version " + std::to_string(header.version) + ", this program reads " +
                         std::to_string(kLayoutVersion) +
                         "; build trainer and producer from the same release");
    }
    if (header.hash != hash_of(header)) refuse(ring, "the header's hash does not match its bytes");
    if (header.memory_bytes != memory_bytes) {
        refuse(ring, "the header tells of " + std::to_string(header.memory_bytes) +
                         " bytes, the memory has " + std::to_string(memory_bytes));
    }
    if (text_of(header.name) != ring) {
        refuse(ring, "the memory is that of ring \"" + text_of(header.name) + "\"");
    }
    if (header.slots < 2 || header.slots > kMaxSlots || header.field_count == 0 ||
        header.field_count > kMaxFields) {
        refuse(ring, "the header tells of " + std::to_string(header.slots) + " slots and " +
                         std::to_string(header.field_count) + " fields");
    }
}

Schema schema_in(const Header& header) {
    std::vector<Field> fields;
    for (std::uint32_t i = 0; i < header.field_count; ++i) {
        const HeaderField& field = header.fields[i];
        fields.push_back({text_of(field.name), static_cast<DType>(field.dtype), field.capacity});
        if (field.dtype > 0xff) throw UsageError("dtype " + std::to_string(field.dtype));
    }
    return Schema(std::move(fields));
}

std::optional<Sampler> sampler_in(const Header& header) {
    if (header.epoch_records == 0) return std::nullopt;
    if (header.remainder > static_cast<std::uint32_t>(Remainder::pad)) {
        throw UsageError("remainder " + std::to_string(header.remainder));
    }
    SamplerOptions options{.epoch_records = header.epoch_records,
                           .epochs = header.epochs,
                           .rank = header.rank,
                           .world_size = header.world_size,
                           .remainder = static_cast<Remainder>(header.remainder),
                           .origin_epoch = header.origin_epoch,
                           .origin_position = header.origin_position};
    if (header.has_shuffle_seed != 0) options.shuffle_seed = header.shuffle_seed;
    return Sampler(options);
}

}  // namespace

Geometry Geometry::of(const Schema& schema, std::uint32_t slots) {
    Geometry g{};
    std::uint64_t at = kPage;
    const auto place = [&at](std::uint64_t bytes, std::uint64_t alignment) {
        const std::uint64_t here = align_up(at, alignment);
        at = here + bytes;
        return here;
    };
    g.control = place(sizeof(Control), kLine);
    g.trainer = place(sizeof(TrainerCounters), kLine);
    g.producers = place(sizeof(ProducerCell) * kOwners, kLine);
    g.consumers = place(sizeof(ConsumerCell) * kOwners, kLine);
    g.returned = place((slots + 63) / 64 * 8, kLine);
    g.descriptors = place(sizeof(SlotDescriptor) * slots, kLine);
    g.reasons = place(sizeof(SlotReason) * slots, kLine);
    constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 47;  // a user's half of the addresses
    for (const Field& field : schema.fields()) {
        g.row_bytes.push_back(row_bytes_of(field));
        g.field_offset.push_back(place(g.row_bytes.back() * slots, kPage));
        if (at > kMostBytes) {
            throw UsageError("schema " + schema.to_string() + " with " + std::to_string(slots) +
                             " slots: over 2^47 bytes of memory");
        }
    }
    g.memory_bytes = align_up(at, kPage);
    return g;
}

void format(std::span<std::byte> memory, const Description& description) {
    const Geometry g = Geometry::of(description.schema, description.slots);
    const Header header = make_header(description, g);
    std::memcpy(memory.data(), &header, sizeof(header));

    auto& control = *reinterpret_cast<Control*>(memory.data() + g.control);
    control.tail.store(description.start_index, std::memory_order_relaxed);
    control.head.store(description.start_index, std::memory_order_relaxed);
    control.released.store(description.start_index, std::memory_order_relaxed);
    control.wanted.store(kNobody, std::memory_order_relaxed);
    control.phase.store(static_cast<std::uint32_t>(Phase::open), std::memory_order_relaxed);

    // Each slot waits for the first index from start_index on that belongs to it.
    auto* descriptors = reinterpret_cast<SlotDescriptor*>(memory.data() + g.descriptors);
    for (std::uint64_t i = 0; i < description.slots; ++i) {
        const std::uint64_t index = description.start_index + i;
        descriptors[index % description.slots].word.store(pack(index, SlotState::free),
                                                          std::memory_order_relaxed);
    }
    // Release: pairs with the acquire in read_header(), which sees all of the above or no magic.
    std::atomic_ref<std::uint64_t>(reinterpret_cast<Header*>(memory.data())->magic)
        .store(kMagic, std::memory_order_release);
}

Description read_header(std::span<const std::byte> memory, std::string_view ring_name) {
    if (memory.size() < kPage) {
        refuse(ring_name, "the memory has " + std::to_string(memory.size()) + " bytes, no header");
    }
    Header header;
    std::memcpy(&header, memory.data(), sizeof(header));
    std::atomic_thread_fence(std::memory_order_acquire);
    check_identity(header, ring_name, memory.size());
    try {
        Description description{.name = text_of(header.name),
                                .schema = schema_in(header),
                                .slots = header.slots,
                                .sampler = sampler_in(header),
                                .start_index = header.start_index,
                                .shared_consumers = header.shared_consumers != 0,
                                .trainer_pid = header.trainer_pid,
                                .created_ns = header.created_ns};
        if (description.start_index > std::min(description.end_index(), kMostIndex)) {
            throw UsageError("start_index " + std::to_string(description.start_index) + " of " +
                             std::to_string(description.end_index()));
        }
        const Geometry g = Geometry::of(description.schema, description.slots);
        bool same = g.memory_bytes == header.memory_bytes;
        for (std::uint32_t i = 0; i < header.field_count; ++i) {
            same = same && g.field_offset[i] == header.fields[i].offset &&
                   g.row_bytes[i] == header.fields[i].row_bytes;
        }
        if (!same) refuse(ring_name, "the header's offsets are not those of its schema");
        return description;
    } catch (const UsageError& error) {
        refuse(ring_name, std::string("the header is not valid: ") + error.what());
    }
}

std::uint64_t now_ns() noexcept {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000u +
           static_cast<std::uint64_t>(now.tv_nsec);
}

}  // namespace headrace::ring
