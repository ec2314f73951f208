#include "cli/stat_json.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "cli/text.hpp"
#include "sample_stats.hpp"

namespace headrace::cli {
namespace {

TEST(StatJsonTest, HoldsEveryNumber) {
    const auto json = nlohmann::json::parse(stat_json(sample_stats(), true));
    EXPECT_EQ(json["ring"], "voices");
    EXPECT_EQ(json["phase"], "open");
    EXPECT_EQ(json["incomplete"], false);
    EXPECT_EQ(json["age_s"], 12.5);
    EXPECT_EQ(json["slots"], 100);
    EXPECT_EQ(json["memory_bytes"], 17'000'000);
    EXPECT_EQ(json["huge_pages"], true);
    int books = 0;
    for (const char* term : {"delivered", "in_ring", "prefetched", "lost", "discarded"}) {
        books += json[term].get<int>();
    }
    EXPECT_EQ(json["claimed"], books);
    EXPECT_EQ(json["ready"], 20);
    EXPECT_EQ(json["producers"].size(), 2u);
    EXPECT_EQ(json["producers"][0]["incarnation"], 3);
    EXPECT_EQ(json["producers"][0]["identity"], "wav2mel");
    EXPECT_EQ(json["producers"][1]["state"], "died");
    EXPECT_EQ(json["producers"][1]["dropped"], 2);
    EXPECT_EQ(json["deaths"], 3);
    EXPECT_EQ(json["redelivered"], 2);
    ASSERT_EQ(json["consumers"].size(), 2u);
    EXPECT_EQ(json["consumers"][0]["id"], 3);
    EXPECT_EQ(json["consumers"][0]["incarnation"], 5);
    EXPECT_EQ(json["consumers"][0]["pid"], 4003);
    EXPECT_EQ(json["consumers"][0]["identity"], "infer");
    EXPECT_EQ(json["consumers"][0]["state"], "attached");
    EXPECT_EQ(json["consumers"][0]["delivered"], 800);
    EXPECT_EQ(json["consumers"][0]["attached_s"], 8.0);
    EXPECT_EQ(json["consumers"][0]["waited_s"], 6.0);
    EXPECT_EQ(json["consumers"][1]["state"], "left");
    EXPECT_EQ(json["loader"]["device"], "host");
    EXPECT_EQ(json["loader"]["batches"], 37);
    EXPECT_EQ(json["loader"]["trainer_waited_s"], 3.0);
    EXPECT_EQ(json["loader"]["host_memory"], "pinned");
    EXPECT_EQ(json["loader"]["copying_s"], 4.0);
    EXPECT_EQ(json["loader"]["stripping_s"], 0.5);
    EXPECT_TRUE(json["verdict"].is_string());
}

TEST(StatJsonTest, SurvivesAnyIdentity) {
    const auto json = nlohmann::json::parse(stat_json(sample_stats(), false));
    EXPECT_EQ(json["producers"][1]["identity"], valid_utf8(kOddIdentity));
    EXPECT_EQ(json["consumers"][1]["identity"], valid_utf8(kOddIdentity));
}

TEST(StatJsonTest, SaysThatThereIsNoLoader) {
    Stats stats = sample_stats();
    stats.device.clear();
    EXPECT_TRUE(nlohmann::json::parse(stat_json(stats, true))["loader"].is_null());
}

TEST(StatJsonTest, FitsOneLineWhenAskedTo) {
    EXPECT_EQ(stat_json(sample_stats(), false).find('\n'), std::string::npos);
    EXPECT_NE(stat_json(sample_stats(), true).find('\n'), std::string::npos);
}

TEST(StatJsonTest, RendersAnEmptyRing) {
    const auto json = nlohmann::json::parse(stat_json(Stats{}, true));
    EXPECT_TRUE(json["producers"].is_array());
    EXPECT_TRUE(json["producers"].empty());
    EXPECT_TRUE(json["consumers"].is_array());
    EXPECT_TRUE(json["consumers"].empty());
}

}  // namespace
}  // namespace headrace::cli
