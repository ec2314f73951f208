// CUB's copy of many pieces at once.
#include <cuda_runtime.h>
#include <thrust/iterator/counting_iterator.h>
#include <thrust/iterator/transform_iterator.h>

#include <cub/device/device_memcpy.cuh>

#include "device/cuda/ceilings_kernels.hpp"

namespace headrace::device::cuda {

namespace {

// What it is told of a record, made up when it asks: nothing of it lies in memory but the offsets,
// which the strip kernel reads too.
struct SourceOf {
    PaddedRows rows;
    __host__ __device__ const void* operator()(std::uint32_t record) const {
        return rows.rows + record * rows.row_words;
    }
};
struct TargetOf {
    PaddedRows rows;
    __host__ __device__ void* operator()(std::uint32_t record) const {
        return rows.packed + rows.offsets[record];
    }
};
struct BytesOf {
    PaddedRows rows;
    __host__ __device__ std::uint32_t operator()(std::uint32_t record) const {
        return static_cast<std::uint32_t>(rows.offsets[record + 1] - rows.offsets[record]) *
               static_cast<std::uint32_t>(sizeof(std::uint32_t));
    }
};

}  // namespace

cudaError_t pack_by_cub(void* temporary, std::size_t& temporary_bytes, const PaddedRows& rows,
                        cudaStream_t stream) {
    const thrust::counting_iterator<std::uint32_t> record(0);
    return cub::DeviceMemcpy::Batched(
        temporary, temporary_bytes, thrust::make_transform_iterator(record, SourceOf{rows}),
        thrust::make_transform_iterator(record, TargetOf{rows}),
        thrust::make_transform_iterator(record, BytesOf{rows}), rows.records, stream);
}

}  // namespace headrace::device::cuda
