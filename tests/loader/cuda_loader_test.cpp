// The real loader on GPUs of a simulated CUDA, through the public interface.
#include <gtest/gtest.h>

#include <atomic>

#include "device/cuda_run.hpp"
#include "gtest/seed.hpp"
#include "loader/cuda_loader_run.hpp"

namespace headrace {
namespace {

using Sabotage = SimulatedCuda::Sabotage;
using std::chrono::seconds;

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr std::uint64_t kSeeds = 60;
#else
constexpr std::uint64_t kSeeds = 600;
#endif

class CudaLoaderTest : public LoaderFixture {
  protected:
    // All that there is of a run, which ends well.
    void expect_good_run(const CudaLoaderPlan& plan, bool is_pinned = true) {
        SCOPED_TRACE(plan.describe());
        SimulatedCuda cuda(plan.seed);
        if (!is_pinned) cuda.refuse_registration_above(0);
        CudaLoaderRun run(cuda, plan, options());
        EXPECT_NO_THROW(run.run());
        EXPECT_EQ(run.wrong(), "");
        expect_balance(run.stats().value());
        EXPECT_EQ(run.stats()->host_memory, is_pinned ? "pinned" : "bounced");
        device::expect_clean(cuda);
    }

    // Whether something is noticed within so many seeds.
    bool is_found(Sabotage sabotage, std::uint64_t seeds) {
        for (std::uint64_t i = 0; i < seeds; ++i) {
            CudaLoaderPlan plan = CudaLoaderPlan::of(seed_ + i);
            if (plan.transfer == Transfer::automatic) plan.transfer = Transfer::copy;
            SimulatedCuda cuda(plan.seed);
            cuda.sabotage(sabotage);
            CudaLoaderRun run(cuda, plan, options());
            try {
                run.run();
            } catch (const DeviceError&) {
                return true;  // a kernel met offsets that are none of its batch
            }
            if (!run.wrong().empty() || !cuda.mistakes().empty()) return true;
        }
        return false;
    }

