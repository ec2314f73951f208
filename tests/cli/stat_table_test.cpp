#include "cli/stat_table.hpp"

#include <gtest/gtest.h>

#include <iterator>
#include <sstream>
#include <string>
#include <vector>

#include "sample_stats.hpp"

namespace headrace::cli {
namespace {

bool has(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

// What stands in a line behind a word that is there once.
std::vector<std::string> words_after(const std::string& text, const std::string& word) {
    std::istringstream rest(text.substr(text.find(word) + word.size()));
    std::string line;
    std::getline(rest, line);
    std::istringstream words(line);
    return {std::istream_iterator<std::string>(words), {}};
}

TEST(StatTableTest, TellsRingBooksProducersAndLoader) {
    const std::string text = stat_table(sample_stats());
    SCOPED_TRACE(text);
    EXPECT_TRUE(has(text, "voices: open, 12.5 s old, 17.0 MB in huge pages"));
    EXPECT_TRUE(has(text, "+ writing 1, # ready 20, = leased 9, . free 70"));
    EXPECT_TRUE(
        has(text, "claimed 1,244 = delivered 1,200 + in the ring 30 + prefetched 4 + lost 10"));
    EXPECT_TRUE(has(text, "skipped 7, died 1, dropped 2, returned 5, deaths 3, redelivered 2\n"));
    EXPECT_TRUE(has(text, "96 records/s delivered, on average"));
    EXPECT_TRUE(has(text, "wav2mel"));
    EXPECT_TRUE(has(text, "25 %"));  // waiting
    EXPECT_TRUE(has(text, "\nconsumers 2\n"));
    EXPECT_EQ(words_after(text, "4003"),
              (std::vector<std::string>{"infer", "attached", "100", "800", "75", "%"}));
    EXPECT_TRUE(has(text, "host: 37 batches, payload 9.00 MB"));
    EXPECT_TRUE(has(text, "moved 9.00 MB from pinned memory, padding not moved 1.00 MB (10 %)"));
    EXPECT_TRUE(has(text, "the copy stream was copying 40 %, stripping 5 %"));
    EXPECT_TRUE(has(text, "the trainer waited 30 % (for producers 20 %, for copies 10 %)"));
    EXPECT_TRUE(has(text, "\nverdict"));
}

TEST(StatTableTest, LeavesOutTheCopyStreamOfADeviceThatTellsNoTimes) {
    Stats stats = sample_stats();
    stats.copying_s = stats.stripping_s = 0;
    EXPECT_FALSE(has(stat_table(stats), "copy stream"));
}

TEST(StatTableTest, LetsNoIdentityMoveTheCursor) {
    const std::string text = stat_table(sample_stats());
    EXPECT_EQ(text.find('\x1B'), std::string::npos);
    const std::string harmless =
        "a\"b\\c\xEF\xBF\xBD"
        "d\xEF\xBF\xBD[2Je\xEF\xBF\xBD\xC3\xBC";
    EXPECT_TRUE(has(text, "4002  " + harmless)) << "of a producer";
    EXPECT_TRUE(has(text, "4004  " + harmless)) << "of a consumer";
}

TEST(StatTableTest, TakesRatesFromTheTimeBetweenTwoLooks) {
    const Stats before = sample_stats();
    Stats now = before;
    now.age_s += 2;
    now.delivered += 500;
    now.producers[0].attached_s += 2;
    now.producers[0].published += 300;
    now.producers[0].waited_s += 1;
    now.producers[1].published -= 1;  // torn reading: no negative rate
    const std::string text = stat_table(now, &before);
    SCOPED_TRACE(text);
    EXPECT_TRUE(has(text, "250 records/s delivered\n"));
    EXPECT_TRUE(has(text, "  150  "));
    EXPECT_TRUE(has(text, "50 %"));
    EXPECT_FALSE(has(text, "-1"));
}

TEST(StatTableTest, TakesRatesOfConsumersFromTheTimeBetweenTwoLooks) {
    const Stats before = sample_stats();
    Stats now = before;
    now.age_s += 2;
    now.consumers[0].attached_s += 2;
    now.consumers[0].delivered += 34;
    now.consumers[0].waited_s += 1;
    now.consumers[1].incarnation += 1;  // another one, that has what the one before had
    const std::string text = stat_table(now, &before);
    SCOPED_TRACE(text);
    EXPECT_EQ(words_after(text, "4003"),
              (std::vector<std::string>{"infer", "attached", "17", "834", "50", "%"}));
    EXPECT_EQ(words_after(text, "4004").at(2), "50") << "its 400 records in its eight seconds";
}

TEST(StatTableTest, TakesNoNewOwnerOfAnIdForTheOneBefore) {
    Stats before = sample_stats();
    before.producers.resize(1);
    before.producers[0].pid = 1;  // as in a container
    Stats now = before;
    now.age_s += 2;
    now.producers[0].incarnation += 1;
    now.producers[0].attached_s = 2;
    now.producers[0].published = 1400;  // of its own, more than the other one's 690
    const std::string text = stat_table(now, &before);
    SCOPED_TRACE(text);
    EXPECT_TRUE(has(text, "  700  ")) << "all of its records in its two seconds";
}

TEST(StatTableTest, SaysThatTheBooksAreUnderWay) {
    Stats stats = sample_stats();
    stats.claimed += 1;
    EXPECT_TRUE(has(stat_table(stats), "claimed 1,245 ~ delivered"));
}

TEST(StatTableTest, RendersAnEmptyRing) {
    const std::string text = stat_table(Stats{});
    EXPECT_TRUE(has(text, "producers none yet\n"));
    EXPECT_FALSE(has(text, "consumer"));
    EXPECT_TRUE(has(text, "loader    none\n"));
}

TEST(FillBarTest, ShowsSharesInOrder) {
    Stats stats;
    stats.slots = 10;
    EXPECT_EQ(fill_bar(stats, 10), "..........");
    stats.writing = 1, stats.ready = 4, stats.leased = 2;
    EXPECT_EQ(fill_bar(stats, 10), "+####==...");
    stats.slots = 1'000'000;
    EXPECT_EQ(fill_bar(stats, 10), "+#=.......") << "what is there shows";
    stats.slots = 4, stats.writing = 4, stats.ready = 4, stats.leased = 4;
    EXPECT_EQ(fill_bar(stats, 10), "++++++++++") << "a torn reading stays within its brackets";
    stats.slots = 0;
    EXPECT_EQ(fill_bar(stats, 4), "....");
}

}  // namespace
}  // namespace headrace::cli
