// The kernel `strip`.
#include "kernels/strip.hpp"

#include "kernels/launch.hpp"
#include "kernels/launch_jobs.cuh"

namespace headrace::kernels {

namespace {

__global__ void __launch_bounds__(kBlockThreads, kResidentBlocks)
    strip(const __grid_constant__ Jobs jobs) {
    strip_thread(jobs, thread_of_grid(), threads_of_grid());
}

}  // namespace

cudaError_t launch_strip(const Jobs& jobs, unsigned max_blocks, cudaStream_t stream) {
    return launch_jobs<Strip>(strip, jobs, max_blocks, stream);
}

cudaError_t load_strip() {
    return load_kernel(strip);
}

}  // namespace headrace::kernels
