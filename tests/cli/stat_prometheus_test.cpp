#include "cli/stat_prometheus.hpp"

#include <gtest/gtest.h>

#include <regex>
#include <set>
#include <sstream>
#include <string>

#include "sample_stats.hpp"

namespace headrace::cli {
namespace {

// Holds a text to the format, line by line: https://prometheus.io/docs/instrumenting/
// exposition_formats/. Collects what it saw.
class ExpositionCheck {
  public:
    explicit ExpositionCheck(const std::string& text) {
        EXPECT_TRUE(text.ends_with('\n'));
        std::istringstream lines(text);
        for (std::string line; std::getline(lines, line);) {
            SCOPED_TRACE(line);
            if (line.starts_with("# HELP ")) {
                help(line);
            } else if (line.starts_with("# TYPE ")) {
                type(line);
            } else {
                sample(line);
            }
        }
    }
    const std::set<std::string>& samples() const { return samples_; }

  private:
    void help(const std::string& line) {
        std::smatch match;
        ASSERT_TRUE(std::regex_match(line, match, std::regex("# HELP ([a-z_]+) (.+)")));
        EXPECT_TRUE(names_.insert(match[1]).second) << "told twice";
        name_ = match[1];
    }
    void type(const std::string& line) {
        std::smatch match;
        ASSERT_TRUE(std::regex_match(line, match, std::regex("# TYPE ([a-z_]+) (counter|gauge)")));
        EXPECT_EQ(match[1], name_) << "TYPE without its HELP before it";
        EXPECT_EQ(match[2] == "counter", name_.ends_with("_total"));
    }
    void sample(const std::string& line) {
        // A label: name="value", in which backslash, quote and line feed are escaped.
        static const std::string kLabel = R"re([a-z_]+="([^"\\\n]|\\[\\"n])*")re";
        static const std::regex kSample("([a-z_]+)\\{" + kLabel + "(," + kLabel +
                                        ")*\\} -?[0-9.]+(e[-+][0-9]+)?");
        std::smatch match;
        ASSERT_TRUE(std::regex_match(line, match, kSample));
        EXPECT_EQ(match[1], name_) << "a sample away from its TYPE";
        for (const char c : line) EXPECT_GE(static_cast<unsigned char>(c), 0x20);
        EXPECT_TRUE(series_.insert(line.substr(0, line.rfind("} "))).second) << "told twice";
        samples_.insert(line);
    }

    std::string name_;
    std::set<std::string> names_;
    std::set<std::string> series_;
    std::set<std::string> samples_;
};

TEST(StatPrometheusTest, KeepsToTheFormat) {
    const ExpositionCheck check(stat_prometheus(sample_stats()));
    for (const char* line : {
             R"(headrace_ring_phase{ring="voices",phase="open"} 1)",
             R"(headrace_ring_phase{ring="voices",phase="closed"} 0)",
             R"(headrace_ring_age_seconds{ring="voices"} 12.5)",
             R"(headrace_ring_slots{ring="voices"} 100)",
             R"(headrace_ring_slots_used{ring="voices",state="ready"} 20)",
             R"(headrace_records_claimed_total{ring="voices"} 1244)",
             R"(headrace_records_lost_total{ring="voices",reason="skipped"} 7)",
             R"(headrace_deaths_total{ring="voices"} 3)",
             R"(headrace_records_redelivered_total{ring="voices"} 2)",
             R"(headrace_producer_state{ring="voices",producer="1",)"
             R"(incarnation="3",pid="4001",identity="wav2mel",state="attached"} 1)",
             R"(headrace_producer_records_published_total{ring="voices",producer="1",)"
             R"(incarnation="3",pid="4001",identity="wav2mel"} 690)",
             R"(headrace_producer_waiting_seconds_total{ring="voices",producer="1",)"
             R"(incarnation="3",pid="4001",identity="wav2mel"} 2.5)",
             R"(headrace_consumer_state{ring="voices",consumer="3",)"
             R"(incarnation="5",pid="4003",identity="infer",state="attached"} 1)",
             R"(headrace_consumer_state{ring="voices",consumer="3",)"
             R"(incarnation="5",pid="4003",identity="infer",state="contact lost"} 0)",
             R"(headrace_consumer_records_delivered_total{ring="voices",consumer="3",)"
             R"(incarnation="5",pid="4003",identity="infer"} 800)",
             R"(headrace_consumer_attached_seconds_total{ring="voices",consumer="3",)"
             R"(incarnation="5",pid="4003",identity="infer"} 8)",
             R"(headrace_consumer_waiting_seconds_total{ring="voices",consumer="3",)"
             R"(incarnation="5",pid="4003",identity="infer"} 6)",
             R"(headrace_loader_info{ring="voices",device="host",host_memory="pinned"} 1)",
             R"(headrace_loader_batches_total{ring="voices"} 37)",
             R"(headrace_loader_copying_seconds_total{ring="voices"} 4)",
             R"(headrace_loader_stripping_seconds_total{ring="voices"} 0.5)",
             R"(headrace_loader_waiting_seconds_total{ring="voices",for="producers"} 2)",
         }) {
        EXPECT_TRUE(check.samples().contains(line)) << line;
    }
}

TEST(StatPrometheusTest, KeepsToTheFormatWithNothingToTell) {
    Stats stats;
    stats.ring = "r";
    const std::string text = stat_prometheus(stats);
    const ExpositionCheck check(text);
    EXPECT_EQ(text.find("headrace_loader"), std::string::npos);
    EXPECT_EQ(text.find("headrace_producer_"), std::string::npos);
    EXPECT_EQ(text.find("headrace_consumer_"), std::string::npos);
}

TEST(StatPrometheusTest, EscapesAnyIdentity) {
    const ExpositionCheck check(stat_prometheus(sample_stats()));
    const std::string labels =
        R"({ring="voices",consumer="4",incarnation="5",pid="4004",identity=")" +
        label_value(kOddIdentity) + R"(")";
    for (const std::string& line :
         {"headrace_consumer_records_delivered_total" + labels + "} 400",
          "headrace_consumer_state" + labels + R"(,state="left"} 1)",
          "headrace_consumer_state" + labels + R"(,state="attached"} 0)"}) {
        EXPECT_TRUE(check.samples().contains(line)) << line;
    }
}

TEST(StatPrometheusTest, WritesLargeNumbersInFull) {
    Stats stats = sample_stats();
    stats.claimed = 18'446'744'073'709'551'615u;
    stats.age_s = 1e-7;
    const ExpositionCheck check(stat_prometheus(stats));
    EXPECT_TRUE(check.samples().contains(
        R"(headrace_records_claimed_total{ring="voices"} 18446744073709551615)"));
    EXPECT_TRUE(check.samples().contains(R"(headrace_ring_age_seconds{ring="voices"} 1e-07)"));
}

TEST(StatPrometheusTest, EscapesLabels) {
    EXPECT_EQ(label_value(""), "");
    EXPECT_EQ(label_value("plain"), "plain");
    EXPECT_EQ(label_value("a\"b"), "a\\\"b");
    EXPECT_EQ(label_value("a\\b"), "a\\\\b");
    EXPECT_EQ(label_value("\n"), "\\n");
    EXPECT_EQ(label_value("a\n\nb\n"), "a\\n\\nb\\n");
    EXPECT_EQ(label_value("\r\x1B\xFF"), "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
    EXPECT_EQ(label_value(kOddIdentity), "a\\\"b\\\\c\\nd\xEF\xBF\xBD[2Je\xEF\xBF\xBD\xC3\xBC");
}

}  // namespace
}  // namespace headrace::cli
