// The kernel `gather`.
#include "kernels/gather.hpp"

#include "kernels/launch.hpp"
#include "kernels/launch_jobs.cuh"

namespace headrace::kernels {

namespace {

__global__ void __launch_bounds__(kBlockThreads, kResidentBlocks)
    gather(const __grid_constant__ Jobs jobs) {
    gather_thread(jobs, thread_of_grid(), threads_of_grid());
}

}  // namespace

cudaError_t launch_gather(const Jobs& jobs, unsigned max_blocks, cudaStream_t stream) {
    return launch_jobs<Gather>(gather, jobs, max_blocks, stream);
}

cudaError_t load_gather() {
    return load_kernel(gather);
}

}  // namespace headrace::kernels
