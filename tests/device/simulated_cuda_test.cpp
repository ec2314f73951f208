// The simulated CUDA runtime notices what CUDA forbids, and what only happens to work.
#include "device/simulated_cuda.hpp"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cstring>
#include <string>
#include <vector>

#include "gtest/error_text.hpp"
#include "gtest/seed.hpp"

namespace headrace {
namespace {

constexpr std::size_t kPage = 4096;

class SimulatedCudaTest : public testing::Test {
  protected:
    SimulatedCudaTest() {
        cudaStreamCreateWithPriority(&stream_, cudaStreamNonBlocking, -5);
        cudaEventCreateWithFlags(&event_, cudaEventBlockingSync);
        cudaMalloc(&on_device_, kPage);
        cudaHostRegister(pages_, kPage, cudaHostRegisterPortable | cudaHostRegisterMapped);
        cudaHostRegister(pages_ + kPage, kPage, cudaHostRegisterPortable | cudaHostRegisterMapped);
    }
    ~SimulatedCudaTest() override {
        cuda_.simulator().let_go(Simulator::Kind::copy);
        cudaStreamSynchronize(stream_);
        munmap(pages_, 3 * kPage);
    }

    std::byte* device(std::size_t at = 0) { return static_cast<std::byte*>(on_device_) + at; }
    cudaError_t copy(void* to, const void* from, std::size_t bytes) {
        return cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, stream_);
    }
    // That many mistakes, of which the last one says this.
    void expect_mistakes(std::size_t number, const std::string& text) {
        const std::vector<std::string> mistakes = cuda_.mistakes();
        ASSERT_EQ(mistakes.size(), number);
        EXPECT_TRUE(contains(mistakes.back(), text));
    }

