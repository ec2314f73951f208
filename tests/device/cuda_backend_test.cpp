// The CUDA device over a simulated runtime: every way over the link gives the same batch.
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <array>
#include <numeric>
#include <random>
#include <thread>

#include "device/cuda_run.hpp"
#include "device/simulated_cuda.hpp"
#include "gtest/error_text.hpp"
#include "gtest/seed.hpp"
#include "headrace/error.hpp"
#include "ring/ring_fixture.hpp"

namespace headrace::device {
namespace {

constexpr std::array kLayouts{Layout::packed, Layout::trimmed, Layout::padded, Layout::rows};
constexpr std::array kTransfers{Transfer::copy, Transfer::trim, Transfer::direct, Transfer::gather};

// So many rounds that anything odd has its chance; the sanitizers are slow.
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr int kRounds = 6;
#else
constexpr int kRounds = 30;
#endif

class CudaBackendTest : public testing::Test {
  protected:
    ~CudaBackendTest() override { expect_clean(cuda_); }

    // `make` gives the same records each time: carrying spoils them.
    template <class Make>
    void expect_carried_by(Transfer transfer, const Make& make, std::size_t places = 1) {
        for (const Layout layout : kLayouts) {
            for (const bool wide : {false, true}) {
                SCOPED_TRACE(std::string(name_of(transfer)) + ", " + std::string(name_of(layout)) +
                             (wide ? ", int64 offsets" : ""));
                SampleBatch batch = make();
                batch.layout = layout;
                batch.wide_offsets = wide;
                CudaRun run(batch, transfer, random_, places);
                run.carry();
                run.expect_carried();
                if (HasFailure()) return;
            }
        }
    }
    template <class Make>
    void expect_carried(const Make& make, std::size_t places = 1) {
        for (const Transfer transfer : kTransfers) expect_carried_by(transfer, make, places);
    }

    SampleBatch random_batch(std::size_t most_records = 30) {
        const std::size_t slots = 1 + random_() % 40;
        const std::uint32_t most_capacity = random_() % 8 == 0 ? 3000 : 50;
        return SampleBatch::random(random_, slots, random_() % most_records, most_capacity);
    }

