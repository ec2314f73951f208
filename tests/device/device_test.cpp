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
}

TEST(DeviceTest, NamesWhatItFoundAndWhatItWanted) {
    for (const char* const text : {"", "Host", "tpu:0", "host "}) {
        const std::string error = error_text<UsageError>([&] { Device::parse(text); });
        EXPECT_TRUE(contains(error, "device \"" + std::string(text) + "\", wanted"));
        EXPECT_TRUE(contains(error, "host"));
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
