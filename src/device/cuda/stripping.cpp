#include "device/cuda/stripping.hpp"

#include "device/cuda/call.hpp"
#include "device/cuda/link_probe.hpp"
#include "device/offsets.hpp"
#include "kernels/launch.hpp"

namespace headrace::device::cuda {

namespace {

void copy(int ordinal, std::byte* to, const std::byte* from, std::size_t bytes, cudaStream_t stream,
          const char* operation) {
    check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream), ordinal, operation);
}

kernels::FieldJob job_of(const StripPlan& plan, const StripField& field) noexcept {
    return {.source = field.values,
            .rows = nullptr,
            .row_bytes = field.row_bytes,
            .target = field.to_values,
            .width = 0,
            .offsets = field.offsets,
            .total = field.total,
            .pad = 0,
            .records = static_cast<std::uint32_t>(plan.records),
            .element_bytes = static_cast<std::uint32_t>(field.element_bytes),
            .wide_offsets = plan.wide_offsets};
}

}  // namespace

unsigned strip_blocks(int ordinal) {
    int processors = 0;
    check(cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, ordinal), ordinal,
          "cudaDeviceGetAttribute(MultiProcessorCount)");
    return kStripBlocksPerProcessor * static_cast<unsigned>(processors);
}

void strip(int ordinal, const StripPlan& plan, cudaStream_t stream) {
    const CurrentDevice current(ordinal);
    const std::size_t offset_bytes = (plan.records + 1) * Offsets::bytes_of_one(plan.wide_offsets);
    kernels::Jobs jobs;
    for (const StripField& field : plan.fields) {
        if (field.total == 0) {
            // It may have no place.
        } else if (field.row_bytes == 0) {
            copy(ordinal, field.to_values, field.values, field.total * field.element_bytes, stream,
                 "cudaMemcpyAsync of a packed batch to the trainer's memory");
        } else {
            jobs.field[jobs.count++] = job_of(plan, field);
        }
        if (field.to_offsets == nullptr) continue;
        copy(ordinal, field.to_offsets, field.offsets, offset_bytes, stream,
             "cudaMemcpyAsync of offsets to the trainer's memory");
    }
    if (jobs.count == 0) return;
    check(kernels::launch_strip(jobs, strip_blocks(ordinal), stream), ordinal,
          "launch of the kernel strip on the trainer's stream");
}

}  // namespace headrace::device::cuda
