// The kernels `pad` and `fill_tails`.
#include "kernels/pad.hpp"

#include "kernels/launch.hpp"
#include "kernels/launch_jobs.cuh"

namespace headrace::kernels {

namespace {

__global__ void __launch_bounds__(kBlockThreads, kResidentBlocks)
    pad(const __grid_constant__ Jobs jobs) {
    pad_thread(jobs, thread_of_grid(), threads_of_grid());
}

__global__ void __launch_bounds__(kBlockThreads, kResidentBlocks)
    fill_tails(const __grid_constant__ Jobs jobs) {
    fill_tails_thread(jobs, thread_of_grid(), threads_of_grid());
}

}  // namespace

cudaError_t launch_pad(const Jobs& jobs, unsigned max_blocks, cudaStream_t stream) {
    return launch_jobs<Pad>(pad, jobs, max_blocks, stream);
}

cudaError_t launch_fill_tails(const Jobs& jobs, unsigned max_blocks, cudaStream_t stream) {
    return launch_jobs<FillTails>(fill_tails, jobs, max_blocks, stream);
}

cudaError_t load_kernels() {
    for (const auto load : {load_strip, load_gather}) {
        if (const cudaError_t error = load(); error != cudaSuccess) return error;
    }
    if (const cudaError_t error = load_kernel(pad); error != cudaSuccess) return error;
    return load_kernel(fill_tails);
}

}  // namespace headrace::kernels
