// The CUDA device on a real GPU, through the seam that the loader uses, against plain loops.
#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <string>

#include "device/backend.hpp"
#include "device/cuda/copy_stream.hpp"
#include "device/sample_batch.hpp"
#include "gpu/device_memory.hpp"
#include "gpu/gate.hpp"
#include "gtest/error_text.hpp"
#include "gtest/seed.hpp"
#include "headrace/device.hpp"
#include "headrace/error.hpp"

namespace headrace::device {
namespace {

constexpr std::byte kUntouched{0xcd};
constexpr Layout kLayouts[] = {Layout::packed, Layout::trimmed, Layout::padded, Layout::rows};
constexpr Transfer kTransfers[] = {Transfer::automatic, Transfer::copy, Transfer::trim,
                                   Transfer::direct, Transfer::gather};

// Memory that is registered already is refused a second time: a ring that cannot be pinned.
class Occupied {
  public:
    explicit Occupied(std::span<std::byte> memory) : memory_(memory) {
        check_cuda(cudaHostRegister(memory.data(), memory.size(), cudaHostRegisterPortable),
                   "cudaHostRegister");
    }
    Occupied(const Occupied&) = delete;
    Occupied& operator=(const Occupied&) = delete;
    ~Occupied() { cudaHostUnregister(memory_.data()); }

  private:
    std::span<std::byte> memory_;
};

class BackendGpuTest : public testing::Test {
  protected:
    void SetUp() override {
        if (const std::string reason = no_gpu(); !reason.empty()) GTEST_SKIP() << reason;
        backend_ = Device::cuda(0).backend();
    }
    void TearDown() override {
        if (backend_) {
            EXPECT_EQ(cudaGetLastError(), cudaSuccess) << "left behind for the trainer";
        }
    }

