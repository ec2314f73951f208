#include "headrace/device.hpp"

#include <gtest/gtest.h>

#include "device/backend.hpp"
#include "gtest/error_text.hpp"
#include "headrace/error.hpp"

namespace headrace {
namespace {

TEST(DeviceTest, IsKnownByItsName) {
    EXPECT_EQ(Device::host().name(), "host");
    EXPECT_EQ(Device::parse("host").name(), "host");
    EXPECT_EQ(Device::parse("host").backend()->name(), "host");
    EXPECT_EQ(Device::parse("best").name(), Device::best().name());
    EXPECT_EQ(Device::host().cuda_ordinal(), std::nullopt);
}

TEST(DeviceTest, NamesWhatItFoundAndWhatItWanted) {
    for (const char* const text :
         {"", "Host", "tpu:0", "host ", "cuda:", "cuda:-1", "cuda:1x", "cuda 1"}) {
        const std::string error = error_text<UsageError>([&] { Device::parse(text); });
        EXPECT_TRUE(contains(error, "device \"" + std::string(text) + "\", wanted"));
        EXPECT_TRUE(contains(error, "host"));
    }
}

// What a machine without a GPU, or a build without CUDA, says of one; with a GPU it is there.
TEST(DeviceTest, TellsWhyThereIsNoSuchGpu) {
    EXPECT_TRUE(contains(error_text<Error>([&] { Device::cuda(4'711); }), "device cuda:4711: "));
    EXPECT_TRUE(contains(error_text<Error>([&] { Device::cuda("GPU-none-such"); }),
                         "device cuda:GPU-none-such: "));
    EXPECT_THROW(Device::parse("cuda:4711"), Error);
    EXPECT_THROW(Device::parse("cuda:GPU-none-such"), Error);
    if (!Device::has_cuda()) {
        EXPECT_TRUE(contains(error_text<UsageError>([&] { Device::cuda(0); }), "has no CUDA"));
        EXPECT_EQ(Device::best().name(), "host");
    }
}

TEST(DeviceTest, HoldsTheBackendThatItIsGiven) {
    const auto backend = device::make_host_backend();
    const Device device = Device::custom(backend);
    EXPECT_EQ(device.backend(), backend);
    EXPECT_EQ(Device(device).backend(), backend) << "copies are the same device";
    EXPECT_THROW(Device::custom(nullptr), UsageError);
}

}  // namespace
}  // namespace headrace
