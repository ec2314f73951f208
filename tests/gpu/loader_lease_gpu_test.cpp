// The loader on a real GPU: leases, streams, and the memory that goes round between them.
#include <gtest/gtest.h>

#include <deque>
#include <optional>
#include <thread>
#include <vector>

#include "gpu/batch_copy.hpp"
#include "gpu/gate.hpp"

namespace headrace {
namespace {

class LoaderLeaseGpuTest : public LoaderGpuFixture {};

// The host runs ahead: batches are given back before the stream has come to them, and their memory
// is filled again behind it.
TEST_F(LoaderLeaseGpuTest, OverwritesNothingThatTheStreamStillReads) {
    for (const Transfer transfer :
         {Transfer::copy, Transfer::trim, Transfer::direct, Transfer::gather}) {
        SCOPED_TRACE(std::string(name_of(transfer)));
        constexpr std::uint64_t kRecords = 600;
        Ring ring = Ring::create(options(kRecords));
        const Writer writer(ring);
        Loader loader(ring, on_gpu(6, Layout::packed, transfer));
        std::deque<BatchCopy> copies;
        for (std::uint64_t i = 0; i < kRecords / 6; ++i) {
            copies.emplace_back(6, ring.schema(), false);
        }
        std::size_t next = 0;
        for (const Batch& batch : loader.epoch(stream_.get())) {
            copies.at(next++).enqueue(batch, stream_.get());
        }
        EXPECT_EQ(next, copies.size());
        synchronize(stream_);
        for (const BatchCopy& copy : copies) copy.expect_content();
    }
}

TEST_F(LoaderLeaseGpuTest, WaitsForEachStreamThatUsedABatch) {
    Ring ring = Ring::create(options(60));
    const Writer writer(ring);
    Loader loader(ring, on_gpu(5));
    const OwnedStream other = make_stream();
    BatchCopy first(5, ring.schema(), false), second(5, ring.schema(), false),
        third(5, ring.schema(), false);
    cudaEvent_t arrived = nullptr;
    check_cuda(cudaEventCreateWithFlags(&arrived, cudaEventDisableTiming), "cudaEventCreate");
    {
        // Taken and given back by turns once, so that all events are there: a held stream and a
        // call that allocates do not go together.
        for (int i = 0; i < 4; ++i) {
            auto batch = loader.next(stream_.get());
            ASSERT_TRUE(batch);
            batch->used_on(other.get());
        }
        synchronize(stream_);

        Gate gate;
        auto batch = loader.next(stream_.get());
        ASSERT_TRUE(batch);
        check_cuda(cudaEventRecord(arrived, stream_.get()), "cudaEventRecord");
        check_cuda(cudaStreamWaitEvent(other.get(), arrived, 0), "cudaStreamWaitEvent");
        gate.hold(other.get());
        first.enqueue(*batch, other.get());
        batch->used_on(other.get());
        batch->release();

        auto next = loader.next(stream_.get());  // in the other memory of the two
        ASSERT_TRUE(next);
        second.enqueue(*next, stream_.get());
        next->release();
        synchronize(stream_);
        second.expect_content();

        auto again = loader.next(stream_.get());  // the host has it at once, the stream does not
        ASSERT_TRUE(again);
        third.enqueue(*again, stream_.get());
        again->release();
        EXPECT_EQ(cudaStreamQuery(stream_.get()), cudaErrorNotReady)
            << "the batch is complete, though its memory is still in use";
        cudaGetLastError();  // cudaErrorNotReady counts as one
    }
    synchronize(other);
    first.expect_content();
    synchronize(stream_);
    third.expect_content();
    check_cuda(cudaEventDestroy(arrived), "cudaEventDestroy");
}

TEST_F(LoaderLeaseGpuTest, TakesLeasesBackInAnyOrderFromAnyThread) {
    Ring ring = Ring::create(options(80));
    const Writer writer(ring);
    LoaderOptions wanted = on_gpu(4);
    wanted.depth = 4;
    Loader loader(ring, wanted);
    for (int round = 0; round < 5; ++round) {
        std::vector<Batch> batches;
        for (int i = 0; i < 4; ++i) {
            auto batch = loader.next(stream_.get());
            ASSERT_TRUE(batch);
            expect_content_of(*batch);
            batches.push_back(std::move(*batch));
        }
        std::swap(batches[0], batches[2]);
        std::thread([taken = std::move(batches)]() mutable {
            for (Batch& batch : taken) batch.release();
        }).join();
    }
    EXPECT_EQ(loader.next(stream_.get()).outcome(), Outcome::end_of_epoch);
    EXPECT_EQ(loader.state().index, 80u);
}

TEST_F(LoaderLeaseGpuTest, KeepsABatchBeyondLoaderAndRing) {
    std::optional<Batch> kept;
    {
        Ring ring = Ring::create(options(20));
        const Writer writer(ring);
        Loader loader(ring, on_gpu(5));
        auto batch = loader.next(stream_.get());
        ASSERT_TRUE(batch);
        kept.emplace(std::move(*batch));
    }
    expect_content_of(*kept);
}

TEST_F(LoaderLeaseGpuTest, FeedsSeveralStreamsInTurn) {
    Ring ring = Ring::create(options(120));
    const Writer writer(ring);
    LoaderOptions wanted = on_gpu(5, Layout::padded);
    wanted.depth = 3;
    Loader loader(ring, wanted);
    std::vector<OwnedStream> streams;
    for (int i = 0; i < 3; ++i) streams.push_back(make_stream());
    std::deque<BatchCopy> copies;
    for (int i = 0; i < 24; ++i) copies.emplace_back(5, ring.schema(), false);
    for (std::size_t i = 0; i < copies.size(); ++i) {
        const OwnedStream& stream = streams[i % streams.size()];
        auto batch = loader.next(stream.get());
        ASSERT_TRUE(batch);
        copies[i].enqueue(*batch, stream.get());
    }
    for (const OwnedStream& stream : streams) synchronize(stream);
    for (const BatchCopy& copy : copies) copy.expect_content();
}

// On two GPUs where there are two, else on the one.
TEST_F(LoaderLeaseGpuTest, RunsBesideAnotherLoader) {
    int gpus = 0;
    check_cuda(cudaGetDeviceCount(&gpus), "cudaGetDeviceCount");
    const auto run = [&](int which) {
        RingOptions wanted_ring = options(100);
        wanted_ring.name = "test" + std::to_string(which);
        Ring ring = Ring::create(wanted_ring);
        const Writer writer(ring);
        const int ordinal = which % gpus;
        check_cuda(cudaSetDevice(ordinal), "cudaSetDevice");
        LoaderOptions wanted = on_gpu(5);
        wanted.device = Device::cuda(ordinal);
        Loader loader(ring, wanted);
        const OwnedStream stream = make_stream();
        BatchCopy copy(5, ring.schema(), false);
        std::uint64_t next = 0;
        for (const Batch& batch : loader.epoch(stream.get())) {
            copy.enqueue(batch, stream.get());
            synchronize(stream);
            copy.expect_content();
            next = batch.last_index();
        }
        EXPECT_EQ(next, 100u);
    };
    std::vector<std::thread> threads;
    for (int which = 0; which < 2; ++which) {
        threads.emplace_back([&, which] {
            try {
                run(which);
            } catch (const std::exception& error) {
                ADD_FAILURE() << error.what();
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace headrace