    std::uint64_t seed_ = test_seed();
    testing::ScopedTrace trace_{__FILE__, __LINE__, seed_note(seed_)};
    std::mt19937_64 random_{seed_};
    SimulatedCuda cuda_{seed_};
};

TEST_F(CudaBackendTest, CarriesAnEmptyBatch) {
    expect_carried([&] { return SampleBatch::random(random_, 4, 0); });
}

TEST_F(CudaBackendTest, CarriesRecordsOfLengthZero) {
    expect_carried([&] {
        SampleBatch batch = SampleBatch::random(random_, 4, 3);
        batch.set_lengths([](const SampleField&) { return 0u; });
        return batch;
    });
}

// With rows that are full of elements, and with rows that have a gap behind them.
TEST_F(CudaBackendTest, CarriesFullRecords) {
    for (int round = 0; round < 20; ++round) {
        expect_carried([&] {
            SampleBatch batch = SampleBatch::random(random_, 9, 5, round % 2 == 0 ? 200 : 4);
            batch.set_lengths([](const SampleField& field) { return field.capacity; });
            return batch;
        });
        if (HasFailure()) break;
    }
}

TEST_F(CudaBackendTest, CarriesOneRecord) {
    expect_carried([&] { return SampleBatch::random(random_, 1, 1); });
}

TEST_F(CudaBackendTest, CarriesRandomRecords) {
    for (int round = 0; round < 3 * kRounds && !HasFailure(); ++round) {
        expect_carried([&] { return random_batch(); });
    }
}

// One staging area for all of them, and the host does not wait in between.
TEST_F(CudaBackendTest, CarriesBatchesRightBehindEachOther) {
    for (int round = 0; round < kRounds && !HasFailure(); ++round) {
        expect_carried([&] { return random_batch(); }, 2 + random_() % 6);
    }
}

// Of three batches two have places for their rows; the third waits until the first is stripped.
TEST_F(CudaBackendTest, StripsABatchWhileTheNextIsCopied) {
    SampleBatch batch = SampleBatch::random(random_, 9, 5);
    batch.set_lengths([](const SampleField&) { return 1u; });
    batch.fields.front().lengths.front() = 0;  // so that there is something to strip
    CudaRun run(batch, Transfer::copy, random_, 3);
    cuda_.simulator().hold(Simulator::Kind::work);  // the kernels
    run.enqueue_all();
    EXPECT_TRUE(eventually([&] { return run.is_moved(1); }));
    EXPECT_FALSE(run.is_moved(2));
    cuda_.simulator().let_go(Simulator::Kind::work);
    run.finish();
    run.expect_carried();
}

// Nothing is stripped and nothing filled: no memory is taken for that, and no kernel launched.
TEST_F(CudaBackendTest, BringsRowsStraightToTheirPlaces) {
    for (const bool is_pinned : {true, false}) {
        if (!is_pinned) cuda_.refuse_registration_above(0);
        for (const Transfer transfer : kTransfers) {
            SampleBatch batch = random_batch();
            batch.layout = Layout::rows;
            const std::uint64_t blocks = cuda_.calls("cudaMalloc");
            CudaRun run(batch, transfer, random_, 3);
            EXPECT_EQ(cuda_.calls("cudaMalloc"), blocks + 3 * 2) << "values and head of each";
            run.carry();
            run.expect_carried();
        }
    }
    for (const char* const kernel : {"launch_strip", "launch_pad", "launch_fill_tails"}) {
        EXPECT_EQ(cuda_.calls(kernel), 0u) << kernel;
    }
}

// Full records in a row, which nothing is stripped off: the copy engine alone is cheapest.
TEST_F(CudaBackendTest, CopiesFullRowsWhereItMayChoose) {
    SampleBatch batch = SampleBatch::random(random_, 30, 30, 3000);
    std::iota(batch.slots.begin(), batch.slots.end(), 0u);
    batch.set_lengths([](const SampleField& field) { return field.capacity; });
    batch.layout = Layout::rows;
    CudaRun run(batch, Transfer::automatic, random_);
    const std::uint64_t copies = cuda_.calls("cudaMemcpyAsync");
    const std::uint64_t gathered = cuda_.calls("launch_gather");
    run.carry();
    run.expect_carried();
    EXPECT_EQ(cuda_.calls("cudaMemcpyAsync"), copies + 1 + 4) << "the head, and each field";
    EXPECT_EQ(cuda_.calls("launch_gather"), gathered);
}

TEST_F(CudaBackendTest, CarriesInWhateverWayIsCheapest) {
    for (int round = 0; round < kRounds && !HasFailure(); ++round) {
        expect_carried_by(
            Transfer::automatic, [&] { return random_batch(); }, 3);
    }
}

// ---- copies by records -------------------------------------------------------------------------

TEST_F(CudaBackendTest, SubmitsManyCopiesInCallsOfSomeHundreds) {
    SampleBatch batch = SampleBatch::random(random_, 500, 400, 5);
    batch.set_lengths([](const SampleField& field) { return field.capacity; });
    CudaRun run(batch, Transfer::direct, random_);
    run.carry();
    run.expect_carried();
    EXPECT_EQ(cuda_.calls("cudaMemcpyBatchAsync"), 4u) << "of 512, for 1600 copies";
}

TEST_F(CudaBackendTest, CopiesOneByOneWhereTheDriverTakesNoBatches) {
    for (const cudaError_t error : {cudaErrorCallRequiresNewerDriver, cudaErrorNotSupported}) {
        SampleBatch batch = SampleBatch::random(random_, 9, 5);
        batch.set_lengths([](const SampleField& field) { return field.capacity; });
        CudaRun run(batch, Transfer::direct, random_, 2);
        const std::uint64_t batches = cuda_.calls("cudaMemcpyBatchAsync");
        const std::uint64_t copies = cuda_.calls("cudaMemcpyAsync");
        cuda_.fail_call("cudaMemcpyBatchAsync", 0, error);
        run.enqueue(0);
        EXPECT_EQ(cuda_.calls("cudaMemcpyBatchAsync"), batches + 1);
        EXPECT_EQ(cuda_.calls("cudaMemcpyAsync"), copies + 1 + 20) << "the head, and the records";
        run.enqueue(1);
        EXPECT_EQ(cuda_.calls("cudaMemcpyBatchAsync"), batches + 1) << "it is not asked again";
        run.finish();
        run.expect_carried();
    }
}

TEST_F(CudaBackendTest, CopiesOneByOneWhereTheGpuHasAddressesOfItsOwn) {
    cuda_.forbid_host_pointers();
    expect_carried_by(Transfer::direct, [&] { return random_batch(); });
    expect_carried_by(
        Transfer::automatic, [&] { return random_batch(); }, 3);
    EXPECT_EQ(cuda_.calls("cudaMemcpyBatchAsync"), 0u);
}

// ---- memory that cannot be pinned --------------------------------------------------------------

TEST_F(CudaBackendTest, CarriesMemoryThatCannotBePinnedThroughABuffer) {
    cuda_.refuse_registration_above(0);
    for (int round = 0; round < kRounds && !HasFailure(); ++round) {
        expect_carried([&] { return random_batch(); });
        // More of them than there are buffers to take turns.
        expect_carried_by(
            Transfer::automatic, [&] { return random_batch(); }, 5);
    }
}

// The host packs a batch while the one before is still being copied; the third waits for the first.
TEST_F(CudaBackendTest, TakesTurnsBetweenTwoBuffers) {
    cuda_.refuse_registration_above(0);
    SampleBatch batch = SampleBatch::random(random_, 9, 5);
    batch.set_lengths([](const SampleField& field) { return field.capacity; });
    CudaRun run(batch, Transfer::automatic, random_, 3);
    cuda_.simulator().hold(Simulator::Kind::copy);
    run.enqueue(0);
    run.enqueue(1);
    EXPECT_EQ(cuda_.simulator().synchronizing(), 0u);
    std::thread third([&] { run.enqueue(2); });
    EXPECT_TRUE(eventually([&] { return cuda_.simulator().synchronizing() == 1; }));
    cuda_.simulator().let_go(Simulator::Kind::copy);
    third.join();
    run.finish();
    run.expect_carried();
}

TEST_F(CudaBackendTest, SaysWhyMemoryCannotBePinned) {
    SampleBatch batch = random_batch();
    const std::shared_ptr<Backend> backend = Device::cuda(0).backend();
    cuda_.refuse_registration_above(0);
    EXPECT_EQ(backend->register_host(batch.memory())->refusal(),
              "cudaHostRegister of " + std::to_string(batch.memory().size()) +
                  " bytes: cudaErrorMemoryAllocation (out of memory)");
    EXPECT_EQ(cuda_.calls("cudaHostRegister"), 1u) << "smaller pieces than that make no sense";
    cuda_.forbid_registration();
    EXPECT_EQ(backend->register_host(batch.memory())->refusal(),
              "the GPU's driver does not register host memory");
}

// ---- memory that is registered in pieces -------------------------------------------------------

// A ring so large that it takes three pieces, most of which nobody ever touches. The rows lie over
// one of the borders.
class CudaPiecesTest : public CudaBackendTest {
  protected:
    static constexpr std::size_t kPiece = std::size_t{1} << 26;  // the smallest that is tried

