#include "launch/processes.hpp"

#include <gtest/gtest.h>
#include <signal.h>

#include <stdexcept>
#include <string>
#include <thread>

namespace {

using samples::Processes;
using namespace std::chrono_literals;

constexpr auto kDeadline = 30s;

void ignore(const std::string&) {}

// Calls look_after() until it throws, and returns what it said.
std::string look_after_until_it_throws(Processes& processes) {
    const auto deadline = std::chrono::steady_clock::now() + kDeadline;
    while (std::chrono::steady_clock::now() < deadline) {
        try {
            processes.look_after();
        } catch (const std::runtime_error& error) {
            return error.what();
        }
        std::this_thread::sleep_for(1ms);
    }
    return "the deadline has passed";
}

TEST(ProcessesTest, NamesTheProgramThatCannotBeStarted) {
    try {
        Processes processes({"/nowhere/producer"}, 2, ignore);
        FAIL() << "nothing was thrown";
    } catch (const std::runtime_error& error) {
        EXPECT_NE(std::string(error.what()).find("/nowhere/producer"), std::string::npos);
    }
}

TEST(ProcessesTest, ReplacesWhatDiesUntilItIsTooOften) {
    std::size_t reports = 0;
    Processes processes({"/bin/sh", "-c", "exit 3"}, 2, [&](const std::string& text) {
        ++reports;
        EXPECT_NE(text.find("ended with status 3"), std::string::npos) << text;
    });
    const std::string error = look_after_until_it_throws(processes);
    EXPECT_NE(error.find("ended with status 3, after 10 had been replaced"), std::string::npos)
        << error;
    EXPECT_EQ(processes.replaced(), Processes::kMaxReplacements);
    EXPECT_EQ(reports, Processes::kMaxReplacements);
}

TEST(ProcessesTest, ReplacesNothingWhereThatIsAskedFor) {
    Processes processes({"/bin/sh", "-c", "exit 3"}, 2, nullptr, 0);
    const std::string error = look_after_until_it_throws(processes);
    EXPECT_TRUE(error.ends_with(" ended with status 3")) << error;
    EXPECT_EQ(processes.replaced(), 0u);
}

TEST(ProcessesTest, ReplacesWhatIsKilled) {
    std::string report;
    Processes processes({"/bin/sh", "-c", "kill -KILL $$"}, 1,
                        [&](const std::string& text) { report = text; });
    look_after_until_it_throws(processes);
    EXPECT_NE(report.find("was killed by signal 9"), std::string::npos) << report;
}

TEST(ProcessesTest, LeavesAloneWhatEndsInOrder) {
    Processes processes({"/bin/sh", "-c", "exit 0"}, 3, ignore);
    processes.end_within(kDeadline);
    processes.look_after();
    EXPECT_EQ(processes.replaced(), 0u);
}

TEST(ProcessesTest, KillsWhatDoesNotEnd) {
    const auto start = std::chrono::steady_clock::now();
    {
        Processes processes({"/bin/sleep", "1000"}, 3, ignore);
        processes.end_within(50ms);
        Processes unwound({"/bin/sleep", "1000"}, 3, ignore);
    }
    EXPECT_LT(std::chrono::steady_clock::now() - start, kDeadline);
}

TEST(ProcessesTest, StartsWithSignalsAsAtLogin) {
    sigset_t blocked;
    sigset_t before;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &blocked, &before);
    std::string report;
    Processes processes({"/bin/sh", "-c", "kill -TERM $$; exit 0"}, 1,
                        [&](const std::string& text) { report = text; });
    look_after_until_it_throws(processes);
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    EXPECT_NE(report.find("was killed by signal 15"), std::string::npos) << report;
}

TEST(ProcessesTest, FindsTheProgramBesideThisOne) {
    EXPECT_EQ(samples::program_beside_this("x").front(), '/');
    EXPECT_EQ(
        samples::program_beside_this("x").substr(samples::program_beside_this("x").size() - 2),
        "/x");
}

}  // namespace
