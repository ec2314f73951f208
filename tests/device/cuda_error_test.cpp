// The CUDA device when calls fail, each of them once, and when the GPU itself does; and whose GPU
// is the current one meanwhile.
#include <gtest/gtest.h>

#include <random>

#include "device/cuda_run.hpp"
#include "device/simulated_cuda.hpp"
#include "gtest/error_text.hpp"
#include "gtest/seed.hpp"
#include "headrace/error.hpp"

namespace headrace::device {
namespace {

constexpr std::array kTransfers{Transfer::automatic, Transfer::copy, Transfer::trim,
                                Transfer::direct, Transfer::gather};

constexpr std::array kLayouts{Layout::packed, Layout::trimmed, Layout::padded, Layout::rows};

int current_gpu() {
    int device = -1;
    cudaGetDevice(&device);
    return device;
}

class CudaErrorTest : public testing::Test {
  protected:
    SampleBatch batch_of(Layout layout) {
        SampleBatch batch = SampleBatch::random(random_, 12, 8);
        batch.layout = layout;
        return batch;
    }
    // Set-up, three batches, and the end, on GPU 1 while GPU 0 is current.
    void run_once(Transfer transfer, Layout layout) {
        SampleBatch batch = batch_of(layout);
        CudaRun run(batch, transfer, random_, 3, 1);
        run.carry();
        run.expect_carried();
    }

    // The failure of one call of run_once().
    void expect_told(SimulatedCuda& cuda, std::uint64_t call, Transfer transfer, Layout layout) {
        cuda.fail_call("", call, cudaErrorLaunchOutOfResources);
        try {
            run_once(transfer, layout);
        } catch (const DeviceError& error) {
            const std::string failed = cuda.failed_call();
            EXPECT_TRUE(contains(error.what(), "device cuda:1: "));
            EXPECT_TRUE(contains(error.what(), "cudaErrorLaunchOutOfResources (too many"));
            if (failed == "cudaGetDeviceCount") {
                EXPECT_TRUE(contains(error.what(), "no GPU can be used"));
            } else {
                const bool is_kernel = failed.starts_with("launch_");
                EXPECT_TRUE(contains(error.what(), is_kernel ? "launch of the kernel " : failed));
                EXPECT_TRUE(contains(error.what(), ", at src/device/cuda/"));
            }
        } catch (const UsageError& error) {
            EXPECT_EQ(transfer, Transfer::gather) << error.what();
            EXPECT_EQ(cuda.failed_call(), "cudaHostGetDevicePointer");
        }
        cuda.fail_call("", 0, cudaSuccess);  // where there were fewer calls this time
        if (cuda.failed_call() == "cudaSetDevice") cudaSetDevice(0);  // it could not come back
        EXPECT_EQ(current_gpu(), 0);
        expect_clean(cuda);
    }

    std::uint64_t seed_ = test_seed();
    testing::ScopedTrace trace_{__FILE__, __LINE__, seed_note(seed_)};
    std::mt19937_64 random_{seed_};
};

TEST_F(CudaErrorTest, NamesDeviceOperationWordAndPlace) {
    SimulatedCuda cuda(seed_, 2);
    const std::shared_ptr<Backend> backend = Device::cuda(1).backend();
    cuda.fail_call("cudaMalloc", 1, cudaErrorMemoryAllocation);
    EXPECT_TRUE(backend->allocate(5000)) << "the second one fails";
    const std::string text = error_text<DeviceError>([&] { backend->allocate(5000); });
    EXPECT_TRUE(contains(text,
                         "device cuda:1: cudaMalloc of 5000 bytes: cudaErrorMemoryAllocation "
                         "(out of memory), at src/device/cuda/owners.cpp:"));
    expect_clean(cuda);
}

// One after the other. What fails is told, nothing is left behind, nothing is given back too early.
TEST_F(CudaErrorTest, ComesThroughTheFailureOfAnyCall) {
    for (const Transfer transfer : kTransfers) {
        for (const bool is_pinned : {true, false}) {
            SimulatedCuda cuda(seed_, 2);
            if (!is_pinned) cuda.refuse_registration_above(0);
            const Layout layout = kLayouts[random_() % kLayouts.size()];
            const std::uint64_t before = cuda.calls("");
            run_once(transfer, layout);
            const std::uint64_t calls = cuda.calls("") - before;
            // Of the thousand that measuring takes, not each one.
            const std::uint64_t step = calls > 300 ? 7 : 1;
            for (std::uint64_t call = random_() % step; call < calls; call += step) {
                expect_told(cuda, call, transfer, layout);
                ASSERT_FALSE(HasFailure()) << name_of(transfer) << (is_pinned ? "" : ", bounced")
                                           << ", call " << call << ": " << cuda.failed_call();
            }
        }
    }
}

// What runs on the GPU fails, at any place: every later call says so.
TEST_F(CudaErrorTest, TellsWhatFailsOnTheGpu) {
    for (const Transfer transfer : kTransfers) {
        for (std::uint64_t operation = 0; operation < 9; ++operation) {
            SimulatedCuda cuda(seed_ + operation, 2);
            cuda.fail_operation(1, operation, cudaErrorIllegalAddress);
            bool has_failed = false;
            try {
                run_once(transfer, Layout::padded);
            } catch (const DeviceError& error) {
                has_failed = true;
                EXPECT_TRUE(contains(error.what(), "device cuda:1: "));
                EXPECT_TRUE(contains(error.what(), "cudaErrorIllegalAddress"));
            }
            // Some ways take few operations for three batches, but none less than two each.
            EXPECT_TRUE(has_failed || operation >= 6) << operation;
            EXPECT_EQ(current_gpu(), 0);
            expect_clean(cuda);
            ASSERT_FALSE(HasFailure()) << name_of(transfer) << ", operation " << operation;
        }
    }
}

// ---- the current GPU ---------------------------------------------------------------------------

TEST_F(CudaErrorTest, LeavesTheCurrentGpuAsItWas) {
    SimulatedCuda cuda(seed_, 2);
    for (const Transfer transfer : kTransfers) {
        SampleBatch batch = batch_of(Layout::trimmed);
        CudaRun run(batch, transfer, random_, 2, 1);
        EXPECT_EQ(current_gpu(), 0);
        run.enqueue_all();
        EXPECT_EQ(current_gpu(), 0);
        const auto event = run.backend().make_event();
        const auto later = run.backend().make_event();
        EXPECT_EQ(current_gpu(), 0);
        run.backend().record(*event, {});  // the default stream of GPU 1, not of GPU 0
        run.backend().wait({}, *event);
        run.stream().wait(*event);
        run.stream().record(*event);
        run.stream().stamp(*later);
        run.backend().synchronize(*event);
        run.backend().synchronize(*later);
        EXPECT_TRUE(run.backend().seconds_between(*event, *later));
        EXPECT_EQ(current_gpu(), 0);
        run.finish();
        EXPECT_EQ(current_gpu(), 0);
    }
    expect_clean(cuda);
}

TEST_F(CudaErrorTest, MakesNoContextOnAnotherGpu) {
    SimulatedCuda cuda(seed_, 2);
    cudaSetDevice(1);
    for (const Transfer transfer : kTransfers) run_once(transfer, Layout::padded);
    EXPECT_EQ(cuda.contexts(), std::set<int>{1});
    expect_clean(cuda);
}

}  // namespace
}  // namespace headrace::device