    std::uint64_t seed_ = test_seed();
    testing::ScopedTrace trace_{__FILE__, __LINE__, seed_note(seed_)};
};

TEST_F(CudaLoaderTest, DeliversEachRecordInWhateverWay) {
    for (std::uint64_t i = 0; i < kSeeds && !HasFailure(); ++i) {
        expect_good_run(CudaLoaderPlan::of(seed_ + i), i % 6 != 5);
    }
}

TEST_F(CudaLoaderTest, RunsOnTwoGpusAtOnce) {
    for (std::uint64_t i = 0; i < kSeeds / 10 && !HasFailure(); ++i) {
        SimulatedCuda cuda(seed_ + i, 2);
        std::vector<std::thread> trainers;
        for (const int gpu : {0, 1}) {
            trainers.emplace_back([&, gpu] {
                cudaSetDevice(gpu);
                RingOptions ring_options = options();
                ring_options.name = "ring-" + std::to_string(gpu);
                const CudaLoaderPlan plan =
                    CudaLoaderPlan::of(2 * (seed_ + i) + static_cast<std::uint64_t>(gpu));
                SCOPED_TRACE(plan.describe());
                CudaLoaderRun run(cuda, plan, ring_options, gpu);
                EXPECT_NO_THROW(run.run());
                EXPECT_EQ(run.wrong(), "");
                EXPECT_EQ(cudaGetLastError(), cudaSuccess);
                int current = -1;
                cudaGetDevice(&current);
                EXPECT_EQ(current, gpu);
            });
        }
        for (std::thread& trainer : trainers) trainer.join();
        device::expect_clean(cuda);
    }
}

// A process that has chosen GPU 1 takes no memory on GPU 0, also not with the loader's threads.
TEST_F(CudaLoaderTest, MakesNoContextOnAnotherGpu) {
    SimulatedCuda cuda(seed_, 2);
    cudaSetDevice(1);
    CudaLoaderPlan plan = CudaLoaderPlan::of(seed_);
    plan.gives_back_elsewhere = false;  // by a thread that has not chosen
    CudaLoaderRun run(cuda, plan, options(), 1);
    run.run();
    EXPECT_EQ(cuda.contexts(), std::set<int>{1});
    EXPECT_EQ(run.wrong(), "");
    device::expect_clean(cuda);
}

// ---- what the events are for -------------------------------------------------------------------

TEST_F(CudaLoaderTest, IsFoundOutWithoutItsEvents) {
    constexpr std::uint64_t kMostSeeds = 1'000;  // most are found within some tens
    EXPECT_TRUE(is_found(Sabotage::copies_do_not_wait, kMostSeeds)) << "for the trainer's streams";
    EXPECT_TRUE(is_found(Sabotage::trainer_does_not_wait, kMostSeeds)) << "for the batch";
    EXPECT_TRUE(is_found(Sabotage::synchronizes_early, kMostSeeds))
        << "for slots that are still read";
}

// ---- what it makes, and when -------------------------------------------------------------------

TEST_F(CudaLoaderTest, MakesEverythingAtTheBeginning) {
    for (const bool is_pinned : {true, false}) {
        SimulatedCuda cuda(seed_);
        if (!is_pinned) cuda.refuse_registration_above(0);
        const cudaStream_t stream = cuda.make_stream();
        RingOptions endless = options(40);
        endless.epochs = 0;
        Ring ring = Ring::create(endless);
        Writer writer(ring);
        Loader loader(ring, {.batch = 4, .device = Device::cuda(0), .depth = 3});
        const auto made = [&](bool with_events) {
            std::uint64_t calls = with_events ? cuda.calls("cudaEventCreateWithFlags") : 0;
            for (const char* const name : {"cudaMalloc", "cudaHostAlloc", "cudaHostRegister",
                                           "cudaStreamCreateWithPriority"}) {
                calls += cuda.calls(name);
            }
            return calls;
        };
        EXPECT_EQ(cuda.calls("load_kernels"), 1u) << "or the first launch of one might wait";
        const std::uint64_t at_first = made(false);
        const std::uint64_t with_events = made(true);
        for (int epoch = 0; epoch < 6; ++epoch) {
            for ([[maybe_unused]] const Batch& batch : loader.epoch({stream})) {
            }
        }
        EXPECT_EQ(made(false), at_first);
        EXPECT_EQ(made(true), with_events) << "for one stream all are there";
    }
}

// A trainer's thread that captures a graph is not disturbed by the loader's threads, nor they by
// it.
TEST_F(CudaLoaderTest, GoesOnWhileAGraphIsCaptured) {
    SimulatedCuda cuda(seed_);
    const cudaStream_t stream = cuda.make_stream();
    const cudaStream_t captured = cuda.make_stream();
    Ring ring = Ring::create(options(100));
    Loader loader(ring, {.batch = 4, .device = Device::cuda(0), .depth = 3});
    cuda.capture(captured, true);
    // Long enough to look whether the stream stands, on this thread.
    EXPECT_EQ(loader.next_for(std::chrono::seconds(1), {stream}).outcome(), Outcome::timed_out);
    Writer writer(ring);
    // Three batches are copied, and their slots are given back.
    EXPECT_TRUE(eventually([&] {
        const Stats stats = ring.stats();
        return stats.prefetched == 12 && stats.leased == 0;
    }));
    EXPECT_TRUE(contains(error_text<UsageError>([&] { loader.next({captured}); }),
                         "the stream is being captured into a graph; take batches"));
    cuda.capture(captured, false);
    std::uint64_t batches = 0;
    for ([[maybe_unused]] const Batch& batch : loader.epoch({stream})) ++batches;
    EXPECT_EQ(batches, 25u);
    EXPECT_EQ(cuda.mistakes(), std::vector<std::string>{});
}

// ---- memory that cannot be pinned --------------------------------------------------------------

TEST_F(CudaLoaderTest, SaysOnceThatMemoryCannotBePinned) {
    SimulatedCuda cuda(seed_);
    cuda.refuse_registration_above(0);
    const cudaStream_t stream = cuda.make_stream();
    Ring ring = Ring::create(options(100));
    Writer writer(ring);
    Loader loader(ring, {.batch = 4, .device = Device::cuda(0)});
    for ([[maybe_unused]] const Batch& batch : loader.epoch({stream})) {
    }
    const std::string text = messages();
    const std::string part =
        "the memory of ring \"test\" cannot be pinned for cuda:0: "
        "cudaHostRegister of ";
    EXPECT_TRUE(contains(text, part));
    EXPECT_TRUE(contains(text,
                         "cudaErrorMemoryAllocation (out of memory); batches go through a "
                         "pinned buffer, a copy more on the host"));
    EXPECT_EQ(text.find(part, text.find(part) + 1), std::string::npos) << text;
    EXPECT_EQ(ring.stats().host_memory, "bounced");
}

TEST_F(CudaLoaderTest, RefusesMemoryThatCannotBePinnedWhereItMustBe) {
    SimulatedCuda cuda(seed_);
    cuda.refuse_registration_above(0);
    Ring ring = Ring::create(options(100));
    EXPECT_TRUE(
        contains(error_text<DeviceError>([&] {
                     Loader(ring, {.batch = 4, .device = Device::cuda(0), .require_pinned = true});
                 }),
                 "cannot be pinned for cuda:0: cudaHostRegister"));
    EXPECT_EQ(messages(), "");
    device::expect_clean(cuda);
}

// ---- what it tells -----------------------------------------------------------------------------

TEST_F(CudaLoaderTest, CountsBytesAndTimesOfTheLink) {
    for (const Transfer transfer : {Transfer::copy, Transfer::direct}) {
        SimulatedCuda cuda(seed_);
        const cudaStream_t stream = cuda.make_stream();
        Ring ring = Ring::create(options(100));
        Writer writer(ring);
        Loader loader(ring, {.batch = 4, .device = Device::cuda(0), .transfer = transfer});
        std::uint64_t payload = 0, batches = 0;
        for (const Batch& batch : loader.epoch({stream})) {
            payload +=
                static_cast<std::uint64_t>(4 * (batch.total("floats") + batch.total("ints")));
            ++batches;
        }
        const Stats stats = ring.stats();
        EXPECT_EQ(stats.device, "cuda:0");
        EXPECT_EQ(stats.host_memory, "pinned");
        EXPECT_EQ(stats.payload_bytes, payload);
        const std::uint64_t head = 3 * 256;  // offsets of two fields, and slots
        const std::uint64_t rows = 128 + 16;
        EXPECT_EQ(stats.link_bytes,
                  batches * head + (transfer == Transfer::copy ? 100 * rows : payload));
        EXPECT_TRUE(eventually([&] { return ring.stats().copying_s > 0; }));
        EXPECT_EQ(ring.stats().stripping_s > 0, true);
    }
}

// ---- the end of a program ----------------------------------------------------------------------

// Static objects may hold batches that CUDA does not outlive.
TEST_F(CudaLoaderTest, TakesBatchesBackWhenCudaHasGone) {
    for (const bool loader_goes_first : {true, false}) {
        SimulatedCuda cuda(seed_);
        const cudaStream_t stream = cuda.make_stream();
        const cudaStream_t other = cuda.make_stream();
        std::vector<Batch> kept;
        Ring ring = Ring::create(options(100));
        const Writer writer(ring);
        std::optional<Loader> loader;
        loader.emplace(ring, LoaderOptions{.batch = 4, .device = Device::cuda(0), .depth = 3});
        for (int i = 0; i < 3; ++i) {
            auto batch = loader->next({stream});
            ASSERT_TRUE(batch);
            batch->used_on({other});
            kept.push_back(std::move(*batch));
        }
        cuda.synchronize(stream);
        if (loader_goes_first) loader.reset();
        cuda.shut_down();
        kept.front().release();
        std::thread([taken = std::move(kept)]() mutable { taken.clear(); }).join();
        if (loader) {
            const std::string text = error_text<DeviceError>([&] { loader->next({stream}); });
            EXPECT_TRUE(contains(text, "cudaErrorCudartUnloading"));
        }
        loader.reset();
        EXPECT_EQ(cuda.leftovers(), "");
        EXPECT_EQ(cuda.mistakes(), std::vector<std::string>{});
    }
}

// ---- GPUs that fail ----------------------------------------------------------------------------

TEST_F(CudaLoaderTest, TellsWhatFailsOnTheGpuAndLetsProducersGo) {
    SimulatedCuda cuda(seed_);
    const cudaStream_t stream = cuda.make_stream();
    RingOptions endless = options(40);
    endless.epochs = 0;
    Ring ring = Ring::create(endless);
    std::string told;
    std::thread producing([&] {
        Producer producer = ring.producer();
        told = error_text<RingAborted>([&] {
            while (auto record = producer.claim()) Writer::fill(std::move(*record));
        });
    });
    {
        Loader loader(ring, {.batch = 4, .device = Device::cuda(0), .transfer = Transfer::copy});
        cuda.fail_operation(0, 20, cudaErrorIllegalAddress);
        const auto until_it_fails = [&] {
            for (;;) loader.next({stream});
        };
        for (int i = 0; i < 2; ++i) {
            const std::string text = error_text<DeviceError>(until_it_fails);
            EXPECT_TRUE(contains(text, "device cuda:0: "));
            EXPECT_TRUE(contains(text,
                                 "cudaErrorIllegalAddress (an illegal memory access was "
                                 "encountered), at src/device/cuda/"));
        }
        producing.join();
    }
    EXPECT_TRUE(contains(told, "cudaErrorIllegalAddress"));
    EXPECT_EQ(cuda.mistakes(), std::vector<std::string>{});
    EXPECT_EQ(cuda.leftovers(), "");
}

TEST_F(CudaLoaderTest, EndsWhereverTheGpuFails) {
    for (std::uint64_t i = 0; i < kSeeds / 3 && !HasFailure(); ++i) {
        const CudaLoaderPlan plan = CudaLoaderPlan::of(seed_ + i);
        SCOPED_TRACE(plan.describe());
        SimulatedCuda cuda(plan.seed);
        cuda.fail_operation(0, (seed_ + i) % 40, cudaErrorIllegalAddress);
        CudaLoaderRun run(cuda, plan, options());
        try {
            run.run();
        } catch (const DeviceError& error) {
            EXPECT_TRUE(contains(error.what(), "cudaErrorIllegalAddress"));
        }
        EXPECT_EQ(run.wrong(), "") << "what was delivered before is right";
        EXPECT_EQ(cuda.mistakes(), std::vector<std::string>{});
        EXPECT_EQ(cuda.leftovers(), "");
    }
}

// The other one goes on.
TEST_F(CudaLoaderTest, KeepsTheFailureOfOneGpuFromTheOther) {
    SimulatedCuda cuda(seed_, 2);
    cuda.fail_operation(1, 5, cudaErrorIllegalAddress);
    CudaLoaderPlan plan = CudaLoaderPlan::of(seed_);
    plan.epoch_records = 60;
    plan.most_batches = ~std::uint64_t{0};
    std::thread failing([&] {
        cudaSetDevice(1);
        RingOptions other = options();
        other.name = "other";
        CudaLoaderRun run(cuda, plan, other, 1);
        EXPECT_THROW(run.run(), DeviceError);
    });
    CudaLoaderRun run(cuda, plan, options(), 0);
    EXPECT_NO_THROW(run.run());
    EXPECT_EQ(run.wrong(), "");
    failing.join();
    EXPECT_EQ(cuda.leftovers(), "");
}

// Any call, once, of whichever thread.
TEST_F(CudaLoaderTest, ComesThroughTheFailureOfAnyCall) {
    std::mt19937_64 random(seed_);
    for (std::uint64_t i = 0; i < kSeeds / 2 && !HasFailure(); ++i) {
        CudaLoaderPlan plan = CudaLoaderPlan::of(seed_ + i);
        SimulatedCuda cuda(plan.seed);
        const std::uint64_t call = random() % (plan.transfer == Transfer::automatic ? 1500 : 400);
        cuda.fail_call("", call, cudaErrorLaunchOutOfResources);
        SCOPED_TRACE(plan.describe() + ", call " + std::to_string(call));
        CudaLoaderRun run(cuda, plan, options());
        try {
            run.run();
        } catch (const DeviceError& error) {
            EXPECT_TRUE(contains(error.what(), "cudaErrorLaunchOutOfResources"));
        } catch (const UsageError& error) {
            EXPECT_TRUE(contains(error.what(), "which transfer gather wants"));
            EXPECT_EQ(cuda.failed_call(), "cudaHostGetDevicePointer");
        }
        cuda.fail_call("", 0, cudaSuccess);
        SCOPED_TRACE(cuda.failed_call());
        EXPECT_EQ(cuda.leftovers(), "");
        EXPECT_EQ(cudaGetLastError(), cudaSuccess);
        // The end of the copy stream: what is on its way loses its memory.
        if (cuda.failed_call() == "cudaStreamSynchronize") continue;
        EXPECT_EQ(run.wrong(), "");
        // Where no event can be made, recorded or waited for, nothing tells when memory is free.
        const std::set<std::string> excused{"cudaEventCreateWithFlags", "cudaEventRecord",
                                            "cudaEventSynchronize", "cudaGetDevice"};
        if (!excused.contains(cuda.failed_call())) {
            EXPECT_EQ(cuda.mistakes(), std::vector<std::string>{});
        }
    }
}

}  // namespace
}  // namespace headrace
