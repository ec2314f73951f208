// What a kernel is told of one field of a batch. Plain data for host and device: it knows neither
// the CUDA runtime nor the rest of the library.
//
// A batch has `records` records; record r has elements [offsets[r], offsets[r + 1]) of the packed
// field, offsets[0] == 0.
#pragma once

#include <cstddef>
#include <cstdint>

namespace headrace::kernels {

// As many as a schema has fields at most (headrace::kMaxFields).
inline constexpr std::size_t kMaxJobs = 14;

struct FieldJob {
    // Where the payload is: memory that the device can read, aligned to 16 bytes. Record r starts
    // at source + row(r) * row_bytes, with row(r) = rows ? rows[r] : r; with row_bytes == 0 the
    // source is packed, and record r starts at its offset, whatever its alignment. What is read are
    // aligned blocks of 16 bytes that hold a byte of payload, and no others.
    const std::byte* source = nullptr;
    const std::uint32_t* rows = nullptr;  // on the device, [records]
    std::uint64_t row_bytes = 0;          // a multiple of 16; the row is readable to its end

    // Where it goes: on the device, aligned to 256 bytes. Packed (width == 0): record r starts at
    // element offsets[r]; else at element r * width, width >= the longest record.
    std::byte* target = nullptr;
    std::uint64_t width = 0;  // elements

    const void* offsets = nullptr;  // on the device: int32 or, with wide_offsets, int64 [records+1]
    std::uint64_t total = 0;        // elements: offsets[records], known to the host
    std::uint64_t pad = 0;          // one element, repeated over all 8 bytes
    std::uint32_t records = 0;
    std::uint32_t element_bytes = 0;  // 1, 2, 4 or 8
    bool wide_offsets = false;
};

// All fields of a batch that one launch does. Passed to kernels by value.
struct Jobs {
    FieldJob field[kMaxJobs];
    std::uint32_t count = 0;
};
static_assert(sizeof(Jobs) <= 4096, "what a kernel may be passed");

}  // namespace headrace::kernels
