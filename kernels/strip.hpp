// The body of the kernel `strip`: padded to packed, by the target.
#pragma once

#include <cstdint>

#include "kernels/field_job.hpp"
#include "kernels/host_device.hpp"
#include "kernels/target.hpp"
#include "kernels/target_tile.hpp"
#include "kernels/tiles.hpp"

namespace headrace::kernels {

struct Strip {
    HEADRACE_HOST_DEVICE static std::uint64_t bytes(const FieldJob& job) {
        return job.total * job.element_bytes;
    }
    HEADRACE_HOST_DEVICE static std::uint64_t vectors(const FieldJob& job) {
        return vectors_of(bytes(job));
    }
    template <class Offset>
    HEADRACE_HOST_DEVICE static void tile(const FieldJob& job, std::uint64_t number,
                                          std::uint32_t lane) {
        const Range range = tile_bytes(bytes(job), number);
        copy_tile(job, PackedTarget<Offset>(job, range), range, lane);
    }
};

// What thread `thread` of a grid of `threads`, whole warps, does.
HEADRACE_HOST_DEVICE inline void strip_thread(const Jobs& jobs, std::uint64_t thread,
                                              std::uint64_t threads) {
    run_thread<Strip>(jobs, thread, threads);
}

}  // namespace headrace::kernels
