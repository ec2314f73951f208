// The real loader on a GPU of a simulated CUDA, whose batches go into memory of the trainer's. What
// they then hold is looked at in cuda_loader_test.cpp, too.
#include <gtest/gtest.h>

#include <array>

#include "device/cuda_run.hpp"
#include "gtest/seed.hpp"
#include "loader/cuda_loader_run.hpp"

namespace headrace {
namespace {

using Sabotage = SimulatedCuda::Sabotage;

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr std::uint64_t kSeeds = 30;
#else
constexpr std::uint64_t kSeeds = 200;
#endif

class CudaLoaderStripTest : public LoaderFixture {
  protected:
    static CudaLoaderPlan plan_of(std::uint64_t seed) {
        CudaLoaderPlan plan = CudaLoaderPlan::of(seed);
        plan.layout = seed % 4 == 0 ? Layout::packed : Layout::rows;
        plan.strips = true;
        if (plan.transfer == Transfer::automatic) plan.transfer = Transfer::copy;
        return plan;
    }
    static LoaderOptions on_gpu(std::uint32_t batch) {
        return {.batch = batch,
                .layout = Layout::rows,
                .device = Device::cuda(0),
                .transfer = Transfer::copy};
    }

    std::uint64_t seed_ = test_seed();
    testing::ScopedTrace trace_{__FILE__, __LINE__, seed_note(seed_)};
};

// Memory of the trainer's for any batch of eight; offsets are not wanted.
class Memory {
  public:
    explicit Memory(SimulatedCuda& cuda) : cuda_(cuda) {}
    Memory(const Memory&) = delete;
    Memory& operator=(const Memory&) = delete;
    ~Memory() {
        for (std::byte* const values : {floats_, ints_}) cuda_.free(values);
    }
    std::array<StripTarget, 2> targets() const { return {{{floats_}, {ints_}}}; }

