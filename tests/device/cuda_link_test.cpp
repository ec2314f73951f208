// What the CUDA device finds out about its link at start-up, and what it makes of that.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>
#include <random>

#include "device/cuda/link_probe.hpp"
#include "device/cuda/owners.hpp"
#include "device/cuda_run.hpp"
#include "device/simulated_cuda.hpp"
#include "gtest/seed.hpp"

namespace headrace::device {
namespace {

// So slow that the ticks of the simulator's clock do not matter.
constexpr SimulatedCuda::Rates kRates{.copy_bytes_per_s = 55e3,
                                      .copy_s = 2.3,
                                      .entry_s = 1.2,
                                      .rows_bytes_per_s = 50e3,
                                      .row_s = 0.05,
                                      .gather_bytes_per_s = 45e3,
                                      .kernel_bytes_per_s = 150e3,
                                      .launch_s = 0.01};

class CudaLinkTest : public testing::Test {
  protected:
    ~CudaLinkTest() override { expect_clean(cuda_); }

    // Of records in one run, in rows for which a copy is not only what it costs to begin.
    SampleBatch wide_batch() {
        for (;;) {
            SampleBatch batch = SampleBatch::random(random_, 40, 30, 2000);
            for (std::uint32_t i = 0; i < batch.size(); ++i) batch.slots[i] = i;
            const bool is_wide =
                std::all_of(batch.fields.begin(), batch.fields.end(),
                            [](const SampleField& field) { return field.row_bytes >= 1024; });
            if (is_wide) return batch;
        }
    }
    // Calls that enqueue something, by name, while a batch is carried.
    std::map<std::string, std::uint64_t> calls_of(const SimulatedCuda::Rates& rates) {
        cuda_.set_rates(rates);
        SampleBatch batch = wide_batch();
        for (SampleField& field : batch.fields) {
            field.lengths.assign(batch.size(), field.capacity / 2 + 1);
        }
        CudaRun run(batch, Transfer::automatic, random_);
        constexpr std::array kNames{"cudaMemcpyAsync", "cudaMemcpy2DAsync", "cudaMemcpyBatchAsync",
                                    "launch_strip", "launch_gather"};
        std::map<std::string, std::uint64_t> calls;
        for (const char* const name : kNames) calls[name] = cuda_.calls(name);
        run.carry();
        run.expect_carried();
        for (const char* const name : kNames) calls[name] = cuda_.calls(name) - calls[name];
        return calls;
    }

