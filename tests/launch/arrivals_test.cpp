#include "launch/arrivals.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <string>

#include "headrace/ring.hpp"

namespace {

using samples::Arrivals;
using samples::Progress;

headrace::Ring make_ring() {
    headrace::RingOptions options;
    options.name = "arrivals-" + std::to_string(getpid());
    options.schema = {{"x", headrace::f32, 1}};
    options.slots = 2;
    return headrace::Ring::create(options);
}

// What is said at two looks.
std::string said(const headrace::Ring& ring, std::chrono::milliseconds patience) {
    Progress progress("program", true);
    testing::internal::CaptureStderr();
    Arrivals arrivals("start one", progress, patience);
    arrivals.look(ring);
    arrivals.look(ring);
    return testing::internal::GetCapturedStderr();
}

TEST(ArrivalsTest, SayOnceThatNobodyHasCome) {
    const headrace::Ring ring = make_ring();
    EXPECT_EQ(said(ring, std::chrono::milliseconds(0)),
              "program: no producer has come within 0 s, waiting on; start one\n");
}

TEST(ArrivalsTest, WaitInSilenceFirst) {
    EXPECT_EQ(said(make_ring(), std::chrono::hours(1)), "");
}

TEST(ArrivalsTest, SayNothingWhenSomebodyCame) {
    headrace::Ring ring = make_ring();
    { const headrace::Producer producer = ring.producer(); }
    EXPECT_EQ(said(ring, std::chrono::milliseconds(0)), "");
}

}  // namespace
