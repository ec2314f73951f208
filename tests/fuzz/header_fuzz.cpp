// Fuzzes the header that an attacher reads, and, where that is accepted, what it then does with the
// memory behind it.
//
//   byte 0      bit 0: mark, byte order, version and hash are put right, so that they keep nobody
//               out; bit 1: sizes and offsets too, where the fields can be laid out at all
//   then        the header, as it lies in memory; what is missing is zero
//   then        what producers do (walk.hpp), a byte each, four of them
//   the rest    is repeated over the memory behind the header
#include <cstring>
#include <optional>
#include <string>

#include "fuzz/guarded_memory.hpp"
#include "fuzz/input.hpp"
#include "fuzz/seal.hpp"
#include "fuzz/walk.hpp"
#include "headrace/error.hpp"

namespace headrace::fuzz {

namespace {

constexpr std::size_t kMostBytes = std::size_t{512} << 10;

void fill_behind_header(std::span<std::byte> memory, std::span<const std::uint8_t> pattern) {
    if (pattern.empty()) return;
    for (std::size_t at = ring::kPage; at < memory.size(); at += pattern.size()) {
        std::memcpy(memory.data() + at, pattern.data(),
                    std::min(pattern.size(), memory.size() - at));
    }
}

void run(Input input) {
    static GuardedMemory guarded(kMostBytes);
    const std::uint8_t repairs = input.byte();
    auto header = input.number<ring::Header>();
    if ((repairs & 2) != 0) put_geometry_right(header, kMostBytes);
    if ((repairs & 1) != 0) put_identity_right(header);

    const std::size_t bytes = std::min<std::uint64_t>(header.memory_bytes, kMostBytes);
    const std::span<std::byte> memory = guarded.piece(bytes);
    const std::span<const std::uint8_t> act_bytes = input.take(4);
    Input acts(act_bytes.data(), act_bytes.size());
    std::memcpy(memory.data(), &header, std::min(bytes, sizeof(header)));
    fill_behind_header(memory, input.take(kMostBytes));
    std::optional<ring::Description> description;
    try {
        description = ring::read_header(memory, name_in(header));
    } catch (const SystemError& error) {
        require(error.what()[0] != '\0', "a refusal says why");
    }
    if (!description) return;
    look(memory, *description);
    produce(memory, *description, acts);
    look(memory, *description);
}

}  // namespace

}  // namespace headrace::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t bytes) {
    headrace::fuzz::run({data, bytes});
    return 0;
}
