// Finding GPUs by number and by UUID, and what is said when there are none.
#include <gtest/gtest.h>

#include "device/cuda_run.hpp"
#include "device/simulated_cuda.hpp"
#include "gtest/error_text.hpp"
#include "headrace/device.hpp"
#include "headrace/error.hpp"

namespace headrace {
namespace {

constexpr std::array<unsigned char, 16> kUuid{0x5c, 0x2f, 0x0d, 0x1e, 0xab, 0xcd, 0xef, 0x01,
                                              0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0xff};
constexpr const char* kText = "GPU-5c2f0d1e-abcd-ef01-2345-6789abcdefff";

TEST(CudaDiscoveryTest, FindsGpusByNumber) {
    const SimulatedCuda cuda(0, 2);
    EXPECT_TRUE(Device::has_cuda());
    EXPECT_EQ(Device::best().name(), "cuda:0");
    EXPECT_EQ(Device::cuda().name(), "cuda:0");
    EXPECT_EQ(Device::cuda(1).name(), "cuda:1");
    EXPECT_EQ(Device::parse("cuda").name(), "cuda:0");
    EXPECT_EQ(Device::parse("cuda:1").name(), "cuda:1");
    EXPECT_EQ(Device::parse("best").name(), "cuda:0");
    EXPECT_EQ(Device::cuda(1).backend()->name(), "cuda:1");
    EXPECT_EQ(Device::best().cuda_ordinal(), 0);
    EXPECT_EQ(Device::parse("cuda:1").cuda_ordinal(), 1);
    EXPECT_EQ(Device::custom(Device::cuda(1).backend()).cuda_ordinal(), 1);
    for (const int wrong : {2, -1}) {
        EXPECT_EQ(error_text<DeviceError>([&] { Device::cuda(wrong); }),
                  "device cuda:" + std::to_string(wrong) +
                      ": there are 2 GPUs, wanted a number from 0 to 1");
    }
    EXPECT_EQ(cuda.contexts(), std::set<int>{}) << "asking takes no memory on any of them";
    device::expect_clean(cuda);
}

TEST(CudaDiscoveryTest, FindsGpusByUuid) {
    SimulatedCuda cuda(0, 3);
    cuda.set_uuid(1, kUuid);
    EXPECT_EQ(Device::cuda(kText).name(), "cuda:1");
    EXPECT_EQ(Device::cuda("GPU-5c2f").name(), "cuda:1") << "the beginning is enough";
    EXPECT_EQ(Device::parse("cuda:" + std::string(kText)).name(), "cuda:1");
    EXPECT_EQ(cuda.contexts(), std::set<int>{});
    device::expect_clean(cuda);
}

TEST(CudaDiscoveryTest, SaysWhichUuidsThereAre) {
    SimulatedCuda cuda(0, 2);
    cuda.set_uuid(1, kUuid);
    EXPECT_EQ(error_text<DeviceError>([] { Device::cuda("GPU-77"); }),
              "device cuda:GPU-77: no GPU has this UUID; there are: "
              "GPU-00010203-0405-0607-0809-0a0b0c0d0e0f, " +
                  std::string(kText));
    std::array<unsigned char, 16> other = kUuid;
    other.back() = 0;
    cuda.set_uuid(0, other);
    EXPECT_TRUE(contains(error_text<DeviceError>([] { Device::cuda("GPU-5c2f0d1e"); }),
                         "device cuda:GPU-5c2f0d1e: more than one GPU begins so; there are: "));
    device::expect_clean(cuda);
}

TEST(CudaDiscoveryTest, FallsBackToTheHostWhereThereIsNoGpu) {
    const SimulatedCuda cuda(0, 0);
    EXPECT_EQ(Device::best().name(), "host");
    EXPECT_TRUE(contains(error_text<DeviceError>([] { Device::cuda(0); }),
                         "device cuda:0: no GPU can be used: cudaErrorNoDevice (no CUDA-capable "
                         "device is detected); look at nvidia-smi and CUDA_VISIBLE_DEVICES, or "
                         "use the device host"));
    EXPECT_EQ(cudaGetLastError(), cudaSuccess);
}

TEST(CudaDiscoveryTest, FallsBackToTheHostWhereThereIsNoDriver) {
    EXPECT_EQ(Device::best().name(), "host");
    for (const char* const text : {"cuda:0", "cuda:GPU-5c2f", "cuda"}) {
        EXPECT_TRUE(contains(error_text<DeviceError>([&] { Device::parse(text); }),
                             "no GPU can be used: cudaErrorInsufficientDriver"));
    }
    EXPECT_EQ(cudaGetLastError(), cudaSuccess);
}

TEST(CudaDiscoveryTest, TellsAnErrorOfAsking) {
    SimulatedCuda cuda(0, 1);
    cuda.fail_call("cudaGetDeviceProperties", 0, cudaErrorInvalidDevice);
    EXPECT_TRUE(contains(error_text<DeviceError>([] { Device::cuda("GPU-"); }),
                         "device cuda:0: cudaGetDeviceProperties: cudaErrorInvalidDevice"));
    device::expect_clean(cuda);
}

}  // namespace
}  // namespace headrace
