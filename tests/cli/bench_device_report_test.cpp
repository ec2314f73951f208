#include "cli/bench_device_report.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

namespace headrace::cli {
namespace {

Finding sample_finding() {
    Finding finding{.question = "transfer copy",
                    .load = "32 records of 1.05 MB, full",
                    .figure = 54e9,
                    .turns = {53e9, 54e9, 55e9},
                    .ceiling = "pinned copy",
                    .ceiling_figure = 55e9};
    finding.aim = Aim{"of a pinned copy", Unit::share, finding.share(), true, 0.97};
    return finding;
}

DeviceReport sample_report() {
    DeviceReport report;
    report.device = "cuda:0";
    report.about.name = "NVIDIA H200\xFF";
    report.about.driver = "580.65.06";
    report.about.cuda_driver = report.about.cuda_runtime = "13.0";
    report.about.multiprocessors = 132;
    report.host_memory = "pinned";
    report.findings = {sample_finding()};
    report.machine = {"host", "cpu", 16, "Linux 6"};
    report.date = "2026-01-01T00:00:00Z";
    report.version = "0.1.0";
    return report;
}

bool has(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

TEST(BenchDeviceReportTest, WritesTheKeysThatOthersReadBy) {
    const auto json = nlohmann::json::parse(device_json(sample_report()));
    EXPECT_EQ(json["benchmark"], "device");
    EXPECT_EQ(json["verified"], true);
    EXPECT_TRUE(json["fault"].is_null());
    EXPECT_EQ(json["gpu"]["driver"], "580.65.06");
    EXPECT_EQ(json["gpu"]["multiprocessors"], 132);
    EXPECT_EQ(json["host_memory"], "pinned");
    ASSERT_EQ(json["findings"].size(), 1u);
    const auto& finding = json["findings"][0];
    EXPECT_EQ(finding["unit"], "bytes_per_s");
    EXPECT_EQ(finding["figure"], 54e9);
    EXPECT_EQ(finding["turns"].size(), 3u);
    EXPECT_EQ(finding["ceiling"]["name"], "pinned copy");
    EXPECT_EQ(finding["aim"]["at_least"], 0.97);
    EXPECT_EQ(finding["aim"]["reached"], true);
    for (const char* key : {"machine", "date", "version", "notes", "refusal", "quick", "seconds"}) {
        EXPECT_TRUE(json.contains(key)) << key;
    }
}

TEST(BenchDeviceReportTest, TellsPeopleFigureCeilingShareAndAim) {
    const std::string text = device_table(sample_report());
    SCOPED_TRACE(text);
    EXPECT_TRUE(has(text, "cuda:0: NVIDIA H200\xEF\xBF\xBD, driver 580.65.06, CUDA 13.0 on 13.0"));
    EXPECT_TRUE(has(text, "54.0 GB/s  55.0 GB/s pinned copy  98.2 %"));
    EXPECT_TRUE(has(text, "98.2 % of a pinned copy  >= 97.0 %  yes\n"));
    EXPECT_TRUE(has(text, "verified: "));
}

TEST(BenchDeviceReportTest, TellsWaitsAndTimes) {
    DeviceReport report = sample_report();
    Finding wait{.question = "wait", .load = "", .unit = Unit::seconds, .figure = -3e-7};
    wait.aim = Aim{"of the step", Unit::share, -0.0001, false, 0.01};
    Finding step{.question = "step", .load = "", .unit = Unit::seconds, .figure = 2.0015e-3};
    step.aim = Aim{"strip over this", Unit::times, 0.9, true, 1.0};
    report.findings = {wait, step};
    const std::string text = device_table(report);
    SCOPED_TRACE(text);
    EXPECT_TRUE(has(text, "-0.3 us"));
    EXPECT_TRUE(has(text, "2.002 ms") || has(text, "2.001 ms"));
    EXPECT_TRUE(has(text, "<= 1.0 %  yes\n"));
    EXPECT_TRUE(has(text, "0.90x strip over this  >= 1.00x  no\n"));
}

TEST(BenchDeviceReportTest, SaysWhatWasWrongFirst) {
    DeviceReport report = sample_report();
    report.fail("record 3");
    report.fail("record 4");
    EXPECT_EQ(report.fault, "record 3");
    EXPECT_TRUE(has(device_table(report), "NOT VERIFIED: record 3"));
    EXPECT_EQ(nlohmann::json::parse(device_json(report))["verified"], false);
}

TEST(BenchDeviceReportTest, SaysWhyTheRingIsNotPinned) {
    DeviceReport report = sample_report();
    report.host_memory = "bounced";
    report.refusal = "no right to";
    report.notes = {"left out: gather"};
    const std::string text = device_table(report);
    EXPECT_TRUE(has(text, "ring memory bounced")) << text;
    EXPECT_TRUE(has(text, "not pinned: no right to\n")) << text;
    EXPECT_TRUE(has(text, "  left out: gather\n")) << text;
}

TEST(BenchDeviceReportTest, RendersNothing) {
    EXPECT_TRUE(has(device_table(DeviceReport{}), "verified"));
    EXPECT_TRUE(nlohmann::json::parse(device_json(DeviceReport{}))["findings"].empty());
}

TEST(AimTest, IsReachedOnItsOwnSideAndOnTheLine) {
    EXPECT_TRUE((Aim{"", Unit::share, 0.97, true, 0.97}.reached()));
    EXPECT_FALSE((Aim{"", Unit::share, 0.96, true, 0.97}.reached()));
    EXPECT_TRUE((Aim{"", Unit::seconds, 20e-6, false, 20e-6}.reached()));
    EXPECT_FALSE((Aim{"", Unit::seconds, 21e-6, false, 20e-6}.reached()));
}

TEST(MedianTest, TakesTheMiddleOfOddAndEven) {
    EXPECT_EQ(median({3}), 3);
    EXPECT_EQ(median({3, 1, 2}), 2);
    EXPECT_EQ(median({4, 1, 2, 3}), 2.5);
}

TEST(QuantileTest, TakesAValueThatIsThere) {
    EXPECT_EQ(quantile({5}, 0.99), 5);
    EXPECT_EQ(quantile({1, 2, 3, 4, 5}, 0), 1);
    EXPECT_EQ(quantile({5, 4, 3, 2, 1}, 0.5), 3);
    EXPECT_EQ(quantile({5, 4, 3, 2, 1}, 0.99), 5);
    EXPECT_EQ(quantile({5, 4, 3, 2, 1}, 1), 5);
}

}  // namespace
}  // namespace headrace::cli
