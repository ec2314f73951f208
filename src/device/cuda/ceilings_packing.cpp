// Rows on the device, and the ways to pack them.
#include <algorithm>
#include <limits>
#include <vector>

#include "device/cuda/ceilings_kernels.hpp"
#include "device/cuda/ceilings_parts.hpp"
#include "device/cuda/link_probe.hpp"
#include "headrace/error.hpp"
#include "kernels/launch.hpp"

namespace headrace::device::cuda {

namespace {

constexpr std::byte kJunk{0xa5};

std::vector<std::int32_t> offsets_of(int ordinal, std::span<const std::uint32_t> lengths) {
    std::vector<std::int32_t> offsets{0};
    std::int64_t sum = 0;
    for (const std::uint32_t length : lengths) {
        sum += length;
        if (sum > std::numeric_limits<std::int32_t>::max()) {
            throw DeviceError("device cuda:" + std::to_string(ordinal) +
                              ": rows to pack have more than 2^31 - 1 elements");
        }
        offsets.push_back(static_cast<std::int32_t>(sum));
    }
    return offsets;
}

class CudaPackingCase final : public PackingCase {
  public:
    CudaPackingCase(int ordinal, std::span<const std::byte> rows, std::uint64_t row_bytes,
                    std::span<const std::uint32_t> lengths)
        : ordinal_(ordinal),
          stream_(ordinal),
          strip_blocks_(kStripBlocksPerProcessor * static_cast<unsigned>(processors_of(ordinal))) {
        const CurrentDevice current(ordinal_);
        const std::vector<std::int32_t> offsets = offsets_of(ordinal_, lengths);
        payload_bytes_ = static_cast<std::uint64_t>(offsets.back()) * sizeof(std::uint32_t);
        rows_ = copied(rows);
        offsets_ = copied(std::as_bytes(std::span(offsets)));
        packed_ = allocate_device(ordinal_, payload_bytes_);
        describe(row_bytes, lengths.size());
        check(pack_by_cub(nullptr, temporary_bytes_, plan_, stream_.get()), ordinal_,
              "cub::DeviceMemcpy::Batched, asked for its memory");
        temporary_ = allocate_device(ordinal_, temporary_bytes_);
        stream_.synchronize();
    }

    std::uint64_t payload_bytes() const noexcept override { return payload_bytes_; }

    double seconds(Packing way, unsigned times) override {
        const CurrentDevice current(ordinal_);
        return stream_.seconds(times, [&] { enqueue(way); });
    }

    void run(Packing way, std::span<std::byte> packed) override {
        const CurrentDevice current(ordinal_);
        stream_.fill(packed_.get(), kJunk, payload_bytes_);
        enqueue(way);
        stream_.copy(packed.data(), packed_.get(), payload_bytes_, cudaMemcpyDeviceToHost);
        stream_.synchronize();
    }

  private:
    DeviceMemory copied(std::span<const std::byte> bytes) {
        DeviceMemory memory = allocate_device(ordinal_, bytes.size());
        stream_.copy(memory.get(), bytes.data(), bytes.size(), cudaMemcpyHostToDevice);
        return memory;
    }

    // The same case for the strip kernel and for its rivals.
    void describe(std::uint64_t row_bytes, std::size_t records) {
        plan_ = {.rows = reinterpret_cast<const std::uint32_t*>(rows_.get()),
                 .row_words = row_bytes / sizeof(std::uint32_t),
                 .offsets = reinterpret_cast<const std::int32_t*>(offsets_.get()),
                 .records = static_cast<std::uint32_t>(records),
                 .total = payload_bytes_ / sizeof(std::uint32_t),
                 .packed = reinterpret_cast<std::uint32_t*>(packed_.get())};
        jobs_.count = 1;
        jobs_.field[0] = {.source = rows_.get(),
                          .rows = nullptr,
                          .row_bytes = row_bytes,
                          .target = packed_.get(),
                          .width = 0,
                          .offsets = offsets_.get(),
                          .total = plan_.total,
                          .pad = 0,
                          .records = plan_.records,
                          .element_bytes = sizeof(std::uint32_t),
                          .wide_offsets = false};
    }

    void enqueue(Packing way) {
        switch (way) {
            case Packing::copy:
                return stream_.copy(packed_.get(), rows_.get(), payload_bytes_,
                                    cudaMemcpyDeviceToDevice);
            case Packing::strip:
                return check(kernels::launch_strip(jobs_, strip_blocks_, stream_.get()), ordinal_,
                             "launch of the kernel strip");
            case Packing::cub:
                return check(pack_by_cub(temporary_.get(), temporary_bytes_, plan_, stream_.get()),
                             ordinal_, "cub::DeviceMemcpy::Batched");
            case Packing::thrust:
                return check(pack_by_thrust(plan_, stream_.get()), ordinal_, "thrust::gather");
        }
    }

    int ordinal_;
    TimedStream stream_;
    unsigned strip_blocks_;
    std::uint64_t payload_bytes_ = 0;
    DeviceMemory rows_, offsets_, packed_, temporary_;
    std::size_t temporary_bytes_ = 0;
    PaddedRows plan_;
    kernels::Jobs jobs_;
};

}  // namespace

std::unique_ptr<PackingCase> make_packing_case(int ordinal, std::span<const std::byte> rows,
                                               std::uint64_t row_bytes,
                                               std::span<const std::uint32_t> lengths) {
    return std::make_unique<CudaPackingCase>(ordinal, rows, row_bytes, lengths);
}

}  // namespace headrace::device::cuda
