#include "device/cuda/link_probe.hpp"

#include <algorithm>
#include <cstring>
#include <limits>

#include "device/cuda/call.hpp"
#include "device/cuda/link_copies.hpp"
#include "device/cuda/owners.hpp"
#include "kernels/launch.hpp"

namespace headrace::device::cuda {

namespace {

// Large against what a copy costs to begin (2.3 us are 130 KB at 55 GB/s), small enough to take no
// time; a multiple of all that is asked below.
constexpr std::size_t kMostBytes = std::size_t{16} << 20;
constexpr std::size_t kSmallBytes = 4096;
constexpr std::size_t kRecords = 64;
constexpr std::size_t kLeastAt = (kRecords + 1) * sizeof(std::int32_t);  // in the offsets

class Probe {
  public:
    Probe(int ordinal, cudaStream_t stream, const PinnedRing& ring, unsigned strip_blocks)
        : ordinal_(ordinal),
          stream_(stream),
          ring_(ring),
          strip_blocks_(strip_blocks),
          copies_(ordinal, stream, ring),
          source_(ring.pieces().front()),
          begun_(make_event(ordinal)),
          ended_(make_event(ordinal)) {
        bytes_ = std::min(kMostBytes, source_.size()) / kSmallBytes * kSmallBytes;
        rows_ = allocate_device(ordinal, bytes_);
        packed_ = allocate_device(ordinal, bytes_);
        write_offsets();
    }
    Probe(const Probe&) = delete;
    Probe& operator=(const Probe&) = delete;
    // After an error something may still be on its way, in memory that is ours.
    ~Probe() { pass_over(cudaStreamSynchronize(stream_)); }

    LinkRates rates() {
        LinkRates rates;
        wake_up();
        rates.copy_bytes_per_s = per_s(bytes_, [&] { copies_.copy(rows(), from(), bytes_); });
        rates.copy_s = seconds_of_one(kRecords, [&] {
            for (std::size_t i = 0; i < kRecords; ++i) copies_.copy(rows(), from(), kSmallBytes);
        });
        rates.entry_s = seconds_of_one(kRecords, [&] {
            for (std::size_t i = 0; i < kRecords; ++i) {
                const std::size_t at = i * kSmallBytes % bytes_;
                copies_.note(rows() + at, from() + at, kSmallBytes);
            }
            copies_.submit();
        });
        measure_rows(rates);
        measure_kernels(rates);
        return rates;
    }

  private:
    std::byte* rows() const noexcept { return rows_.get(); }
    const std::byte* from() const noexcept { return source_.data(); }

    // Records of equal length, which fill the rows; behind them one of 16 bytes.
    void write_offsets() {
        record_bytes_ = bytes_ / kRecords / 16 * 16;
        const std::size_t bytes = (kRecords + 3) * sizeof(std::int32_t);
        host_offsets_ = allocate_pinned(ordinal_, bytes);
        offsets_ = allocate_device(ordinal_, bytes);
        for (std::size_t i = 0; i <= kRecords; ++i) {
            const auto at = static_cast<std::int32_t>(i * record_bytes_ / 4);
            std::memcpy(host_offsets_.get() + i * sizeof at, &at, sizeof at);
        }
        constexpr std::int32_t kLeast[] = {0, 4};
        std::memcpy(host_offsets_.get() + kLeastAt, kLeast, sizeof kLeast);
        check(cudaMemcpyAsync(offsets_.get(), host_offsets_.get(), bytes, cudaMemcpyHostToDevice,
                              stream_),
              ordinal_, "cudaMemcpyAsync of offsets");
    }

    // An idle GPU has slowed its clocks and its link down, and takes some milliseconds to come
    // back.
    void wake_up() {
        constexpr int kCopies = 32;  // some 10 ms of a fast link
        for (int i = 0; i < kCopies; ++i) copies_.copy(rows(), from(), bytes_);
        check(cudaStreamSynchronize(stream_), ordinal_, "cudaStreamSynchronize");
    }

