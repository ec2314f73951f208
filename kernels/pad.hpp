// The bodies of the kernels `pad` and `fill_tails`: to rows of one width, by the target. The first
// writes payload and tails, the second the tails alone.
#pragma once

#include <cstdint>

#include "kernels/field_job.hpp"
#include "kernels/host_device.hpp"
#include "kernels/target.hpp"
#include "kernels/target_tile.hpp"
#include "kernels/tiles.hpp"

namespace headrace::kernels {

struct Pad {
    HEADRACE_HOST_DEVICE static std::uint64_t bytes(const FieldJob& job) {
        return job.records * job.width * job.element_bytes;
    }
    HEADRACE_HOST_DEVICE static std::uint64_t vectors(const FieldJob& job) {
        return vectors_of(bytes(job));
    }
    template <class Offset>
    HEADRACE_HOST_DEVICE static void tile(const FieldJob& job, std::uint64_t number,
                                          std::uint32_t lane) {
        const Range range = tile_bytes(bytes(job), number);
        copy_tile(job, RowTarget<Offset>(job, range), range, lane);
    }
};

struct FillTails {
    HEADRACE_HOST_DEVICE static std::uint64_t vectors(const FieldJob& job) {
        // Where every row is full there are no tails.
        return job.total == job.records * job.width ? 0 : Pad::vectors(job);
    }
    template <class Offset>
    HEADRACE_HOST_DEVICE static void tile(const FieldJob& job, std::uint64_t number,
                                          std::uint32_t lane) {
        const Range range = tile_bytes(Pad::bytes(job), number);
        fill_tile(job, RowTarget<Offset>(job, range), range, lane);
    }
};

// What thread `thread` of a grid of `threads`, whole warps, does.
HEADRACE_HOST_DEVICE inline void pad_thread(const Jobs& jobs, std::uint64_t thread,
                                            std::uint64_t threads) {
    run_thread<Pad>(jobs, thread, threads);
}
HEADRACE_HOST_DEVICE inline void fill_tails_thread(const Jobs& jobs, std::uint64_t thread,
                                                   std::uint64_t threads) {
    run_thread<FillTails>(jobs, thread, threads);
}

}  // namespace headrace::kernels
