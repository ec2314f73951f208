// `headrace bench` in processes of its own, as a user runs it.
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "headrace/device.hpp"
#include "headrace/error.hpp"
#include "headrace/stats.hpp"
#include "run_program.hpp"

namespace headrace::cli {
namespace {

class ProgramTest : public testing::Test {
  protected:
    Ended headrace(std::vector<std::string> arguments) {
        return run_program(folder_, std::move(arguments));
    }
    // Runs a benchmark that has to succeed, and reads its JSON.
    nlohmann::json bench(std::vector<std::string> arguments) {
        arguments.insert(arguments.begin(), "bench");
        arguments.insert(arguments.end(), {"--json", "-"});
        const Ended ended = headrace(std::move(arguments));
        EXPECT_EQ(ended.status, 0) << ended.out << ended.err;
        EXPECT_EQ(ended.err, "");
        return nlohmann::json::parse(ended.out, nullptr, false);
    }
    // The snapshot of a benchmark that has all its producers, which a huge run keeps busy.
    Stats running(const std::string& name, std::size_t producers) {
        Stats stats;
        const bool there = eventually([&] {
            try {
                stats = Observer(name, folder_.path()).snapshot();
            } catch (const Error&) {
                return false;
            }
            return stats.producers.size() == producers && stats.delivered > 0;
        });
        EXPECT_TRUE(there) << name << " did not come up";
        return stats;
    }
    bool leaves_nothing() {
        return std::ranges::none_of(std::filesystem::recursive_directory_iterator(folder_.path()),
                                    [](const auto& entry) { return entry.is_socket(); });
    }
    TestFolder folder_;
};

TEST_F(ProgramTest, RingBenchmarkVerifiesEveryRecord) {
    const nlohmann::json json = bench({"ring", "--producers", "2", "--records", "20000", "--floats",
                                       "100", "--ints", "5", "--slots", "64", "--batch", "16"});
    ASSERT_TRUE(json.is_object());
    EXPECT_EQ(json["verified"], true);
    EXPECT_EQ(json["records"], 20000);
    EXPECT_EQ(json["producers"], 2);
    EXPECT_EQ(json["payload_bytes"], 20000 * 105 * 4);
    EXPECT_EQ(json["lost"], 0);
    EXPECT_EQ(json["deaths"], 0);
    EXPECT_GT(json["records_per_s"].get<double>(), 0);
    EXPECT_GT(json["cpu_s_per_gb"].get<double>(), 0);
    EXPECT_TRUE(leaves_nothing());
}

TEST_F(ProgramTest, RingBenchmarkVerifiesRaggedRecords) {
    for (const char* fill : {"0", "0.3", "0.5", "0.9"}) {
        const nlohmann::json json =
            bench({"ring", "--records", "3001", "--fill", fill, "--slots", "32", "--batch", "16"});
        ASSERT_TRUE(json.is_object());
        EXPECT_EQ(json["verified"], true) << fill;
    }
}

TEST_F(ProgramTest, RingBenchmarkVerifiesSmallestAndLargeRecords) {
    EXPECT_EQ(bench({"ring", "--records", "1", "--floats", "1", "--ints", "1", "--slots", "2",
                     "--batch", "1"})["verified"],
              true);
    EXPECT_EQ(bench({"ring", "--records", "200", "--floats", "65536", "--slots", "8", "--batch",
                     "4"})["verified"],
              true);
}

TEST_F(ProgramTest, LoaderBenchmarkVerifiesEachLayout) {
    for (const char* layout : {"packed", "trimmed", "padded", "rows"}) {
        SCOPED_TRACE(layout);
        // 5,003 records: the last batch is a short one.
        const nlohmann::json json =
            bench({"loader", "--layout", layout, "--records", "5003", "--fill", "0.5",
                   "--producers", "2", "--slots", "128", "--batch", "32"});
        ASSERT_TRUE(json.is_object());
        EXPECT_EQ(json["verified"], true);
        EXPECT_EQ(json["records"], 5003);
        EXPECT_EQ(json["layout"], layout);
        EXPECT_EQ(json["batches"], (5003 + 31) / 32);
        EXPECT_TRUE(leaves_nothing());
    }
}

TEST_F(ProgramTest, WritesAFileAndATable) {
    const std::string path = folder_.path() + "/result.json";
    const Ended ended = headrace({"bench", "ring", "--records", "2000", "--json", path});
    EXPECT_EQ(ended.status, 0) << ended.err;
    EXPECT_NE(ended.out.find("verified: every byte"), std::string::npos) << ended.out;
    std::ifstream file(path);
    EXPECT_EQ(nlohmann::json::parse(file)["verified"], true);
}

TEST_F(ProgramTest, RefusesBadInputWithStatusTwo) {
    const std::vector<std::vector<std::string>> wrong{{},
                                                      {"dance"},
                                                      {"bench"},
                                                      {"bench", "dance"},
                                                      {"bench", "ring", "--floats", "many"},
                                                      {"bench", "ring", "--dance"},
                                                      {"bench", "loader", "--layout", "ragged"},
                                                      {"bench", "loader", "--device", "gpu:99"},
                                                      {"bench", "loader", "--transfer", "fly"},
                                                      {"bench", "device", "--device", "host"},
                                                      {"bench", "device", "--only", "sleep"},
                                                      {"stat"},
                                                      {"stat", "a/b"},
                                                      {"list", "voices"},
                                                      {"list", "--dance"}};
    for (const std::vector<std::string>& arguments : wrong) {
        const Ended ended = headrace(arguments);
        EXPECT_EQ(ended.status, 2) << testing::PrintToString(arguments) << ended.err;
        EXPECT_TRUE(ended.err.starts_with("headrace: ")) << ended.err;
        EXPECT_EQ(std::ranges::count(ended.err, '\n'), 1) << ended.err;
        EXPECT_EQ(ended.out, "");
    }
}

// In a build without CUDA that is asking wrongly, in one with CUDA the machine lacks it.
TEST_F(ProgramTest, SaysThatThereIsNoSuchGpu) {
    for (const char* benchmark : {"loader", "device"}) {
        const Ended ended = headrace({"bench", benchmark, "--device", "cuda:99"});
        EXPECT_EQ(ended.status, Device::has_cuda() ? 1 : 2) << ended.err;
        EXPECT_NE(ended.err.find("cuda:99"), std::string::npos) << ended.err;
        EXPECT_EQ(ended.out, "");
    }
}

TEST_F(ProgramTest, HelpsAndNamesItsVersion) {
    for (const std::vector<std::string>& arguments :
         std::vector<std::vector<std::string>>{{"--help"},
                                               {"bench", "--help"},
                                               {"bench", "ring", "--help"},
                                               {"bench", "loader", "-h"},
                                               {"bench", "device", "--help"},
                                               {"stat", "--help"},
                                               {"list", "--help"}}) {
        const Ended ended = headrace(arguments);
        EXPECT_EQ(ended.status, 0) << ended.err;
        EXPECT_NE(ended.out.find("Examples:"), std::string::npos) << ended.out;
    }
    EXPECT_EQ(headrace({"--version"}).out, "headrace " HEADRACE_VERSION "\n");
}

TEST_F(ProgramTest, SaysThatARingOfThisNameRuns) {
    Program first(folder_, {"bench", "ring", "--name", "twice", "--records", "100000000000"});
    running("twice", 1);
    const Ended second = headrace({"bench", "ring", "--name", "twice", "--records", "10"});
    EXPECT_EQ(second.status, 1);
    EXPECT_NE(second.err.find("twice"), std::string::npos) << second.err;
}

TEST_F(ProgramTest, InterruptEndsEveryProcess) {
    for (const int number : {SIGINT, SIGTERM}) {
        Program program(folder_, {"bench", "ring", "--name", "long", "--records", "100000000000",
                                  "--producers", "2"});
        const Stats stats = running("long", 2);
        program.signal(number);
        const Ended ended = program.wait(std::chrono::seconds(20));
        EXPECT_EQ(ended.status, 130) << ended.err;
        for (const ProducerStats& producer : stats.producers) {
            EXPECT_FALSE(runs(static_cast<pid_t>(producer.pid)));
        }
        EXPECT_TRUE(leaves_nothing());
    }
}

TEST_F(ProgramTest, ProducersDieWithABenchmarkThatIsKilled) {
    Program program(folder_, {"bench", "ring", "--name", "killed", "--records", "100000000000"});
    const Stats stats = running("killed", 1);
    program.signal(SIGKILL);
    EXPECT_EQ(program.wait().status, 128 + SIGKILL);
    EXPECT_TRUE(eventually([&] { return !runs(static_cast<pid_t>(stats.producers.front().pid)); }));
}

TEST_F(ProgramTest, KilledProducersMakeTheRunFail) {
    Program program(folder_, {"bench", "ring", "--name", "orphan", "--records", "100000000000"});
    const Stats stats = running("orphan", 1);
    ::kill(static_cast<pid_t>(stats.producers.front().pid), SIGKILL);
    const Ended ended = program.wait(std::chrono::seconds(30));
    EXPECT_EQ(ended.status, 1);
    EXPECT_FALSE(ended.out.empty() && ended.err.empty());
}

}  // namespace
}  // namespace headrace::cli
