#include "fuzz/seal.hpp"

#include <cstring>
#include <span>
#include <vector>

#include "headrace/error.hpp"

namespace headrace::fuzz {

namespace {

template <std::size_t N>
std::string text_of(const char (&bytes)[N]) {
    return {bytes, strnlen(bytes, N)};
}

Schema schema_in(const ring::Header& header) {
    std::vector<Field> fields;
    for (std::uint32_t i = 0; i < header.field_count && i < kMaxFields; ++i) {
        const ring::HeaderField& field = header.fields[i];
        fields.push_back({text_of(field.name), static_cast<DType>(field.dtype), field.capacity});
    }
    return Schema(std::move(fields));
}

}  // namespace

// FNV-1a over the bytes, with magic and hash zero.
void put_identity_right(ring::Header& header) {
    header.endian = ring::kEndianMark;
    header.version = ring::kLayoutVersion;
    header.magic = header.hash = 0;
    std::uint64_t hash = 0xcbf29ce484222325u;
    for (const std::byte byte : std::as_bytes(std::span(&header, 1))) {
        hash = (hash ^ std::to_integer<std::uint64_t>(byte)) * 0x100000001b3u;
    }
    header.magic = ring::kMagic;
    header.hash = hash;
}

void put_geometry_right(ring::Header& header, std::uint64_t most_bytes) try {
    if (header.slots < 2 || header.slots > kMaxSlots) return;
    const ring::Geometry geometry = ring::Geometry::of(schema_in(header), header.slots);
    if (geometry.memory_bytes > most_bytes) return;
    header.memory_bytes = geometry.memory_bytes;
    for (std::size_t i = 0; i < geometry.row_bytes.size(); ++i) {
        header.fields[i].offset = geometry.field_offset[i];
        header.fields[i].row_bytes = geometry.row_bytes[i];
    }
} catch (const UsageError&) {
    // Fields that there cannot be: they stay as they are.
}

std::string name_in(const ring::Header& header) {
    return text_of(header.name);
}

}  // namespace headrace::fuzz
