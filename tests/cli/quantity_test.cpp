#include "cli/quantity.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>

namespace headrace::cli {
namespace {

TEST(QuantityTest, GroupsDigitsByThree) {
    EXPECT_EQ(count_text(0), "0");
    EXPECT_EQ(count_text(999), "999");
    EXPECT_EQ(count_text(1000), "1,000");
    EXPECT_EQ(count_text(1234567), "1,234,567");
    EXPECT_EQ(count_text(std::numeric_limits<std::uint64_t>::max()), "18,446,744,073,709,551,615");
}

TEST(QuantityTest, KeepsThreeDigitsOfARate) {
    EXPECT_EQ(si_text(0), "0");
    EXPECT_EQ(si_text(-1), "0");
    EXPECT_EQ(si_text(std::numeric_limits<double>::quiet_NaN()), "0");
    EXPECT_EQ(si_text(0.125), "0.12");
    EXPECT_EQ(si_text(7), "7");
    EXPECT_EQ(si_text(12.34), "12.3");
    EXPECT_EQ(si_text(999), "999");
    EXPECT_EQ(si_text(999.6), "1.00 k");
    EXPECT_EQ(si_text(13'900'000), "13.9 M");
    EXPECT_EQ(si_text(1e21), "1000 E");
}

TEST(QuantityTest, SaysBytesAndTimes) {
    EXPECT_EQ(bytes_text(512), "512 B");
    EXPECT_EQ(bytes_text(1.5e9), "1.50 GB");
    EXPECT_EQ(seconds_text(0), "0 s");
    EXPECT_EQ(seconds_text(0.00003), "30 us");
    EXPECT_EQ(seconds_text(0.0034), "3.4 ms");
    EXPECT_EQ(seconds_text(12.34), "12.3 s");
    EXPECT_EQ(seconds_text(243), "4 min 03 s");
    EXPECT_EQ(seconds_text(7500), "2 h 05 min");
}

TEST(QuantityTest, SaysSharesWithoutRoundingSomethingToNothing) {
    EXPECT_EQ(share_text(1, 0), "-");
    EXPECT_EQ(share_text(0, 10), "0 %");
    EXPECT_EQ(share_text(0.01, 10), "< 1 %");
    EXPECT_EQ(share_text(3.1, 10), "31 %");
    EXPECT_EQ(share_text(11, 10), "100 %");
}

}  // namespace
}  // namespace headrace::cli
