// The loader on a real GPU: what its batches hold, whichever way they came.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <span>
#include <thread>

#include "cli/pattern.hpp"
#include "gpu/batch_copy.hpp"
#include "gtest/error_text.hpp"
#include "gtest/seed.hpp"
#include "ring/ring_core.hpp"

namespace headrace {
namespace {

constexpr Layout kLayouts[] = {Layout::packed, Layout::trimmed, Layout::padded, Layout::rows};
constexpr Transfer kTransfers[] = {Transfer::automatic, Transfer::copy, Transfer::trim,
                                   Transfer::direct, Transfer::gather};

class LoaderGpuTest : public LoaderGpuFixture {
  protected:
    // All batches of an epoch, each copied back. Some items are holes.
    void expect_delivered(LoaderOptions wanted, std::uint64_t records = 61) {
        SCOPED_TRACE(std::string(name_of(wanted.transfer)) + ", " +
                     std::string(name_of(wanted.layout)));
        RingOptions wanted_ring = options(records);
        if (is_shuffled_) wanted_ring.shuffle_seed = seed_;
        Ring ring = Ring::create(wanted_ring);
        const Writer writer(ring, {3, 17, 40});
        Loader loader(ring, std::move(wanted));
        std::uint64_t next = 0;
        for (const Batch& batch : loader.epoch(stream_.get())) {
            EXPECT_EQ(batch.first_index(), next);
            expect_content_of(batch, is_wide_);
            next = batch.last_index();
        }
        EXPECT_EQ(next, records);
        EXPECT_EQ(ring.stats().skipped, 3u);
        expect_books(ring);
    }

