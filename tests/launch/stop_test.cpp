#include "launch/stop.hpp"

#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <cstdio>
#include <thread>

namespace {

using samples::Stop;

// The signal of a process goes to any of its threads: wait until the handler has run.
bool requested_soon() {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!Stop::requested() && std::chrono::steady_clock::now() < deadline) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return Stop::requested();
}

TEST(StopTest, SaysWhichSignalCame) {
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
        Stop stop;
        EXPECT_FALSE(Stop::requested());
        kill(getpid(), signal);
        EXPECT_TRUE(requested_soon());
        EXPECT_EQ(Stop::exit_status(), 128 + signal);
    }
}

TEST(StopTest, LeavesTheSignalsAsTheyWere) {
    struct sigaction before {};
    struct sigaction after {};
    sigaction(SIGINT, nullptr, &before);
    { const Stop stop; }
    sigaction(SIGINT, nullptr, &after);
    EXPECT_EQ(before.sa_handler, after.sa_handler);
}

TEST(StopTest, LeavesAnIgnoredHangUpIgnored) {
    struct sigaction ignored {};
    struct sigaction before {};
    ignored.sa_handler = SIG_IGN;
    sigaction(SIGHUP, &ignored, &before);
    {
        const Stop stop;
        struct sigaction now {};
        sigaction(SIGHUP, nullptr, &now);
        EXPECT_EQ(now.sa_handler, SIG_IGN);
    }
    sigaction(SIGHUP, &before, nullptr);
}

TEST(StopTest, RunsNoLastResortWhenTheEndIsInOrder) {
    bool called = false;
    {
        Stop stop;
        stop.at_last([&] { called = true; });
        kill(getpid(), SIGINT);
        EXPECT_TRUE(requested_soon());
    }
    EXPECT_FALSE(called);
}

TEST(StopTest, EndsAProgramThatDoesNotCome) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_EXIT(
        {
            Stop stop;
            stop.at_last([] { std::fputs("the last resort\n", stderr); });
            kill(getpid(), SIGTERM);
            std::this_thread::sleep_for(std::chrono::hours(1));
        },
        testing::ExitedWithCode(143), "the last resort");
}

}  // namespace