    static Bytes bytes_of(const std::byte* memory, std::size_t bytes) {
        Bytes copy(bytes);
        if (bytes == 0) return copy;
        check_cuda(cudaMemcpy(copy.data(), memory, bytes, cudaMemcpyDeviceToHost),
                   "cudaMemcpy to the host");
        return copy;
    }
    static void fill(const Buffer& buffer, std::size_t bytes) {
        check_cuda(cudaMemset(buffer.data(), std::to_integer<int>(kUntouched), bytes),
                   "cudaMemset");
        check_cuda(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
    }

    // Has the GPU carry the batch, and compares every byte of the largest one that there could be:
    // also that nothing is written behind the end.
    void expect_carried_by(SampleBatch& batch, Transfer transfer) {
        SCOPED_TRACE(std::string(name_of(transfer)) + ", " + std::string(name_of(batch.layout)) +
                     (batch.wide_offsets ? ", int64 offsets" : ""));
        const auto registration = backend_->register_host(batch.memory());
        const auto values = backend_->allocate(batch.values_bytes());
        const auto head = backend_->allocate(batch.head_bytes());
        const auto host_head = backend_->allocate_host(batch.head_bytes());
        fill(*values, batch.values_bytes());
        batch.write_head(host_head->data());
        const auto moved = backend_->make_event();
        const auto filled = backend_->make_event();
        const auto stream = backend_->make_copy_stream(batch.form(transfer), registration.get());
        const std::uint64_t bytes = stream->enqueue(
            batch.plan(host_head->data()), batch.target(head->data(), values->data()), *moved);
        stream->record(*filled);
        backend_->synchronize(*filled);
        Bytes found = bytes_of(values->data(), batch.values_bytes());
        clear(found, batch.any_bytes());
        EXPECT_EQ(found, batch.expected_values(kUntouched));
        EXPECT_EQ(bytes_of(head->data(), batch.head_bytes()),
                  Bytes(host_head->data(), host_head->data() + batch.head_bytes()));
        const bool payload_alone = transfer == Transfer::direct || transfer == Transfer::gather ||
                                   !registration->refusal().empty();
        if (payload_alone) {
            EXPECT_EQ(bytes, batch.head_bytes() + batch.payload_bytes());
        }
        EXPECT_GE(backend_->seconds_between(*moved, *filled).value(), 0.0);
    }
    void expect_carried(SampleBatch batch) {
        for (const Transfer transfer : kTransfers) {
            for (const Layout layout : kLayouts) {
                for (const bool wide : {false, true}) {
                    batch.layout = layout;
                    batch.wide_offsets = wide;
                    expect_carried_by(batch, transfer);
                    if (HasFailure()) return;
                }
            }
        }
    }

    std::uint64_t seed_ = test_seed();
    testing::ScopedTrace seed_trace_{__FILE__, __LINE__, seed_note(seed_)};
    std::mt19937_64 random_{seed_};
    std::shared_ptr<Backend> backend_;
};

TEST_F(BackendGpuTest, CarriesAnEmptyBatch) {
    expect_carried(SampleBatch::random(random_, 4, 0));
}

TEST_F(BackendGpuTest, CarriesRecordsOfLengthZero) {
    SampleBatch batch = SampleBatch::random(random_, 4, 3);
    batch.set_lengths([](const SampleField&) { return 0u; });
    expect_carried(std::move(batch));
}

TEST_F(BackendGpuTest, CarriesFullRecords) {
    SampleBatch batch = SampleBatch::random(random_, 40, 30);
    batch.set_lengths([](const SampleField& field) { return field.capacity; });
    expect_carried(std::move(batch));
}

TEST_F(BackendGpuTest, CarriesOneRecord) {
    expect_carried(SampleBatch::random(random_, 1, 1));
}

TEST_F(BackendGpuTest, CarriesRandomRecords) {
    for (int round = 0; round < 8 && !HasFailure(); ++round) {
        const std::size_t slots = 1 + random_() % 40;
        expect_carried(SampleBatch::random(random_, slots, random_() % 30));
    }
}

TEST_F(BackendGpuTest, CarriesManySmallRecords) {
    expect_carried(SampleBatch::random(random_, 5'000, 4'000, 20));
}

TEST_F(BackendGpuTest, CarriesLargeRecords) {
    expect_carried(SampleBatch::random(random_, 12, 10, 100'000));
}

TEST_F(BackendGpuTest, CarriesBatchesOutOfMemoryThatCannotBePinned) {
    SampleBatch batch = SampleBatch::random(random_, 40, 30, 2'000);
    const Occupied occupied(batch.memory());
    ASSERT_NE(backend_->register_host(batch.memory())->refusal(), "");
    EXPECT_EQ(cudaPeekAtLastError(), cudaSuccess) << "a refusal leaves nothing behind";
    expect_carried(std::move(batch));
}

TEST_F(BackendGpuTest, BeginsACopyWhenTheEventThatItWaitsForIsComplete) {
    SampleBatch batch = SampleBatch::random(random_, 8, 6);
    const auto registration = backend_->register_host(batch.memory());
    const auto values = backend_->allocate(batch.values_bytes());
    const auto head = backend_->allocate(batch.head_bytes());
    const auto host_head = backend_->allocate_host(batch.head_bytes());
    batch.write_head(host_head->data());
    fill(*values, batch.values_bytes());
    const auto used = backend_->make_event();
    const auto moved = backend_->make_event();
    const auto filled = backend_->make_event();
    const auto stream = backend_->make_copy_stream(batch.form(Transfer::copy), registration.get());
    const OwnedStream trainer = make_stream();
    {
        Gate gate;
        gate.hold(trainer.get());
        backend_->record(*used, trainer.get());
        stream->wait(*used);
        stream->enqueue(batch.plan(host_head->data()), batch.target(head->data(), values->data()),
                        *moved);
        stream->record(*filled);
        backend_->wait(trainer.get(), *filled);
        EXPECT_EQ(cudaEventQuery(cuda::event_of(*moved)), cudaErrorNotReady);
    }
    cudaGetLastError();  // cudaErrorNotReady counts as one
    backend_->synchronize(*filled);
    EXPECT_EQ(bytes_of(values->data(), batch.values_bytes()), batch.expected_values(kUntouched));
}

TEST_F(BackendGpuTest, CompletesAnEventThatWasNeverRecorded) {
    const auto event = backend_->make_event();
    backend_->synchronize(*event);
    backend_->wait(StreamRef(), *event);
    const OwnedStream trainer = make_stream();
    backend_->wait(trainer.get(), *event);
    check_cuda(cudaStreamSynchronize(trainer.get()), "cudaStreamSynchronize");
}

TEST_F(BackendGpuTest, TellsTheOrderOfEventsByTheirTimes) {
    const auto first = backend_->make_event();
    const auto second = backend_->make_event();
    const OwnedStream trainer = make_stream();
    backend_->record(*first, trainer.get());
    backend_->record(*second, trainer.get());
    backend_->synchronize(*second);
    const double between = backend_->seconds_between(*first, *second).value();
    EXPECT_GE(between, 0.0);
    EXPECT_LE(backend_->seconds_between(*second, *first).value(), 0.0);
}

TEST_F(BackendGpuTest, AlignsBuffersTo256Bytes) {
    for (const std::size_t bytes : {0u, 1u, 255u, 256u, 257u, 100'000u}) {
        for (const auto& buffer : {backend_->allocate(bytes), backend_->allocate_host(bytes)}) {
            ASSERT_NE(buffer->data(), nullptr);
            EXPECT_EQ(reinterpret_cast<std::uintptr_t>(buffer->data()) % 256, 0u) << bytes;
        }
    }
}

TEST_F(BackendGpuTest, NamesWhatWasRefusedWhenMemoryIsShort) {
    const std::string text =
        error_text<DeviceError>([&] { backend_->allocate(std::size_t{1} << 60); });
    EXPECT_TRUE(contains(text, "device cuda:0: cudaMalloc of 1152921504606846976 bytes"));
    EXPECT_TRUE(contains(text, "cudaErrorMemoryAllocation"));
}

TEST_F(BackendGpuTest, RefusesAGpuThatIsNotThere) {
    EXPECT_THROW(Device::cuda(999), DeviceError);
    EXPECT_THROW(Device::cuda("GPU-00000000-0000-0000-0000-000000000000"), DeviceError);
}

}  // namespace
}  // namespace headrace::device