    CudaPiecesTest() { cuda_.refuse_registration_above(kPiece); }
    ~CudaPiecesTest() override { munmap(memory_.data(), memory_.size()); }

    CudaRun run(SampleBatch& batch, Transfer transfer) {
        const std::size_t border = random_() % 2 == 0 ? kPiece : 2 * kPiece;
        const std::size_t before = random_() % batch.memory().size() / 64 * 64;
        return {batch, transfer, random_, 2, 0, {memory_, border - before}};
    }

    std::span<std::byte> memory_{
        static_cast<std::byte*>(mmap(nullptr, 2 * kPiece + kPiece / 2, PROT_READ | PROT_WRITE,
                                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)),
        2 * kPiece + kPiece / 2};
};

TEST_F(CudaPiecesTest, CarriesRecordsAcrossTheBordersOfPieces) {
    for (int round = 0; round < 40 && !HasFailure(); ++round) {
        for (const Transfer transfer : kTransfers) {
            SCOPED_TRACE(std::string(name_of(transfer)));
            SampleBatch batch = random_batch();
            batch.layout = kLayouts[random_() % kLayouts.size()];
            CudaRun carried = run(batch, transfer);
            EXPECT_EQ(carried.registration().refusal(), "");
            carried.carry();
            carried.expect_carried();
        }
    }
    EXPECT_EQ(cuda_.calls("cudaHostRegister"), 160u * (1 + 3)) << "all at once, then three";
    EXPECT_EQ(cuda_.calls("cudaHostUnregister"), 160u * 3);
}

TEST_F(CudaPiecesTest, DoesNotGatherFromPiecesAtDifferentDistances) {
    cuda_.map_each_apart();
    SampleBatch batch = random_batch();
    EXPECT_TRUE(contains(
        error_text<UsageError>([&] { run(batch, Transfer::gather); }),
        "device cuda:0: it cannot read the ring's memory, which transfer gather wants; choose"));
    CudaRun carried = run(batch, Transfer::automatic);
    carried.carry();
    carried.expect_carried();
    EXPECT_EQ(cuda_.calls("launch_gather"), 0u);
}

TEST_F(CudaBackendTest, DoesNotGatherWhatIsNotMapped) {
    cuda_.refuse_mapping();
    SampleBatch batch = random_batch();
    error_text<UsageError>([&] { CudaRun(batch, Transfer::gather, random_); });
    expect_carried_by(Transfer::automatic, [&] { return random_batch(); });
    EXPECT_EQ(cuda_.calls("launch_gather"), 0u);
}

// ---- what is not a batch -----------------------------------------------------------------------

TEST_F(CudaBackendTest, AlignsBuffersTo256Bytes) {
    const std::shared_ptr<Backend> backend = Device::cuda(0).backend();
    EXPECT_EQ(backend->name(), "cuda:0");
    EXPECT_TRUE(backend->has_streams());
    for (const std::size_t bytes : {0u, 1u, 255u, 256u, 100'000u}) {
        for (const auto& buffer : {backend->allocate(bytes), backend->allocate_host(bytes)}) {
            ASSERT_NE(buffer->data(), nullptr);
            EXPECT_EQ(reinterpret_cast<std::uintptr_t>(buffer->data()) % 256, 0u) << bytes;
        }
    }
}

TEST_F(CudaBackendTest, TellsTheTimeBetweenCompleteEventsOnly) {
    const std::shared_ptr<Backend> backend = Device::cuda(0).backend();
    const auto from = backend->make_event();
    const auto to = backend->make_event();
    const cudaStream_t stream = cuda_.make_stream();
    backend->synchronize(*from);  // complete until it is recorded
    backend->record(*from, {stream});
    cuda_.simulator().hold(Simulator::Kind::work);
    cuda_.enqueue(stream, {.run = [&](std::size_t) {}, .seconds = 2});
    backend->record(*to, {stream});
    EXPECT_EQ(backend->seconds_between(*from, *to), std::nullopt);
    EXPECT_EQ(cudaGetLastError(), cudaSuccess);
    cuda_.simulator().let_go(Simulator::Kind::work);
    backend->synchronize(*to);
    EXPECT_NEAR(backend->seconds_between(*from, *to).value_or(0), 2, 0.1);
    EXPECT_NEAR(backend->seconds_between(*to, *from).value_or(0), -2, 0.1);
}

TEST_F(CudaBackendTest, RefusesStreamsThatHaveNoOrder) {
    const std::shared_ptr<Backend> backend = Device::cuda(0).backend();
    const cudaStream_t stream = cuda_.make_stream();
    for (const cudaStream_t usable : {stream, cudaStream_t{}, cudaStreamLegacy}) {
        EXPECT_NO_THROW(backend->expect_usable({usable}));
    }
    EXPECT_TRUE(
        contains(error_text<UsageError>([&] { backend->expect_usable({cudaStreamPerThread}); }),
                 "device cuda:0: cudaStreamPerThread is another stream on each thread"));
    cuda_.capture(stream, true);
    EXPECT_TRUE(contains(error_text<UsageError>([&] { backend->expect_usable({stream}); }),
                         "device cuda:0: the stream is being captured into a graph"));
    EXPECT_NO_THROW(backend->expect_usable({cuda_.make_stream()})) << "another one";
    EXPECT_NO_THROW(backend->expect_usable({}));
    cuda_.capture(stream, false);
    EXPECT_NO_THROW(backend->expect_usable({stream}));
}

TEST_F(CudaBackendTest, KnowsCudasNameForTheDefaultStream) {
    const std::shared_ptr<Backend> backend = Device::cuda(0).backend();
    const auto event = backend->make_event();
    cuda_.simulator().hold(Simulator::Kind::work);
    cuda_.enqueue(nullptr, {.run = [](std::size_t) {}});
    backend->record(*event, {cudaStreamLegacy});
    EXPECT_FALSE(backend->is_complete(*event));
    EXPECT_EQ(cudaGetLastError(), cudaSuccess);
    cuda_.simulator().let_go(Simulator::Kind::work);
    backend->synchronize(*event);
    EXPECT_TRUE(backend->is_complete(*event));
    backend->wait({cudaStreamLegacy}, *event);
}

// Which streams wait for which is all that orders these two.
TEST_F(CudaBackendTest, MakesStreamsWait) {
    SampleBatch batch = random_batch();
    CudaRun run(batch, Transfer::copy, random_);
    const cudaStream_t stream = cuda_.make_stream();
    const auto event = run.backend().make_event();
    std::vector<int> order;
    const auto note = [&](int number) {
        cuda_.enqueue(stream, {.run = [&order, number](std::size_t) { order.push_back(number); }});
    };
    cuda_.simulator().hold(Simulator::Kind::work);
    note(1);
    run.backend().record(*event, {stream});
    run.stream().wait(*event);
    const auto later = run.backend().make_event();
    run.stream().record(*later);
    run.backend().wait({stream}, *later);
    note(2);
    run.stream().stamp(*event);  // on a stream of its own, which waits for nothing
    run.backend().synchronize(*event);
    EXPECT_TRUE(order.empty());
    cuda_.simulator().let_go(Simulator::Kind::work);
    run.backend().synchronize(*later);
    cuda_.synchronize(stream);
    EXPECT_EQ(order, (std::vector<int>{1, 2}));
}

}  // namespace
}  // namespace headrace::device
