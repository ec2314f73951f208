// The code of docs/producer.md, run as it stands there.
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <random>
#include <span>
#include <string>

#include "headrace/headrace.hpp"

namespace headrace {
namespace {

// A ring of two fields and its consumer in this process, for threads of this process.
class ProducerGuideTest : public ::testing::Test {
  protected:
    static RingOptions options(std::uint64_t records) {
        return {.name = "producer-guide-" + std::to_string(getpid()),
                .schema = {{"wave", f32, 8}, {"label", i32, 1}},
                .slots = 8,
                .epoch_records = records,
                .epochs = 1,
                .directory = ::testing::TempDir() + "headrace-guide"};
    }
};

bool read_sample(std::uint64_t item, std::span<float> wave, std::size_t& samples) {
    if (item == 1) return false;
    wave[0] = static_cast<float>(item);
    samples = 1;
    return true;
}

TEST_F(ProducerGuideTest, SkipsWhatCannotBeRead) {
    auto ring = headrace::Ring::create(options(3));
    {
        auto producer = ring.producer();
        const std::size_t label = producer.schema().index_of("label");
        const std::int32_t answer = 5;
        while (auto record = producer.claim_for(std::chrono::nanoseconds(0))) {
            std::size_t samples = 0;
            if (!read_sample(record->item(), record->field<float>("wave"), samples)) {
                record->skip("unreadable file");
                continue;
            }
            record->field<std::int32_t>(label)[0] = answer;
            record->publish(samples, 1);
        }
    }
    Consumer consumer = ring.consumer();
    const auto lease = consumer.take(3);
    ASSERT_TRUE(lease);
    ASSERT_EQ(lease->size(), 2u);
    EXPECT_EQ(lease->field<float>("wave", 1)[0], 2.0f);
    EXPECT_EQ(lease->field<std::int32_t>("label", 0)[0], 5);
    ASSERT_EQ(lease->holes().size(), 1u);
    EXPECT_EQ(lease->holes().front().reason, "unreadable file");
}

TEST_F(ProducerGuideTest, DrawsTheSameNumbersForTheSameRecord) {
    const auto drawn = [] {
        auto ring = headrace::Ring::create(options(2));
        auto producer = ring.producer();
        auto record = producer.claim();
        const std::uint64_t item = record->item();  // a seed_seq takes 32 bits of each number
        std::seed_seq seed{std::uint64_t{42}, record->epoch(), item >> 32, item};
        std::mt19937_64 random(seed);
        return random();
    };
    EXPECT_EQ(drawn(), drawn());
}

TEST_F(ProducerGuideTest, HoldsSeveralRecordsAndWaitsForAWhile) {
    auto ring = headrace::Ring::create(options(2));
    Consumer consumer = ring.consumer();
    auto producer = ring.producer();
    bool has_looked_around = false, has_ended = false;
    const auto look_around = [&] { has_looked_around = true; };
    {
        auto first = producer.claim();
        auto second = producer.claim();
        // Both records are in work: there is nothing to claim, but one of them might come back.
        [&] {
            auto record = producer.claim_for(std::chrono::milliseconds(100));
            if (record.outcome() == headrace::Outcome::timed_out) look_around();
            if (record.outcome() == headrace::Outcome::end) return;
        }();
        second->publish(0, 0);
        first->publish(0, 0);
    }
    EXPECT_TRUE(has_looked_around);
    has_ended = producer.claim().outcome() == Outcome::end;
    EXPECT_TRUE(has_ended);
    const auto lease = consumer.take(2);
    ASSERT_TRUE(lease);
    EXPECT_EQ(lease->index(0), 0u);
    EXPECT_EQ(lease->size(), 2u);
}

}  // namespace
}  // namespace headrace
