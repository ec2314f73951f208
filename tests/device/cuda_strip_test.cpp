// A batch that goes into memory of the trainer's, on a stream of the trainer's: the CUDA device
// over a simulated runtime.
#include <gtest/gtest.h>

#include <array>
#include <random>

#include "device/cuda_run.hpp"
#include "device/simulated_cuda.hpp"
#include "device/strip_run.hpp"
#include "gtest/error_text.hpp"
#include "gtest/seed.hpp"
#include "headrace/error.hpp"

namespace headrace::device {
namespace {

constexpr std::array kLayouts{Layout::rows, Layout::packed};

std::byte* place_of(const void* address) {
    return SimulatedCuda::place_of(address);
}

int current_gpu() {
    int device = -1;
    cudaGetDevice(&device);
    return device;
}

class CudaStripTest : public testing::Test {
  protected:
    ~CudaStripTest() override { expect_clean(cuda_); }

    SampleBatch batch_of(Layout layout, std::size_t most_records = 30) {
        const std::uint32_t most_capacity = random_() % 8 == 0 ? 3000 : 50;
        SampleBatch batch = SampleBatch::random(random_, 1 + random_() % 40,
                                                random_() % (most_records + 1), most_capacity);
        batch.layout = layout;
        batch.wide_offsets = random_() % 2 == 0;
        return batch;
    }
    // Four fields, none of which is empty.
    SampleBatch full_batch(Layout layout) {
        SampleBatch batch = SampleBatch::random(random_, 9, 5);
        batch.layout = layout;
        batch.set_lengths([](const SampleField& field) { return field.capacity; });
        return batch;
    }

    std::uint64_t seed_ = test_seed();
    testing::ScopedTrace trace_{__FILE__, __LINE__, seed_note(seed_)};
    std::mt19937_64 random_{seed_};
    SimulatedCuda cuda_{seed_, 2};
    std::shared_ptr<Backend> backend_ = Device::cuda(1).backend();
    cudaStream_t stream_ = cuda_.make_stream(1);
};

// On another GPU than the current one, on a stream and on that GPU's default stream.
TEST_F(CudaStripTest, WritesPayloadAndOffsets) {
    for (int round = 0; round < 60 && !HasFailure(); ++round) {
        for (const Layout layout : kLayouts) {
            SampleBatch batch = batch_of(layout);
            if (round % 10 == 0) batch.set_lengths([](const SampleField&) { return 0u; });
            StripRun run(batch, *backend_, place_of, random_() % 4 != 0);
            const cudaStream_t stream = random_() % 3 == 0 ? nullptr : stream_;
            run.strip({stream});
            EXPECT_EQ(current_gpu(), 0);
            cuda_.synchronize(stream, 1);
            run.expect_stripped();
        }
    }
}

TEST_F(CudaStripTest, LaunchesOneKernelForAllFields) {
    const SampleBatch batch = full_batch(Layout::rows);
    for (const bool wants_offsets : {true, false}) {
        StripRun run(batch, *backend_, place_of, wants_offsets);
        const std::uint64_t launches = cuda_.calls("launch_strip");
        const std::uint64_t copies = cuda_.calls("cudaMemcpyAsync");
        run.strip({stream_});
        EXPECT_EQ(cuda_.calls("launch_strip"), launches + 1);
        EXPECT_EQ(cuda_.calls("cudaMemcpyAsync"), copies + (wants_offsets ? 4 : 0));
        cuda_.synchronize(stream_, 1);
        run.expect_stripped();
    }
}

TEST_F(CudaStripTest, CopiesWhatIsPackedAlready) {
    const SampleBatch batch = full_batch(Layout::packed);
    StripRun run(batch, *backend_, place_of);
    run.strip({stream_});
    EXPECT_EQ(cuda_.calls("launch_strip"), 0u);
    EXPECT_EQ(cuda_.calls("cudaMemcpyAsync"), 4u + 4u);
    cuda_.synchronize(stream_, 1);
    run.expect_stripped();
}

// It takes no memory, makes nothing and waits for nothing, however long the stream is.
TEST_F(CudaStripTest, EnqueuesAndNothingElse) {
    const SampleBatch batch = full_batch(Layout::rows);
    StripRun run(batch, *backend_, place_of);
    const std::uint64_t before = cuda_.calls("");
    cuda_.simulator(1).hold(Simulator::Kind::work);
    run.strip({stream_});
    const std::uint64_t calls = cuda_.calls("") - before;
    EXPECT_EQ(cuda_.calls("cudaSetDevice"), 2u + cuda_.calls("cudaMalloc") * 2)
        << "there and back, as with each allocation";
    // Which GPU is current, there and back; how large it is; four copies and a launch.
    EXPECT_EQ(calls, 1u + 2u + 1u + 4u + 1u);
    cuda_.simulator(1).let_go(Simulator::Kind::work);
    cuda_.synchronize(stream_, 1);
    run.expect_stripped();
}

// Each of its calls, one after the other; what was enqueued before it still has its memory.
TEST_F(CudaStripTest, TellsWhichCallFails) {
    for (const Layout layout : kLayouts) {
        const SampleBatch batch = full_batch(layout);
        for (std::uint64_t call = 0;; ++call) {
            StripRun run(batch, *backend_, place_of);
            cuda_.fail_call("", call, cudaErrorLaunchOutOfResources);
            std::string text;
            try {
                run.strip({stream_});
            } catch (const DeviceError& error) {
                text = error.what();
            }
            cuda_.fail_call("", 0, cudaSuccess);
            const std::string failed = cuda_.failed_call();
            if (failed == "cudaSetDevice") cudaSetDevice(0);  // it could not come back
            EXPECT_EQ(current_gpu(), 0);
            EXPECT_EQ(cudaGetLastError(), cudaSuccess);
            cuda_.synchronize(stream_, 1);
            if (failed.empty()) {
                EXPECT_GT(call, 6u);
                break;
            }
            if (text.empty()) {
                EXPECT_EQ(failed, "cudaSetDevice") << "the way back, where nobody can be told";
                continue;
            }
            const bool is_launch = failed == "launch_strip";
            EXPECT_TRUE(contains(text, "device cuda:1: "));
            EXPECT_TRUE(
                contains(text, is_launch ? "kernel strip on the trainer's stream" : failed));
            EXPECT_TRUE(contains(text, "cudaErrorLaunchOutOfResources"));
        }
    }
}

}  // namespace
}  // namespace headrace::device