    std::uint64_t seed_ = test_seed();
    testing::ScopedTrace seed_trace_{__FILE__, __LINE__, seed_note(seed_)};
    bool is_wide_ = false;
    bool is_shuffled_ = true;
};

TEST_F(LoaderGpuTest, DeliversTheSameInEachLayoutByEachWay) {
    for (const Transfer transfer : kTransfers) {
        for (const Layout layout : kLayouts) {
            for (const DType offsets : {DType::i32, DType::i64}) {
                is_wide_ = offsets == DType::i64;
                LoaderOptions wanted = on_gpu(5, layout, transfer);
                wanted.offsets = offsets;
                expect_delivered(wanted);
                if (HasFailure()) return;
            }
        }
    }
}

TEST_F(LoaderGpuTest, DeliversAtEachDepth) {
    for (const std::uint32_t depth : {1u, 2u, 3u, 8u}) {
        LoaderOptions wanted = on_gpu(3);
        wanted.depth = depth;
        expect_delivered(wanted);
    }
}

TEST_F(LoaderGpuTest, DeliversWithinALimitOfBytes) {
    is_shuffled_ = false;
    for (const Transfer transfer : kTransfers) {
        LoaderOptions wanted = on_gpu(8, Layout::packed, transfer);
        // Full records would take 1,024 and 256 bytes, eight that follow one another do not.
        wanted.batch_bytes_limit = 768 + 256;
        expect_delivered(wanted);
    }
}

TEST_F(LoaderGpuTest, DeliversToTheDefaultStream) {
    Ring ring = Ring::create(options(20));
    const Writer writer(ring);
    Loader loader(ring, on_gpu(5));
    stream_.reset();  // null is the default stream, for what copies back too
    std::uint64_t next = 0;
    for (const Batch& batch : loader.epoch(StreamRef())) {
        expect_content_of(batch);
        next = batch.last_index();
    }
    EXPECT_EQ(next, 20u);
}

// Records of 400 kB and more, as a whole and in parts: copies that do not fit into one piece of
// work of any kind.
TEST_F(LoaderGpuTest, DeliversLargeRecords) {
    constexpr std::uint32_t kFloats = 100'003;
    const auto length_of = [](std::uint64_t item) {
        return static_cast<std::uint32_t>(item % 3 == 0 ? kFloats : item * 7919 % kFloats);
    };
    for (const Transfer transfer : kTransfers) {
        SCOPED_TRACE(std::string(name_of(transfer)));
        RingOptions large = options(24, 8);
        large.schema = Schema{{"floats", f32, kFloats}};
        Ring ring = Ring::create(large);
        std::thread writer([&] {
            Producer producer = ring.producer();
            while (auto record = producer.claim()) {
                const std::uint32_t length = length_of(record->item());
                cli::write_pattern(record->field<float>(0).first(length),
                                   cli::pattern_base(record->item(), 0));
                record->publish(length);
            }
        });
        LoaderOptions wanted = on_gpu(4, Layout::packed, transfer);
        wanted.pad_values.clear();
        Loader loader(ring, wanted);
        PinnedBytes copy(std::size_t{4} * kFloats * sizeof(float));
        for (const Batch& batch : loader.epoch(stream_.get())) {
            const auto total = static_cast<std::size_t>(batch.total(0));
            check_cuda(cudaMemcpyAsync(copy.data(), batch.data(0), total * sizeof(float),
                                       cudaMemcpyDeviceToHost, stream_.get()),
                       "cudaMemcpyAsync");
            synchronize(stream_);
            std::span<const float> left(reinterpret_cast<const float*>(copy.data()), total);
            for (const std::uint64_t item : batch.items()) {
                const std::span<const float> row = left.first(length_of(item));
                EXPECT_TRUE(cli::matches_pattern(row, cli::pattern_base(item, 0)))
                    << "item " << item;
                left = left.subspan(row.size());
            }
            EXPECT_TRUE(left.empty());
        }
        writer.join();
    }
}

TEST_F(LoaderGpuTest, TellsWhatMovedAndHowLongThatTook) {
    Ring ring = Ring::create(options(400));
    const Writer writer(ring);
    Loader loader(ring, on_gpu(8, Layout::packed, Transfer::copy));
    for (const Batch& batch : loader.epoch(stream_.get())) {
        EXPECT_EQ(batch.size(), 8u);
    }
    synchronize(stream_);
    const Stats stats = loader.stats();
    EXPECT_EQ(stats.device, "cuda:0");
    EXPECT_EQ(stats.host_memory, said("cannot be pinned") ? "bounced" : "pinned");
    EXPECT_EQ(stats.batches, 50u);
    EXPECT_GE(stats.link_bytes, stats.payload_bytes);
    EXPECT_GT(stats.copying_s, 0.0);
    EXPECT_GE(stats.stripping_s, 0.0);
    EXPECT_EQ(stats.alarms, 0u);
}

// A part of the ring that is registered already cannot be registered again.
TEST_F(LoaderGpuTest, GoesThroughABufferWhereTheRingCannotBePinned) {
    for (const Layout layout : kLayouts) {
        SCOPED_TRACE(std::string(name_of(layout)));
        Ring ring = Ring::create(options(60));
        const Writer writer(ring);
        const auto page_bytes = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
        const std::span<std::byte> page = ring.shared_core()->memory().first(page_bytes);
        check_cuda(cudaHostRegister(page.data(), page.size(), cudaHostRegisterPortable),
                   "cudaHostRegister of a page");
        LoaderOptions strict = on_gpu(5, layout);
        strict.require_pinned = true;
        EXPECT_TRUE(contains(error_text<DeviceError>([&] { Loader loader(ring, strict); }),
                             "cannot be pinned for cuda:0"));
        {
            Loader loader(ring, on_gpu(5, layout));
            EXPECT_EQ(loader.stats().host_memory, "bounced");
            EXPECT_TRUE(said("cannot be pinned for cuda:0"));
            for (const Batch& batch : loader.epoch(stream_.get())) expect_content_of(batch);
        }
        check_cuda(cudaHostUnregister(page.data()), "cudaHostUnregister of a page");
    }
}

TEST_F(LoaderGpuTest, FindsItsGpuByUuid) {
    cudaDeviceProp properties{};
    check_cuda(cudaGetDeviceProperties(&properties, 0), "cudaGetDeviceProperties");
    std::string uuid = "GPU-";
    for (int i = 0; i < 16; ++i) {
        if (i == 4 || i == 6 || i == 8 || i == 10) uuid += '-';
        char digits[3];
        std::snprintf(digits, sizeof digits, "%02x",
                      static_cast<unsigned>(static_cast<unsigned char>(properties.uuid.bytes[i])));
        uuid += digits;
    }
    EXPECT_EQ(Device::cuda(uuid).name(), "cuda:0");
    EXPECT_EQ(Device::parse("cuda:" + uuid).name(), "cuda:0");
    EXPECT_EQ(Device::best().name(), "cuda:0");
    Ring ring = Ring::create(options(20));
    const Writer writer(ring);
    LoaderOptions wanted = on_gpu(5);
    wanted.device = Device::cuda(uuid);
    Loader loader(ring, wanted);
    for (const Batch& batch : loader.epoch(stream_.get())) expect_content_of(batch);
    EXPECT_EQ(loader.stats().device, "cuda:0");
}

TEST_F(LoaderGpuTest, WantsAStream) {
    Ring ring = Ring::create(options(20));
    Loader loader(ring, on_gpu(5));
    EXPECT_TRUE(contains(error_text<UsageError>([&] { loader.next(); }), "next(stream)"));
}

}  // namespace
}  // namespace headrace
