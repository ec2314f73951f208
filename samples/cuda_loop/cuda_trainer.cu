// The loop's arithmetic on a GPU: two kernels a step, both on the trainer's own stream, and nothing
// that waits until the epoch is over.
#include <charconv>
#include <cstddef>
#include <stdexcept>
#include <string_view>

#include "cuda_check.hpp"
#include "model.hpp"
#include "record.hpp"
#include "trainer.hpp"

namespace cuda_loop {
namespace {

// Eight warps a block, a record each. Enough to fill a multiprocessor with eight blocks of them.
constexpr int kRecordsPerBlock = 8;
constexpr unsigned kAllLanes = 0xffffffff;

// A batch as the loader has put it on the device.
struct DeviceRecords {
    const float* samples;
    const std::int32_t* offsets;
    const std::int32_t* labels;
    int count;
};

// As sum_of_halves() in model.hpp, in lane 0; then in all lanes.
__device__ float sum_over_warp(float number) {
    for (int half = kPhases / 2; half > 0; half /= 2) {
        number += __shfl_down_sync(kAllLanes, number, half);
    }
    return __shfl_sync(kAllLanes, number, 0);
}

// A warp a record: block (kPhases, kRecordsPerBlock). Writes the row of each record.
__global__ void write_rows(DeviceRecords records, const float* weights, float* rows) {
    const int record =
        static_cast<int>(blockIdx.x) * kRecordsPerBlock + static_cast<int>(threadIdx.y);
    if (record >= records.count) return;  // the whole warp, or none of it
    const int lane = static_cast<int>(threadIdx.x);
    const std::int32_t begin = records.offsets[record];
    const std::int32_t count = records.offsets[record + 1] - begin;
    const float feature = phase_mean(records.samples + begin, count, lane);
    const float logit = weights[kBiasColumn] + sum_over_warp(weights[lane] * feature);
    const std::int32_t label = records.labels[record];
    float* const row = rows + static_cast<std::size_t>(record) * kColumns;
    row[lane] = error_of(logit, label) * feature;
    if (lane == 0) write_outcome(row, logit, label);
}

// One block of (kColumns, kParts): a batch has hundreds of records, and one block sums them in a
// fixed order, without a second launch.
__global__ void learn(const float* rows, int records, float rate, float* weights, Totals* totals) {
    __shared__ float parts[kParts * kColumns];
    const int column = static_cast<int>(threadIdx.x);
    const int part = static_cast<int>(threadIdx.y);
    parts[part * kColumns + column] = sum_of_part(rows, records, column, part);
    __syncthreads();
    if (part != 0) return;
    const float sum = sum_of_parts(parts, column);
    if (column < kWeights) weights[column] -= rate * sum;
    if (column == kLossColumn) totals->loss += static_cast<double>(sum);
    if (column == kRightColumn) totals->right += static_cast<double>(sum);
}

// From `cuda:1`.
int ordinal_of(std::string_view device) {
    constexpr std::string_view kKind = "cuda:";
    int ordinal = -1;
    if (device.substr(0, kKind.size()) == kKind) {
        std::from_chars(device.data() + kKind.size(), device.data() + device.size(), ordinal);
    }
    if (ordinal >= 0) return ordinal;
    throw std::runtime_error("device \"" + std::string(device) + "\", wanted cuda:0 or the like");
}

// Makes the device current for this thread, before the members that need it.
struct CurrentDevice {
    explicit CurrentDevice(int ordinal) { CUDA_LOOP_CHECK(cudaSetDevice(ordinal)); }
};

class CudaTrainer final : public Trainer {
  public:
    CudaTrainer(int ordinal, std::uint32_t batch, float rate)
        : device_(ordinal),
          stream_(make_stream()),
          rate_(rate / static_cast<float>(batch)),
          weights_(make_device_array<float>(kWeights)),
          rows_(make_device_array<float>(static_cast<std::size_t>(batch) * kColumns)),
          totals_(make_device_array<Totals>(1)),
          fetched_(make_pinned_array<Totals>(1)) {
        clear(weights_.get(), kWeights * sizeof(float));
        clear(totals_.get(), sizeof(Totals));
    }
    // The kernels enqueued may still use what dies here.
    ~CudaTrainer() override { cudaStreamSynchronize(stream_.get()); }

    headrace::StreamRef stream() const override { return stream_.get(); }

    void step(const headrace::Batch& batch) override {
        if (batch.size() == 0) return;  // a grid has at least one block
        const DeviceRecords records{.samples = batch.values<float>(kSignal),
                                    .offsets = batch.offsets(kSignal),
                                    .labels = batch.values<std::int32_t>(kLabel),
                                    .count = static_cast<int>(batch.size())};
        const int blocks = (records.count + kRecordsPerBlock - 1) / kRecordsPerBlock;
        write_rows<<<blocks, dim3(kPhases, kRecordsPerBlock), 0, stream_.get()>>>(
            records, weights_.get(), rows_.get());
        CUDA_LOOP_CHECK(cudaGetLastError());
        learn<<<1, dim3(kColumns, kParts), 0, stream_.get()>>>(rows_.get(), records.count, rate_,
                                                               weights_.get(), totals_.get());
        CUDA_LOOP_CHECK(cudaGetLastError());
    }

    Totals end_epoch() override {
        CUDA_LOOP_CHECK(cudaMemcpyAsync(fetched_.get(), totals_.get(), sizeof(Totals),
                                        cudaMemcpyDeviceToHost, stream_.get()));
        clear(totals_.get(), sizeof(Totals));
        CUDA_LOOP_CHECK(cudaStreamSynchronize(stream_.get()));
        return fetched_[0];
    }

  private:
    void clear(void* memory, std::size_t bytes) {
        CUDA_LOOP_CHECK(cudaMemsetAsync(memory, 0, bytes, stream_.get()));
    }

    const CurrentDevice device_;
    const Stream stream_;
    const float rate_;                   // times the sum of the gradients
    const DeviceArray<float> weights_;   // [kWeights]
    const DeviceArray<float> rows_;      // [batch, kColumns]
    const DeviceArray<Totals> totals_;   // of the epoch so far
    const PinnedArray<Totals> fetched_;  // a copy to pageable memory would hold up the host
};

}  // namespace

std::unique_ptr<Trainer> make_cuda_trainer(const std::string& device, std::uint32_t batch,
                                           float rate) {
    return std::make_unique<CudaTrainer>(ordinal_of(device), batch, rate);
}

}  // namespace cuda_loop