    const std::uint64_t seed_ = test_seed();
    testing::ScopedTrace trace_{__FILE__, __LINE__, seed_note(seed_)};
    SimulatedCuda cuda_{seed_, 2};
    std::byte* pages_ = static_cast<std::byte*>(
        mmap(nullptr, 3 * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    cudaStream_t stream_ = nullptr;
    cudaEvent_t event_ = nullptr;
    void* on_device_ = nullptr;
};

TEST_F(SimulatedCudaTest, CopiesWhatIsPinned) {
    std::memset(pages_, 7, kPage);
    EXPECT_EQ(copy(device(), pages_, kPage), cudaSuccess);
    EXPECT_EQ(cudaStreamSynchronize(stream_), cudaSuccess);
    EXPECT_EQ(std::memcmp(SimulatedCuda::place_of(on_device_), pages_, kPage), 0);
    EXPECT_EQ(cuda_.mistakes(), std::vector<std::string>{});
    EXPECT_EQ(copy(device(), pages_, 0), cudaSuccess);
    EXPECT_EQ(copy(nullptr, nullptr, 0), cudaSuccess);
    EXPECT_EQ(cuda_.leftovers(), "3 blocks of memory, 1 streams and 1 events");
}

TEST_F(SimulatedCudaTest, DiesOfTheHostsHandInDeviceMemory) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_DEATH(std::memset(on_device_, 0, 1), "");
    void* mapped = nullptr;
    ASSERT_EQ(cudaHostGetDevicePointer(&mapped, pages_, 0), cudaSuccess);
    EXPECT_NE(mapped, pages_);
    EXPECT_DEATH(std::memset(mapped, 0, 1), "");
}

TEST_F(SimulatedCudaTest, NoticesMemoryThatIsNotInOneBlock) {
    std::byte ordinary[16] = {};
    EXPECT_EQ(copy(device(), ordinary, 16), cudaErrorInvalidValue);
    expect_mistakes(1, "16 bytes of the host that are not in one pinned block");
    EXPECT_EQ(copy(device(), pages_ + kPage - 8, 16), cudaErrorInvalidValue);
    expect_mistakes(2, "16 bytes of the host that are not in one pinned block");
    EXPECT_EQ(copy(device(), pages_ + 2 * kPage, 16), cudaErrorInvalidValue);
    expect_mistakes(3, "not in one pinned block");
    EXPECT_EQ(copy(device(kPage - 8), pages_, 16), cudaErrorInvalidValue);
    expect_mistakes(4, "16 bytes that are not in one allocation of GPU 0");
    EXPECT_EQ(copy(SimulatedCuda::place_of(on_device_), pages_, 16), cudaErrorInvalidValue);
    expect_mistakes(5, "not in one allocation of GPU 0");
    EXPECT_EQ(cudaGetLastError(), cudaErrorInvalidValue);
    EXPECT_EQ(cudaGetLastError(), cudaSuccess);
}

TEST_F(SimulatedCudaTest, NoticesRowsThatOverlap) {
    const auto copy_rows = [&](std::size_t to_pitch, std::size_t from_pitch, std::size_t width,
                               std::size_t rows) {
        return cudaMemcpy2DAsync(on_device_, to_pitch, pages_, from_pitch, width, rows,
                                 cudaMemcpyHostToDevice, stream_);
    };
    EXPECT_EQ(copy_rows(16, 32, 16, 4), cudaSuccess);
    EXPECT_EQ(copy_rows(kPage / 4, kPage / 4, kPage / 4, 4), cudaSuccess) << "to the last byte";
    EXPECT_EQ(copy_rows(8, 32, 16, 4), cudaErrorInvalidValue);
    EXPECT_EQ(copy_rows(32, 8, 16, 4), cudaErrorInvalidValue);
    EXPECT_EQ(copy_rows(32, 32, 0, 4), cudaErrorInvalidValue);
    expect_mistakes(3, "nothing to copy, or pitches that cannot be");
    EXPECT_EQ(copy_rows(16, kPage / 4, 16, 5), cudaErrorInvalidValue);
    expect_mistakes(4, "not in one pinned block");
}

TEST_F(SimulatedCudaTest, NoticesBatchesOfCopiesThatCannotBe) {
    void* to[] = {device(), device(64)};
    const void* from[] = {pages_, pages_ + 64};
    std::size_t bytes[] = {64, 64};
    cudaMemcpyAttributes attributes{};
    attributes.srcAccessOrder = cudaMemcpySrcAccessOrderStream;
    std::size_t first = 0;
    const auto copy_all = [&](cudaStream_t stream) {
#if CUDART_VERSION >= 13000
        return cudaMemcpyBatchAsync(to, from, bytes, 2, &attributes, &first, 1, stream);
#else
        return cudaMemcpyBatchAsync(to, const_cast<void**>(from), bytes, 2, &attributes, &first, 1,
                                    nullptr, stream);
#endif
    };
    EXPECT_EQ(copy_all(stream_), cudaSuccess);
    EXPECT_EQ(copy_all(nullptr), cudaErrorInvalidValue);
    bytes[1] = 0;
    EXPECT_EQ(copy_all(stream_), cudaErrorInvalidValue);
    bytes[1] = 64;
    first = 1;
    EXPECT_EQ(copy_all(stream_), cudaErrorInvalidValue);
    first = 0;
    attributes.srcAccessOrder = cudaMemcpySrcAccessOrderAny;
    EXPECT_EQ(copy_all(stream_), cudaErrorInvalidValue);
    expect_mistakes(4, "the default stream, no size, or wrong attributes");
    attributes.srcAccessOrder = cudaMemcpySrcAccessOrderStream;
    to[1] = device(32);
    EXPECT_EQ(copy_all(stream_), cudaErrorInvalidValue);
    expect_mistakes(5, "two copies of a batch write the same place");
}

TEST_F(SimulatedCudaTest, NoticesStreamsAndEventsOfAnotherGpu) {
    cudaSetDevice(1);
    EXPECT_EQ(copy(device(), pages_, 16), cudaErrorInvalidResourceHandle);
    expect_mistakes(1, "a stream of GPU 0 while GPU 1 is current");
    EXPECT_EQ(cudaEventRecord(event_, nullptr), cudaErrorInvalidResourceHandle);
    expect_mistakes(2, "an event recorded on a stream of another GPU");
    EXPECT_EQ(cudaStreamWaitEvent(nullptr, event_, 0), cudaErrorInvalidResourceHandle);
    expect_mistakes(3, "a stream that waits for an event of another GPU");
    EXPECT_EQ(cudaMemcpyAsync(on_device_, pages_, 16, cudaMemcpyHostToDevice, nullptr),
              cudaErrorInvalidValue);
    expect_mistakes(4, "not in one allocation of GPU 1");
    EXPECT_EQ(cudaEventRecord(event_, stream_), cudaSuccess) << "they know their GPU";
    EXPECT_EQ(cudaStreamWaitEvent(stream_, event_, 0), cudaSuccess);
    EXPECT_EQ(cudaEventRecord(event_, cudaStreamPerThread), cudaErrorInvalidResourceHandle);
    expect_mistakes(5, "the default stream of a thread");
    EXPECT_EQ(cuda_.contexts(), (std::set<int>{0, 1}));
}

TEST_F(SimulatedCudaTest, NoticesMemoryThatGoesBeforeItsCopies) {
    cuda_.simulator().hold(Simulator::Kind::copy);
    EXPECT_EQ(copy(device(), pages_, kPage), cudaSuccess);
    EXPECT_EQ(cudaHostUnregister(pages_), cudaSuccess);
    expect_mistakes(1, "unregistered that a pending operation touches");
    EXPECT_EQ(cudaFree(on_device_), cudaSuccess);
    expect_mistakes(2, "unregistered that a pending operation touches");
    EXPECT_TRUE(contains(cuda_.mistakes()[0], "1 blocks freed that a pending operation touches"));
}

TEST_F(SimulatedCudaTest, NoticesMemoryThatIsUnmappedBeforeItIsUnregistered) {
    munmap(pages_ + kPage, kPage);
    EXPECT_EQ(cudaHostUnregister(pages_), cudaSuccess);
    EXPECT_EQ(cuda_.mistakes(), std::vector<std::string>{});
    EXPECT_EQ(cudaHostUnregister(pages_ + kPage), cudaSuccess);
    expect_mistakes(1, "memory unregistered that is mapped no more");
    EXPECT_EQ(cudaHostUnregister(pages_), cudaErrorHostMemoryNotRegistered);
    expect_mistakes(2, "memory unregistered that is not registered");
}

TEST_F(SimulatedCudaTest, RefusesToRegisterTwice) {
    EXPECT_EQ(cudaHostRegister(pages_, 3 * kPage, 0), cudaErrorHostMemoryAlreadyRegistered);
    cuda_.refuse_registration_above(kPage - 1);
    EXPECT_EQ(cudaHostRegister(pages_ + 2 * kPage, kPage, 0), cudaErrorMemoryAllocation);
}

TEST_F(SimulatedCudaTest, TellsNoTimeThatThereIsNot) {
    float milliseconds = 0;
    EXPECT_EQ(cudaEventElapsedTime(&milliseconds, event_, event_), cudaErrorInvalidResourceHandle);
    expect_mistakes(1, "a time between events of which one was never recorded");
    cuda_.simulator().hold(Simulator::Kind::copy);
    copy(device(), pages_, 16);
    cudaEventRecord(event_, stream_);
    EXPECT_EQ(cudaEventElapsedTime(&milliseconds, event_, event_), cudaErrorNotReady);
    cuda_.simulator().let_go(Simulator::Kind::copy);
    EXPECT_EQ(cudaEventSynchronize(event_), cudaSuccess);
    EXPECT_EQ(cudaEventElapsedTime(&milliseconds, event_, event_), cudaSuccess);
}

TEST_F(SimulatedCudaTest, TellsWhetherAnEventIsComplete) {
    EXPECT_EQ(cudaEventQuery(event_), cudaSuccess) << "never recorded";
    cuda_.simulator().hold(Simulator::Kind::copy);
    copy(device(), pages_, 16);
    cudaEventRecord(event_, stream_);
    EXPECT_EQ(cudaEventQuery(event_), cudaErrorNotReady);
    EXPECT_EQ(cudaGetLastError(), cudaErrorNotReady) << "this, too, stays behind";
    cuda_.simulator().let_go(Simulator::Kind::copy);
    cudaEventSynchronize(event_);
    EXPECT_EQ(cudaEventQuery(event_), cudaSuccess);
}

TEST_F(SimulatedCudaTest, NoticesWhatDisturbsTheCaptureOfAGraph) {
    const cudaStream_t captured = cuda_.make_stream();
    cuda_.capture(captured, true);
    cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
    EXPECT_EQ(cudaStreamIsCapturing(captured, &status), cudaSuccess);
    EXPECT_EQ(status, cudaStreamCaptureStatusActive);
    EXPECT_EQ(cudaStreamIsCapturing(stream_, &status), cudaSuccess);
    EXPECT_EQ(status, cudaStreamCaptureStatusNone);
    EXPECT_EQ(cudaStreamIsCapturing(nullptr, &status), cudaErrorStreamCaptureImplicit);
    EXPECT_EQ(cudaEventRecord(event_, captured), cudaErrorStreamCaptureUnsupported);
    expect_mistakes(1, "work on a stream that is captured");
    EXPECT_EQ(cudaEventQuery(event_), cudaErrorStreamCaptureUnsupported);
    expect_mistakes(2, "cudaEventQuery while a graph is captured");
    cudaStreamCaptureMode mode = cudaStreamCaptureModeRelaxed;
    EXPECT_EQ(cudaThreadExchangeStreamCaptureMode(&mode), cudaSuccess);
    EXPECT_EQ(mode, cudaStreamCaptureModeGlobal);
    EXPECT_EQ(cudaEventQuery(event_), cudaSuccess) << "this thread does not mind";
    cuda_.capture(captured, false);
    cudaThreadExchangeStreamCaptureMode(&mode);
    EXPECT_EQ(cudaEventQuery(event_), cudaSuccess);
    expect_mistakes(2, "cudaEventQuery while a graph is captured");
}

TEST_F(SimulatedCudaTest, FailsTheCallThatWasAskedFor) {
    cuda_.fail_call("cudaEventRecord", 1, cudaErrorMemoryAllocation);
    EXPECT_EQ(copy(device(), pages_, 16), cudaSuccess);
    EXPECT_EQ(cudaEventRecord(event_, stream_), cudaSuccess);
    EXPECT_EQ(cudaEventRecord(event_, stream_), cudaErrorMemoryAllocation);
    EXPECT_EQ(cudaEventRecord(event_, stream_), cudaSuccess) << "once";
    EXPECT_EQ(cuda_.failed_call(), "cudaEventRecord");
    EXPECT_EQ(cuda_.calls("cudaEventRecord"), 3u);
    EXPECT_EQ(cudaGetLastError(), cudaErrorMemoryAllocation);
    EXPECT_EQ(cudaGetLastError(), cudaSuccess);
}

TEST_F(SimulatedCudaTest, StaysLostOnceAnOperationHasFailed) {
    cuda_.fail_operation(0, 1, cudaErrorIllegalAddress);
    std::memset(pages_, 7, kPage);
    EXPECT_EQ(copy(device(), pages_, 16), cudaSuccess);
    EXPECT_EQ(copy(device(16), pages_, 16), cudaSuccess) << "the call does not know yet";
    EXPECT_EQ(cudaStreamSynchronize(stream_), cudaErrorIllegalAddress);
    EXPECT_EQ(cudaEventRecord(event_, stream_), cudaErrorIllegalAddress);
    EXPECT_EQ(cudaGetLastError(), cudaErrorIllegalAddress);
    EXPECT_EQ(cudaGetLastError(), cudaErrorIllegalAddress);
    const std::byte* const place = SimulatedCuda::place_of(on_device_);
    EXPECT_EQ(place[15], std::byte{7});
    EXPECT_NE(place[16], std::byte{7});
    cudaSetDevice(1);
    EXPECT_EQ(cudaGetLastError(), cudaSuccess) << "the other GPU works";
    EXPECT_EQ(cudaFree(on_device_), cudaSuccess);
}

}  // namespace
}  // namespace headrace
