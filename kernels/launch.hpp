// The kernels, as functions that a C++ compiler can call. Each enqueues one kernel for all jobs on
// `stream` and returns at once: nothing is allocated, nothing synchronised. Jobs without anything
// to do are passed over; with nothing to do at all there is no launch. Byte offsets have 64 bits.
//
// `max_blocks` caps the grid: blocks of 256 threads, which take the work in turns.
#pragma once

#include <cuda_runtime_api.h>

#include "kernels/field_job.hpp"

namespace headrace::kernels {

/// Padded to packed: copies each record's payload to its packed place (width == 0). Reads and
/// writes each payload byte once, by 16 bytes; the source may be packed too.
cudaError_t launch_strip(const Jobs& jobs, unsigned max_blocks, cudaStream_t stream);

/// To rows of `width` elements: copies each record's payload to the start of its row and fills the
/// rest of the row with `pad`. Layouts trimmed and padded.
cudaError_t launch_pad(const Jobs& jobs, unsigned max_blocks, cudaStream_t stream);

/// The second half of launch_pad alone: fills the tails of rows and leaves the payload as it is.
/// `source` is not looked at.
cudaError_t launch_fill_tails(const Jobs& jobs, unsigned max_blocks, cudaStream_t stream);

/// For sources in host memory that is mapped for the device: reads only the payload, each 16 bytes
/// of the source once, and writes it to its place, packed or at the start of its row (whose tail it
/// leaves). Few blocks are enough: the link is the limit.
cudaError_t launch_gather(const Jobs& jobs, unsigned max_blocks, cudaStream_t stream);

}  // namespace headrace::kernels