    // The best of three, after one that does not count.
    template <class Work>
    double seconds(const Work& work) {
        double best = std::numeric_limits<double>::max();
        for (int turn = 0; turn < 4; ++turn) {
            check(cudaEventRecord(begun_.get(), stream_), ordinal_, "cudaEventRecord");
            work();
            check(cudaEventRecord(ended_.get(), stream_), ordinal_, "cudaEventRecord");
            check(cudaEventSynchronize(ended_.get()), ordinal_, "cudaEventSynchronize");
            float milliseconds = 0;
            check(cudaEventElapsedTime(&milliseconds, begun_.get(), ended_.get()), ordinal_,
                  "cudaEventElapsedTime");
            if (turn != 0) best = std::min(best, static_cast<double>(milliseconds) / 1e3);
        }
        return std::max(best, 1e-9);  // its clock ticks in half microseconds
    }
    template <class Work>
    double per_s(std::size_t bytes, const Work& work) {
        return static_cast<double>(bytes) / seconds(work);
    }
    template <class Work>
    double seconds_of_one(std::size_t times, const Work& work) {
        return seconds(work) / static_cast<double>(times);
    }

    // Half of each row: wide rows for the rate, short ones for what a row costs.
    void measure_rows(LinkRates& rates) {
        const auto copy_half = [&](std::size_t width) {
            const std::size_t count = std::max<std::size_t>(1, bytes_ / (2 * width));
            const double taken =
                seconds([&] { copies_.copy_rows(rows(), width, from(), 2 * width, width, count); });
            return taken / static_cast<double>(count);
        };
        constexpr std::size_t kWide = 8192, kShort = 256;
        rates.rows_bytes_per_s = bytes_ < 2 * kWide ? rates.copy_bytes_per_s
                                                    : static_cast<double>(kWide) / copy_half(kWide);
        rates.row_s = copy_half(kShort);
    }

    kernels::Jobs job(const std::byte* source) const {
        kernels::Jobs jobs;
        jobs.count = 1;
        jobs.field[0] = {.source = source,
                         .rows = nullptr,
                         .row_bytes = record_bytes_,
                         .target = packed_.get(),
                         .width = 0,
                         .offsets = offsets_.get(),
                         .total = kRecords * record_bytes_ / 4,
                         .pad = 0,
                         .records = kRecords,
                         .element_bytes = 4,
                         .wide_offsets = false};
        return jobs;
    }

    void measure_kernels(LinkRates& rates) {
        const std::size_t bytes = kRecords * record_bytes_;
        const kernels::Jobs strip = job(rows());
        const auto launch_strip = [&] {
            check(kernels::launch_strip(strip, strip_blocks_, stream_), ordinal_,
                  "launch of the kernel strip");
        };
        kernels::Jobs least = strip;  // the first 16 bytes
        least.field[0].offsets = offsets_.get() + kLeastAt;
        least.field[0].total = 4;
        least.field[0].records = 1;
        // Behind a copy, as it will be: the two engines take a while to hand over.
        const double pair_s = seconds_of_one(8, [&] {
            for (int i = 0; i < 8; ++i) {
                copies_.copy(rows(), from(), kSmallBytes);
                check(kernels::launch_strip(least, strip_blocks_, stream_), ordinal_,
                      "launch of the kernel strip");
            }
        });
        rates.launch_s = std::max(0.0, pair_s - rates.copy_s);
        rates.strip_bytes_per_s = per_s(bytes, launch_strip);
        const auto source = ring_.device_address(from());
        if (!source) return;
        const kernels::Jobs gather = job(*source);
        rates.gather_bytes_per_s = per_s(bytes, [&] {
            check(kernels::launch_gather(gather, kGatherBlocks, stream_), ordinal_,
                  "launch of the kernel gather");
        });
    }

    int ordinal_;
    cudaStream_t stream_;
    const PinnedRing& ring_;
    unsigned strip_blocks_;
    LinkCopies copies_;
    std::span<std::byte> source_;
    OwnedEvent begun_, ended_;
    std::size_t bytes_ = 0, record_bytes_ = 0;
    DeviceMemory rows_, packed_, offsets_;
    PinnedMemory host_offsets_;
};

}  // namespace

LinkRates measure_link(int ordinal, cudaStream_t stream, const PinnedRing& ring,
                       unsigned strip_blocks) {
    return Probe(ordinal, stream, ring, strip_blocks).rates();
}

}  // namespace headrace::device::cuda
