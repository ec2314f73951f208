// Who waited for whom, in words.
#include <gtest/gtest.h>

#include "gtest/error_text.hpp"
#include "headrace/stats.hpp"

namespace headrace {
namespace {

Stats stats_of(double seconds, double waited, double for_producers, double for_copies) {
    Stats stats;
    stats.batches = 10;
    stats.loader_s = seconds;
    stats.trainer_waited_s = waited;
    stats.waited_for_producers_s = for_producers;
    stats.waited_for_copies_s = for_copies;
    return stats;
}

TEST(VerdictTest, SaysThatNothingHasHappened) {
    EXPECT_EQ(Stats().verdict(), "no batch has been asked for yet");
}

TEST(VerdictTest, SaysWhatTheFirstBatchWaitsFor) {
    Stats stats;
    stats.trainer_waited_s = 1;
    EXPECT_EQ(stats.verdict(), "the trainer waits, and no producer has attached");
    stats.producers.emplace_back();
    EXPECT_EQ(stats.verdict(), "the trainer waits for its first batch");
}

TEST(VerdictTest, SpeaksOfConsumersWhereTheyShareTheRing) {
    Stats stats;
    stats.producers.push_back({.attached_s = 10, .waited_s = 4});
    stats.consumers.push_back({.attached_s = 10, .waited_s = 5});
    stats.consumers.push_back({.attached_s = 10, .waited_s = 1});
    EXPECT_EQ(stats.verdict(),
              "the consumers waited 30 % of the time: add producers, or make them faster");
    for (ConsumerStats& consumer : stats.consumers) consumer.waited_s = 0.1;
    EXPECT_EQ(stats.verdict(),
              "the consumers waited 1 % of the time: the producers keep up, and were idle for 40 % "
              "of theirs");
}

TEST(VerdictTest, NamesTheProducersThatAreTooSlow) {
    EXPECT_EQ(stats_of(100, 40, 31, 9).verdict(),
              "the trainer waited 31 % of the time for producers: add producers, or make them "
              "faster");
}

TEST(VerdictTest, NamesTheLinkThatIsTooSlow) {
    EXPECT_TRUE(contains(stats_of(100, 40, 9, 31).verdict(),
                         "the trainer waited 31 % of the time for copies to the device: the link "
                         "is the limit"));
}

TEST(VerdictTest, SpeaksOfTheGpuWhereThereIsOne) {
    Stats stats = stats_of(100, 40, 31, 9);
    stats.device = "cuda:1";
    EXPECT_TRUE(contains(stats.verdict(), "the GPU waited 31 % of the time for producers"));
    stats.waited_for_producers_s = 0;
    EXPECT_TRUE(contains(stats.verdict(), "the GPU waited 31 % of the time for neither"));
    stats.waited_for_copies_s = 40;
    EXPECT_TRUE(contains(stats.verdict(), "the link is the limit"));
    stats.copying_s = 1;
    stats.stripping_s = 2;
    EXPECT_TRUE(contains(stats.verdict(), "most of it for stripping"));
    stats.host_memory = "bounced";
    EXPECT_TRUE(contains(stats.verdict(), "could not be pinned"));
}

TEST(VerdictTest, PraisesALoaderThatKeepsUp) {
    Stats stats = stats_of(100, 1, 1, 0);
    for (const double waited : {10.0, 30.0}) {
        ProducerStats producer;
        producer.attached_s = 50;
        producer.waited_s = waited;
        stats.producers.push_back(producer);
    }
    EXPECT_EQ(stats.verdict(),
              "the trainer waited 1 % of the time: the loader keeps up, and the producers were "
              "idle for 40 % of theirs");
    stats.producers.clear();
    EXPECT_TRUE(contains(stats.verdict(), "idle for 0 % of theirs"));
}

TEST(VerdictTest, BlamesNobodyForAWaitThatWasForNeither) {
    // A trainer that holds every batch and asks for one more waits for itself.
    const std::string verdict = stats_of(100, 40, 0, 0).verdict();
    EXPECT_EQ(verdict.find("add producers"), std::string::npos) << verdict;
    EXPECT_EQ(verdict.find("the link is the limit"), std::string::npos) << verdict;
}

}  // namespace
}  // namespace headrace
