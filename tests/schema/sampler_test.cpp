#include "headrace/sampler.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <vector>

#include "gtest/error_text.hpp"
#include "gtest/seed.hpp"
#include "headrace/error.hpp"

namespace headrace {
namespace {

using Items = std::vector<std::uint64_t>;

// The items of one rank in one epoch.
Items items_of(const Sampler& sampler, std::uint64_t epoch) {
    Items items;
    const std::uint64_t first = epoch * sampler.shard_records();
    for (std::uint64_t i = 0; i < sampler.shard_records(); ++i) {
        items.push_back(sampler.item_of(first + i));
    }
    return items;
}

Items sorted(Items items) {
    std::sort(items.begin(), items.end());
    return items;
}

Items all_items(std::uint64_t count) {
    Items items(count);
    std::iota(items.begin(), items.end(), std::uint64_t{0});
    return items;
}

std::string refusal_of(const SamplerOptions& options) {
    return error_text<UsageError>([&] { Sampler sampler(options); });
}

TEST(PermuteTest, IsABijectionOfEverySmallRange) {
    for (std::uint64_t count = 1; count <= 300; ++count) {
        Items places;
        for (std::uint64_t i = 0; i < count; ++i) places.push_back(permute(i, count, count * 31));
        ASSERT_EQ(sorted(places), all_items(count)) << count << " items";
    }
}

TEST(PermuteTest, IsABijectionAroundPowersOfTwo) {
    for (const unsigned bits : {9u, 10u, 15u, 16u}) {
        for (const std::uint64_t count : {(1ull << bits) - 1, 1ull << bits, (1ull << bits) + 1}) {
            Items places;
            for (std::uint64_t i = 0; i < count; ++i) places.push_back(permute(i, count, 7));
            ASSERT_EQ(sorted(places), all_items(count)) << count << " items";
        }
    }
}

TEST(PermuteTest, StaysInsideTheLargestRanges) {
    const std::uint64_t seed = test_seed();
    SCOPED_TRACE(seed_note(seed));
    std::mt19937_64 random(seed);
    for (const std::uint64_t count : {(1ull << 62), (1ull << 62) - 1, (1ull << 61) + 1}) {
        for (int i = 0; i < 1000; ++i) {
            ASSERT_LT(permute(random() % count, count, random()), count);
        }
    }
}

// A checkpoint holds an index, not the order: the order must stay what it was in every release.
TEST(SamplerTest, KeepsTheOrderThatCheckpointsRelyOn) {
    const Sampler sampler({.epoch_records = 10, .shuffle_seed = 7});
    EXPECT_EQ(items_of(sampler, 0), (Items{7, 0, 6, 1, 3, 4, 9, 5, 2, 8}));
    EXPECT_EQ(items_of(sampler, 1), (Items{8, 7, 1, 4, 6, 3, 9, 5, 0, 2}));
    EXPECT_EQ(Sampler({.epoch_records = 1'000'000, .shuffle_seed = 0}).item_of(0), 137905u);
}

TEST(SamplerTest, GoesThroughItemsInOrderWithoutASeed) {
    const Sampler sampler({.epoch_records = 5, .epochs = 3});
    EXPECT_EQ(items_of(sampler, 0), all_items(5));
    EXPECT_EQ(items_of(sampler, 2), all_items(5));
    EXPECT_EQ(sampler.end_index(), 15u);
    EXPECT_EQ(sampler.epoch_of(4), 0u);
    EXPECT_EQ(sampler.epoch_of(5), 1u);
    EXPECT_EQ(sampler.position_of(7), 2u);
}

TEST(SamplerTest, DealsEachItemOnceInEveryShuffledEpoch) {
    const std::uint64_t seed = test_seed();
    SCOPED_TRACE(seed_note(seed));
    const Sampler sampler({.epoch_records = 2850, .shuffle_seed = seed});
    for (std::uint64_t epoch = 0; epoch < 4; ++epoch) {
        EXPECT_EQ(sorted(items_of(sampler, epoch)), all_items(2850)) << "epoch " << epoch;
    }
    EXPECT_NE(items_of(sampler, 0), items_of(sampler, 1)) << "each epoch has an order of its own";
    const Sampler again({.epoch_records = 2850, .shuffle_seed = seed});
    EXPECT_EQ(items_of(again, 3), items_of(sampler, 3)) << "and it is the same every time";
    const Sampler other({.epoch_records = 2850, .shuffle_seed = seed + 1});
    EXPECT_NE(items_of(other, 0), items_of(sampler, 0));
}

// Not a test of randomness, but of gross mistakes: neighbours that stay neighbours, items that
// stay where they are.
TEST(SamplerTest, LeavesNeighboursFarApart) {
    const Sampler sampler({.epoch_records = 10'000, .shuffle_seed = 3});
    const Items items = items_of(sampler, 0);
    int fixed = 0, neighbours = 0;
    for (std::size_t i = 0; i + 1 < items.size(); ++i) {
        fixed += items[i] == i;
        neighbours += items[i] + 1 == items[i + 1] || items[i + 1] + 1 == items[i];
    }
    EXPECT_LT(fixed, 20) << "1 is expected";
    EXPECT_LT(neighbours, 30) << "2 are expected";
}

TEST(SamplerTest, SharesAnEpochOutAmongTheRanks) {
    for (const std::uint32_t world : {1u, 2u, 3u, 7u}) {
        for (const std::optional<std::uint64_t> seed :
             {std::optional<std::uint64_t>{}, std::optional<std::uint64_t>{9}}) {
            Items dealt;
            for (std::uint32_t rank = 0; rank < world; ++rank) {
                const Sampler sampler(
                    {.epoch_records = 42, .shuffle_seed = seed, .rank = rank, .world_size = world});
                ASSERT_EQ(sampler.shard_records(), 42u / world);
                const Items part = items_of(sampler, 1);
                dealt.insert(dealt.end(), part.begin(), part.end());
            }
            EXPECT_EQ(sorted(dealt), all_items(42)) << "world_size " << world;
        }
    }
}

TEST(SamplerTest, LeavesOutTheRemainder) {
    Items dealt;
    for (std::uint32_t rank = 0; rank < 4; ++rank) {
        const Sampler sampler({.epoch_records = 10, .rank = rank, .world_size = 4});
        ASSERT_EQ(sampler.shard_records(), 2u);
        const Items part = items_of(sampler, 0);
        dealt.insert(dealt.end(), part.begin(), part.end());
    }
    EXPECT_EQ(sorted(dealt), all_items(8));
}

TEST(SamplerTest, DealsTheFirstItemsAgainToFillTheRemainder) {
    Items dealt;
    for (std::uint32_t rank = 0; rank < 4; ++rank) {
        const Sampler sampler(
            {.epoch_records = 10, .rank = rank, .world_size = 4, .remainder = Remainder::pad});
        ASSERT_EQ(sampler.shard_records(), 3u);
        const Items part = items_of(sampler, 0);
        dealt.insert(dealt.end(), part.begin(), part.end());
    }
    EXPECT_EQ(sorted(dealt), (Items{0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
    const Sampler one_record(
        {.epoch_records = 1, .rank = 2, .world_size = 3, .remainder = Remainder::pad});
    EXPECT_EQ(items_of(one_record, 5), Items{0});
}

TEST(SamplerTest, IsEndlessWithoutANumberOfEpochs) {
    const Sampler sampler({.epoch_records = 3, .shuffle_seed = 1});
    EXPECT_EQ(sampler.end_index(), Sampler::kEndless);
    EXPECT_LT(sampler.item_of(Sampler::kEndless - 1), 3u);
}

TEST(SamplerTest, RefusesWhatMakesNoSense) {
    EXPECT_TRUE(contains(refusal_of({}), "epoch_records is 0, wanted at least 1"));
    EXPECT_TRUE(contains(refusal_of({.epoch_records = 9, .rank = 2, .world_size = 2}),
                         "rank 2 of world_size 2, wanted rank < world_size"));
    EXPECT_TRUE(contains(refusal_of({.epoch_records = 9, .world_size = 0}), "world_size 0"));
    EXPECT_TRUE(contains(refusal_of({.epoch_records = 2, .rank = 1, .world_size = 3}),
                         "2 records for world_size 3 leave none for a rank"));
}

TEST(SamplerTest, HoldsTwoToTheSixtyTwoRecordsAndNoMore) {
    const std::uint64_t most = 1ull << 62;
    EXPECT_EQ(Sampler({.epoch_records = most, .epochs = 1}).end_index(), most);
    EXPECT_EQ(Sampler({.epoch_records = 1, .epochs = most}).end_index(), most);
    EXPECT_LT(Sampler({.epoch_records = most, .shuffle_seed = 1}).item_of(most - 1), most);
    EXPECT_TRUE(contains(refusal_of({.epoch_records = most + 1}), "wanted at most 2^62"));
    EXPECT_TRUE(contains(refusal_of({.epoch_records = ~0ull}), "wanted at most 2^62"));
    EXPECT_TRUE(contains(refusal_of({.epoch_records = 2, .epochs = most / 2 + 1}),
                         std::to_string(most / 2 + 1) + " epochs of 2 records, wanted at most"));
    EXPECT_TRUE(contains(refusal_of({.epoch_records = 1, .epochs = ~0ull}), "wanted at most"));
}

}  // namespace
}  // namespace headrace