  private:
    SimulatedCuda& cuda_;
    std::byte* floats_ = cuda_.allocate(8 * 32 * sizeof(float));
    std::byte* ints_ = cuda_.allocate(8 * 4 * sizeof(std::int32_t));
};

TEST_F(CudaLoaderStripTest, DeliversEachRecordIntoMemoryOfTheTrainers) {
    for (std::uint64_t i = 0; i < kSeeds && !HasFailure(); ++i) {
        const CudaLoaderPlan plan = plan_of(seed_ + i);
        SCOPED_TRACE(plan.describe());
        SimulatedCuda cuda(plan.seed);
        if (i % 6 == 5) cuda.refuse_registration_above(0);
        CudaLoaderRun run(cuda, plan, options());
        EXPECT_NO_THROW(run.run());
        EXPECT_EQ(run.wrong(), "");
        expect_balance(run.stats().value());
        device::expect_clean(cuda);
    }
}

// Without the waits of the trainer's streams, and of the copies for the trainer's streams.
TEST_F(CudaLoaderStripTest, IsFoundOutWithoutItsEvents) {
    constexpr std::uint64_t kMostSeeds = 1'000;  // some tens are enough
    for (const Sabotage sabotage :
         {Sabotage::trainer_does_not_wait, Sabotage::copies_do_not_wait}) {
        bool is_found = false;
        for (std::uint64_t i = 0; i < kMostSeeds && !is_found; ++i) {
            const CudaLoaderPlan plan = plan_of(seed_ + i);
            SimulatedCuda cuda(plan.seed);
            cuda.sabotage(sabotage);
            CudaLoaderRun run(cuda, plan, options());
            try {
                run.run();
            } catch (const DeviceError&) {
                is_found = true;  // the kernel met offsets that are none of its batch
            }
            is_found = is_found || !run.wrong().empty() || !cuda.mistakes().empty();
        }
        EXPECT_TRUE(is_found) << static_cast<int>(sabotage);
    }
}

TEST_F(CudaLoaderStripTest, MakesNothingForIt) {
    SimulatedCuda cuda(seed_);
    const cudaStream_t stream = cuda.make_stream();
    const Memory memory(cuda);
    RingOptions endless = options(40);
    endless.epochs = 0;
    Ring ring = Ring::create(endless);
    Writer writer(ring);
    Loader loader(ring, on_gpu(8));
    const auto made = [&] {
        std::uint64_t calls = 0;
        for (const char* const name :
             {"cudaMalloc", "cudaHostAlloc", "cudaStreamCreateWithPriority",
              "cudaEventCreateWithFlags"}) {
            calls += cuda.calls(name);
        }
        return calls;
    };
    const std::uint64_t before = made();
    for (int epoch = 0; epoch < 4; ++epoch) {
        for (Batch& batch : loader.epoch({stream})) batch.strip_into(memory.targets(), {stream});
    }
    EXPECT_EQ(made(), before);
    EXPECT_GT(cuda.calls("launch_strip"), 10u);
    cuda.synchronize(stream);
}

TEST_F(CudaLoaderStripTest, RefusesStreamsAndMemoryThatCannotBe) {
    SimulatedCuda cuda(seed_);
    const cudaStream_t stream = cuda.make_stream();
    const Memory memory(cuda);
    Ring ring = Ring::create(options(40));
    Writer writer(ring);
    Loader loader(ring, on_gpu(8));
    Result<Batch> batch = loader.next({stream});
    ASSERT_TRUE(batch);
    EXPECT_TRUE(contains(
        error_text<UsageError>([&] { batch->strip_into(memory.targets(), {cudaStreamPerThread}); }),
        "cudaStreamPerThread is another stream on each thread"));
    const cudaStream_t captured = cuda.make_stream();
    cuda.capture(captured, true);
    EXPECT_TRUE(
        contains(error_text<UsageError>([&] { batch->strip_into(memory.targets(), {captured}); }),
                 "the stream is being captured into a graph"));
    cuda.capture(captured, false);
    std::array<StripTarget, 2> beside = memory.targets();
    beside[0].values = static_cast<std::byte*>(beside[0].values) + 16;
    EXPECT_TRUE(
        contains(error_text<UsageError>([&] { batch->strip_into(beside, {stream}); }),
                 "field \"floats\": its values lie 16 bytes behind a multiple of 256, wanted at "
                 "one"));
    EXPECT_EQ(cuda.calls("launch_strip"), 0u);
    batch->strip_into(memory.targets(), {stream});
    batch->release();
    EXPECT_TRUE(loader.next({stream})) << "it goes on";
    cuda.synchronize(stream);
    EXPECT_EQ(cuda.mistakes(), std::vector<std::string>{});
}

TEST_F(CudaLoaderStripTest, EndsTheRingWithAFailureOfTheGpu) {
    for (const char* const call : {"launch_strip", "cudaStreamWaitEvent"}) {
        SimulatedCuda cuda(seed_);
        const cudaStream_t stream = cuda.make_stream();
        const cudaStream_t other = cuda.make_stream();
        const Memory memory(cuda);
        RingOptions endless = options(40);
        endless.epochs = 0;
        Ring ring = Ring::create(endless);
        Producer producer = ring.producer();
        write(producer, 8);
        LoaderOptions one = on_gpu(8);
        one.depth = 1;
        Loader loader(ring, one);
        Result<Batch> batch = loader.next({stream});
        ASSERT_TRUE(batch);
        cuda.fail_call(call, 0, cudaErrorLaunchOutOfResources);
        const auto strip = [&] { batch->strip_into(memory.targets(), {other}); };
        const std::string text = error_text<DeviceError>(strip);
        ASSERT_TRUE(contains(text, "device cuda:0: "));
        EXPECT_TRUE(contains(text, "cudaErrorLaunchOutOfResources"));
        EXPECT_EQ(error_text<DeviceError>([&] { loader.next({stream}); }), text);
        EXPECT_TRUE(contains(error_text<RingAborted>([&] {
                                 while (producer.claim_for(std::chrono::seconds(20))) {
                                 }
                             }),
                             "cudaErrorLaunchOutOfResources"));
        batch->release();
        cuda.synchronize(stream);
        cuda.synchronize(other);
        EXPECT_EQ(cuda.mistakes(), std::vector<std::string>{});
    }
}

}  // namespace
}  // namespace headrace
