#include "cli/bench_report.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "headrace/error.hpp"
#include "sample_stats.hpp"

namespace headrace::cli {
namespace {

BenchReport sample_report() {
    BenchReport report;
    report.benchmark = "ring";
    report.shape = {256, 16, 1.0};
    report.slots = 1024;
    report.batch = 256;
    report.records = 2'000'000;
    report.payload_bytes = 2'176'000'000;
    report.seconds = 0.5;
    report.cpu_s = 1.088;
    report.machine = {"host\xFF", "cpu", 2, "Linux 6"};
    report.date = "2026-01-01T00:00:00Z";
    report.version = "0.1.0";
    return report;
}

TEST(BenchReportTest, WritesTheKeysThatOthersReadBy) {
    const auto json = nlohmann::json::parse(bench_json(sample_report()));
    EXPECT_EQ(json["records_per_s"], 4'000'000.0);
    EXPECT_EQ(json["payload_bytes_per_s"], 4'352'000'000.0);
    EXPECT_DOUBLE_EQ(json["cpu_s_per_gb"].get<double>(), 0.5);
    EXPECT_EQ(json["verified"], true);
    EXPECT_TRUE(json["fault"].is_null());
    for (const char* key : {"seconds", "records", "producers", "floats", "ints", "fill", "slots",
                            "batch", "layout", "device", "machine", "date", "version"}) {
        EXPECT_TRUE(json.contains(key)) << key;
    }
    for (const char* key : {"hostname", "cpu", "cores", "kernel"}) {
        EXPECT_TRUE(json["machine"].contains(key)) << key;
    }
}

TEST(BenchReportTest, SaysWhatWasWrong) {
    BenchReport report = sample_report();
    report.fault = "record 3, field \"ints\"";
    const auto json = nlohmann::json::parse(bench_json(report));
    EXPECT_EQ(json["verified"], false);
    EXPECT_EQ(json["fault"], "record 3, field \"ints\"");
    EXPECT_NE(bench_table(report).find("NOT VERIFIED: record 3"), std::string::npos);
}

TEST(BenchReportTest, TellsPeopleTheRates) {
    const std::string text = bench_table(sample_report());
    EXPECT_NE(text.find("4.00 M records/s, payload 4.35 GB/s"), std::string::npos) << text;
    EXPECT_NE(text.find("verified: every byte"), std::string::npos) << text;
}

TEST(BenchReportTest, AddsTheLoadersStatistics) {
    BenchReport report = sample_report();
    report.benchmark = "loader";
    report.layout = "packed";
    report.device = "host";
    report.transfer = "automatic";
    report.stats = sample_stats();
    const auto json = nlohmann::json::parse(bench_json(report));
    EXPECT_EQ(json["layout"], "packed");
    EXPECT_EQ(json["batches"], 37);
    EXPECT_EQ(json["transfer"], "automatic");
    EXPECT_EQ(json["padding_bytes"], 1'000'000);
    EXPECT_EQ(json["link_bytes"], 9'000'000);
    EXPECT_EQ(json["host_memory"], "pinned");
    EXPECT_EQ(json["copying_s"], 4.0);
    EXPECT_NE(bench_table(report).find("packed on host"), std::string::npos);
}

TEST(BenchReportTest, SurvivesARunThatDidNothing) {
    const auto json = nlohmann::json::parse(bench_json(BenchReport{}));
    EXPECT_EQ(json["records_per_s"], 0.0);
    EXPECT_EQ(json["cpu_s_per_gb"], 0.0);
}

TEST(BenchReportTest, NamesAFileThatCannotBeWritten) {
    testing::internal::CaptureStdout();
    std::string message;
    try {
        tell(sample_report(), "/nonexistent/x.json");
    } catch (const SystemError& error) {
        message = error.what();
    }
    testing::internal::GetCapturedStdout();
    EXPECT_EQ(message, "--json /nonexistent/x.json: cannot be written: No such file or directory");
}

}  // namespace
}  // namespace headrace::cli