    std::uint64_t seed_ = test_seed();
    testing::ScopedTrace trace_{__FILE__, __LINE__, seed_note(seed_)};
    std::mt19937_64 random_{seed_};
    SimulatedCuda cuda_{seed_};
};

TEST_F(CudaLinkTest, MeasuresWhatTheMachineTakes) {
    cuda_.set_rates(kRates);
    SampleBatch batch = SampleBatch::random(random_, 400, 1, 1000);
    while (batch.memory().size() < 1u << 20) batch = SampleBatch::random(random_, 400, 1, 1000);
    const cuda::PinnedRing ring(0, batch.memory());
    const cuda::Stream stream = cuda::make_stream(0);
    const LinkRates rates = cuda::measure_link(0, stream.get(), ring, 8);
    const auto near = [](double found, double wanted) {
        EXPECT_NEAR(found, wanted, 0.05 * wanted);
    };
    near(rates.copy_bytes_per_s, kRates.copy_bytes_per_s);
    near(rates.copy_s, kRates.copy_s);
    near(rates.entry_s, kRates.entry_s);
    near(rates.rows_bytes_per_s, kRates.rows_bytes_per_s);
    near(rates.row_s, kRates.row_s);
    near(rates.gather_bytes_per_s, kRates.gather_bytes_per_s);
    near(rates.strip_bytes_per_s, kRates.kernel_bytes_per_s);
    near(rates.launch_s, kRates.launch_s);
}

// The least that there can be: one page.
TEST_F(CudaLinkTest, MeasuresWithARingOfOnePage) {
    SampleBatch batch = SampleBatch::random(random_, 1, 1, 4);
    ASSERT_EQ(batch.memory().size(), 4096u);
    const cuda::PinnedRing ring(0, batch.memory());
    const cuda::Stream stream = cuda::make_stream(0);
    const LinkRates rates = cuda::measure_link(0, stream.get(), ring, 8);
    for (const double rate :
         {rates.copy_bytes_per_s, rates.copy_s, rates.entry_s, rates.rows_bytes_per_s, rates.row_s,
          rates.gather_bytes_per_s, rates.strip_bytes_per_s, rates.launch_s}) {
        EXPECT_GT(rate, 0);
    }
}

TEST_F(CudaLinkTest, WritesNothingIntoTheRingToMeasure) {
    SampleBatch batch = SampleBatch::random(random_, 40, 1, 100);
    const Bytes before(batch.memory().begin(), batch.memory().end());
    const cuda::PinnedRing ring(0, batch.memory());
    const cuda::Stream stream = cuda::make_stream(0);
    cuda::measure_link(0, stream.get(), ring, 8);
    EXPECT_EQ(Bytes(batch.memory().begin(), batch.memory().end()), before);
}

TEST_F(CudaLinkTest, CopiesRowsWhereTheCopyEngineIsQuick) {
    auto calls = calls_of({.copy_bytes_per_s = 1e9,
                           .copy_s = 1e-4,
                           .entry_s = 1,
                           .rows_bytes_per_s = 1,
                           .row_s = 1,
                           .gather_bytes_per_s = 1,
                           .kernel_bytes_per_s = 1e9,
                           .launch_s = 1e-4});
    EXPECT_EQ(calls["cudaMemcpyAsync"], 1u + 4u) << "the head, and four fields";
    EXPECT_EQ(calls["cudaMemcpy2DAsync"] + calls["cudaMemcpyBatchAsync"], 0u);
    EXPECT_EQ(calls["launch_strip"], 1u) << "all fields by one kernel";
    EXPECT_EQ(calls["launch_gather"], 0u);
}

TEST_F(CudaLinkTest, TrimsWhereCopiesByRowsAreQuick) {
    auto calls = calls_of({.copy_bytes_per_s = 1e6,
                           .copy_s = 1e-3,
                           .entry_s = 1,
                           .rows_bytes_per_s = 1e9,
                           .row_s = 1e-5,
                           .gather_bytes_per_s = 1,
                           .kernel_bytes_per_s = 1e9,
                           .launch_s = 1e-4});
    EXPECT_EQ(calls["cudaMemcpy2DAsync"], 4u);
    EXPECT_EQ(calls["cudaMemcpyAsync"], 1u) << "the head";
    EXPECT_EQ(calls["cudaMemcpyBatchAsync"], 0u);
    EXPECT_EQ(calls["launch_strip"], 1u);
}

TEST_F(CudaLinkTest, CopiesEachRecordWhereKernelsAreDear) {
    auto calls = calls_of({.copy_bytes_per_s = 1e9,
                           .copy_s = 1e-4,
                           .entry_s = 1e-5,
                           .rows_bytes_per_s = 1e3,
                           .row_s = 1,
                           .gather_bytes_per_s = 1e9,
                           .kernel_bytes_per_s = 1e9,
                           .launch_s = 10});
    EXPECT_EQ(calls["cudaMemcpyBatchAsync"], 1u) << "all fields at once";
    EXPECT_EQ(calls["cudaMemcpyAsync"], 1u) << "the head";
    EXPECT_EQ(calls["cudaMemcpy2DAsync"] + calls["launch_strip"] + calls["launch_gather"], 0u);
}

TEST_F(CudaLinkTest, GathersWhereCopiesAreDear) {
    auto calls = calls_of({.copy_bytes_per_s = 1e9,
                           .copy_s = 1,
                           .entry_s = 1,
                           .rows_bytes_per_s = 1e9,
                           .row_s = 1e-4,
                           .gather_bytes_per_s = 1e9,
                           .kernel_bytes_per_s = 1e9,
                           .launch_s = 1e-4});
    EXPECT_EQ(calls["launch_gather"], 1u);
    EXPECT_EQ(calls["cudaMemcpyAsync"], 1u) << "the head";
    EXPECT_EQ(calls["cudaMemcpy2DAsync"] + calls["cudaMemcpyBatchAsync"], 0u);
    EXPECT_EQ(calls["launch_strip"], 0u);
}

}  // namespace
}  // namespace headrace::device
