#include "report.hpp"

#include <gtest/gtest.h>

#include <string>

namespace {

using voices::Results;

bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

TEST(ReportTest, CountsTheDiagonalAsRight) {
    Results results;
    EXPECT_EQ(results.accuracy(), 0);
    results.confusion[0][0] = 3;
    results.confusion[4][4] = 3;
    results.confusion[4][0] = 2;
    EXPECT_DOUBLE_EQ(results.accuracy(), 0.75);
}

TEST(ReportTest, SaysHonestlyWhatTheClassesAre) {
    EXPECT_TRUE(contains(to_table(Results{}), "four speakers"));
}

TEST(ReportTest, TellsWhichProducersThereWere) {
    Results results;
    results.producers = 4;
    results.attached = 5;
    EXPECT_TRUE(contains(to_table(results), "producers            4\n")) << to_table(results);
    results.died = results.replaced = 1;
    EXPECT_TRUE(contains(to_table(results), "producers            4, 1 replaced\n"));
    results.producers = 0;
    results.replaced = 0;
    EXPECT_TRUE(contains(to_table(results), "producers            5 from elsewhere, 1 died\n"));
    results.died = 0;
    EXPECT_TRUE(contains(to_table(results), "producers            5 from elsewhere\n"));
}

TEST(ReportTest, WritesEveryKeyOfTheJson) {
    Results results;
    results.cut = 3;
    results.lost = 2;
    results.losses["skipped: a\"b\\c\n"] = 2;
    results.order_hash = 0xabc;
    results.device = "cuda:0";
    const std::string json = to_json(results);
    for (const char* key : {"accuracy", "records_per_s", "seconds", "cut", "lost", "epochs",
                            "producers", "seed", "padding_share", "verdict", "confusion",
                            "attached_producers", "died_producers", "replaced_producers"}) {
        EXPECT_TRUE(contains(json, '"' + std::string(key) + "\": ")) << key;
    }
    EXPECT_TRUE(contains(json, "\"cut\": 3,"));
    EXPECT_TRUE(contains(json, "\"device\": \"cuda:0\","));
    EXPECT_TRUE(contains(json, R"({"skipped: a\"b\\c\u000a": 2})")) << json;
    EXPECT_TRUE(contains(json, "\"order_hash\": \"0000000000000abc\""));
}

}  // namespace
