// The same by Thrust: a gather whose map finds, for each packed element, where it lies in its row.
#include <cuda_runtime.h>
#include <thrust/binary_search.h>
#include <thrust/device_ptr.h>
#include <thrust/execution_policy.h>
#include <thrust/gather.h>
#include <thrust/iterator/counting_iterator.h>
#include <thrust/iterator/transform_iterator.h>
#include <thrust/system/cuda/execution_policy.h>
#include <thrust/system_error.h>

#include "device/cuda/ceilings_kernels.hpp"

namespace headrace::device::cuda {

namespace {

struct PlaceOf {
    PaddedRows rows;
    __device__ std::uint64_t operator()(std::int32_t element) const {
        // The first offset above it is the end of its record; empty records end before.
        const std::int32_t* const end = thrust::upper_bound(
            thrust::seq, rows.offsets + 1, rows.offsets + rows.records + 1, element);
        const std::int64_t record = end - rows.offsets - 1;
        return static_cast<std::uint64_t>(record) * rows.row_words +
               static_cast<std::uint64_t>(element - rows.offsets[record]);
    }
};

}  // namespace

cudaError_t pack_by_thrust(const PaddedRows& rows, cudaStream_t stream) {
    const thrust::counting_iterator<std::int32_t> element(0);
    const auto place = thrust::make_transform_iterator(element, PlaceOf{rows});
    try {
        thrust::gather(thrust::cuda::par_nosync.on(stream), place,
                       place + static_cast<std::ptrdiff_t>(rows.total),
                       thrust::device_pointer_cast(rows.rows),
                       thrust::device_pointer_cast(rows.packed));
    } catch (const thrust::system_error& error) {
        return static_cast<cudaError_t>(error.code().value());
    }
    return cudaSuccess;
}

}  // namespace headrace::device::cuda
