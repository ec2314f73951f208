// The kernels, as functions that a C++ compiler can call. Each enqueues one kernel for all jobs on
// `stream` and returns at once: nothing is allocated, nothing synchronised. The jobs are copied;
// what they point to must stay until `stream` has passed. Jobs without anything to do are passed
// over; with nothing to do at all there is no launch. Byte offsets have 64 bits. Sources, offsets
// and rows may not overlap a target.
//
// `max_blocks` caps the grid: blocks of 256 threads, which take the work in turns; 0 counts as 1.
//
// Returned is what the launch itself returned. The runtime's last error is neither asked for nor
// cleared. An error while the kernel runs shows at a later call, as CUDA has it.
#pragma once

#include <cuda_runtime_api.h>

#include "kernels/field_job.hpp"

namespace headrace::kernels {

/// Padded to packed: copies each record's payload to its packed place (width is not looked at).
/// Writes each byte once, 16 at a time but at the end of the field; the source may be packed too.
cudaError_t launch_strip(const Jobs& jobs, unsigned max_blocks, cudaStream_t stream);

/// To rows of `width` elements: copies each record's payload to the start of its row and fills the
/// rest of the row with `pad`. Layouts trimmed and padded. Jobs of width 0 are passed over.
cudaError_t launch_pad(const Jobs& jobs, unsigned max_blocks, cudaStream_t stream);

/// The second half of launch_pad alone: fills the tails of rows and leaves the payload as it is.
/// `source` is not looked at.
cudaError_t launch_fill_tails(const Jobs& jobs, unsigned max_blocks, cudaStream_t stream);

/// For sources in host memory that is mapped for the device: reads only blocks of 16 bytes with
/// payload in them, each once (of a packed source, once for each record in it), and writes the
/// payload to its place, packed or at the start of its row (whose tail it leaves). Few blocks are
/// enough: the link is the limit.
cudaError_t launch_gather(const Jobs& jobs, unsigned max_blocks, cudaStream_t stream);

/// Loads all four kernels for the current device. The runtime does so by itself at a kernel's first
/// launch, but may then wait until the device has nothing to do: not while a training runs.
cudaError_t load_kernels();

}  // namespace headrace::kernels
