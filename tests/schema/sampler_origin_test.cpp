// The sampler of a run that began elsewhere than at the start of an epoch, with another number of
// ranks.
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "gtest/error_text.hpp"
#include "gtest/seed.hpp"
#include "headrace/error.hpp"
#include "headrace/sampler.hpp"
#include "headrace/state.hpp"
#include "schema/dealing.hpp"

namespace headrace {
namespace {

using Items = std::vector<std::uint64_t>;

// By rank, the items of all indices.
std::vector<Items> dealt(SamplerOptions options) {
    std::vector<Items> hands;
    for (options.rank = 0; options.rank < options.world_size; ++options.rank) {
        const Sampler sampler(options);
        Items& hand = hands.emplace_back();
        for (std::uint64_t i = 0; i < sampler.end_index(); ++i) hand.push_back(sampler.item_of(i));
    }
    return hands;
}

std::string refusal_of(const SamplerOptions& options) {
    return error_text<UsageError>([&] { Sampler sampler(options); });
}

// What one rank is told, index by index, against the rounds.
void expect_rounds(const Sampler& sampler, const std::vector<Round>& rounds) {
    std::uint64_t begin = 0;
    for (std::uint64_t i = 0; i < rounds.size(); ++i) {
        if (i != 0 && rounds[i].epoch != rounds[i - 1].epoch) begin = i;
        std::uint64_t end = i + 1;
        while (end < rounds.size() && rounds[end].epoch == rounds[i].epoch) ++end;
        ASSERT_EQ(sampler.epoch_of(i), rounds[i].epoch) << "index " << i;
        ASSERT_EQ(sampler.item_of(i), rounds[i].items[sampler.options().rank]) << "index " << i;
        ASSERT_EQ(sampler.position_of(i), i - begin) << "index " << i;
        ASSERT_EQ(sampler.epoch_end_of(i), end) << "index " << i;
        ASSERT_EQ(sampler.global_position_of(i), rounds[i].places[0]) << "index " << i;
    }
}

TEST(SamplerOriginTest, DealsTheRestOfAnEpochAmongOtherRanks) {
    EXPECT_EQ(dealt({.epoch_records = 10, .epochs = 1, .world_size = 3, .origin_position = 4}),
              (std::vector<Items>{{4, 7}, {5, 8}, {6, 9}}));
}

TEST(SamplerOriginTest, GoesOnWithWholeEpochs) {
    EXPECT_EQ(dealt({.epoch_records = 4,
                     .epochs = 7,
                     .world_size = 2,
                     .origin_epoch = 5,
                     .origin_position = 2}),
              (std::vector<Items>{{2, 0, 2}, {3, 1, 3}}));
}

TEST(SamplerOriginTest, LeavesOutWhatIsOverOfTheRest) {
    EXPECT_EQ(dealt({.epoch_records = 10, .epochs = 1, .world_size = 4, .origin_position = 4}),
              (std::vector<Items>{{4}, {5}, {6}, {7}}));
}

TEST(SamplerOriginTest, FillsTheRestFromTheStartOfItsOrder) {
    EXPECT_EQ(dealt({.epoch_records = 10,
                     .epochs = 1,
                     .world_size = 4,
                     .remainder = Remainder::pad,
                     .origin_position = 4}),
              (std::vector<Items>{{4, 8}, {5, 9}, {6, 0}, {7, 1}}));
    EXPECT_EQ(dealt({.epoch_records = 2,
                     .epochs = 1,
                     .world_size = 5,
                     .remainder = Remainder::pad,
                     .origin_position = 1}),
              (std::vector<Items>{{1}, {0}, {1}, {0}, {1}}))
        << "more than once around";
}

TEST(SamplerOriginTest, BeginsWithTheNextEpochWhereNothingIsLeft) {
    const SamplerOptions whole{
        .epoch_records = 7, .epochs = 3, .shuffle_seed = 4, .world_size = 3, .origin_epoch = 2};
    SamplerOptions rest = whole;
    rest.origin_epoch = 1;
    for (const std::uint64_t position : {5u, 6u, 7u}) {  // fewer than the ranks, or none
        rest.origin_position = position;
        EXPECT_EQ(dealt(rest), dealt(whole)) << "from place " << position;
        EXPECT_EQ(Sampler(rest).epoch_of(0), 2u);
        EXPECT_EQ(Sampler(rest).global_position_of(0), 0u);
        EXPECT_EQ(Sampler(rest).options(), rest) << "the options stay as they were given";
    }
    rest.remainder = Remainder::pad;
    EXPECT_EQ(Sampler(rest).epoch_of(0), 2u) << "none left is none to fill up";
    rest.origin_position = 6;
    EXPECT_EQ(Sampler(rest).epoch_of(0), 1u);
    EXPECT_EQ(Sampler(rest).epoch_of(1), 2u);
}

TEST(SamplerOriginTest, HasNothingAtTheEndOfTheLastEpoch) {
    EXPECT_EQ(Sampler({.epoch_records = 7, .epochs = 3, .origin_epoch = 3}).end_index(), 0u);
    EXPECT_EQ(Sampler({.epoch_records = 7, .epochs = 3, .origin_epoch = 2, .origin_position = 7})
                  .end_index(),
              0u);
    EXPECT_EQ(Sampler({.epoch_records = 7,
                       .epochs = 3,
                       .world_size = 2,
                       .origin_epoch = 2,
                       .origin_position = 6})
                  .end_index(),
              0u)
        << "one record for two ranks";
}

TEST(SamplerOriginTest, DealsAsPlainListsDo) {
    const std::uint64_t seed = test_seed();
    SCOPED_TRACE(seed_note(seed));
    std::mt19937_64 random(seed);
    const auto draw = [&](std::uint64_t below) { return random() % below; };
    for (int run = 0; run < 3000 && !testing::Test::HasFailure(); ++run) {
        SamplerOptions options{.epoch_records = 1 + draw(30),
                               .epochs = 1 + draw(4),
                               .shuffle_seed = {},
                               .world_size = static_cast<std::uint32_t>(1 + draw(7)),
                               .remainder = draw(2) == 0 ? Remainder::drop : Remainder::pad};
        if (draw(3) != 0) options.shuffle_seed = random();
        options.origin_epoch = draw(options.epochs + 1);
        if (options.origin_epoch < options.epochs) {
            options.origin_position = draw(options.epoch_records + 1);
        }
        SCOPED_TRACE("run " + std::to_string(run) + ": " + std::to_string(options.epoch_records) +
                     " records for " + std::to_string(options.world_size) + " ranks from place " +
                     std::to_string(options.origin_position) + " of epoch " +
                     std::to_string(options.origin_epoch));
        if (options.remainder == Remainder::drop && options.epoch_records < options.world_size) {
            EXPECT_TRUE(contains(refusal_of(options), "leave none for a rank"));
            continue;
        }
        Dealing dealing(options.epoch_records, options.epochs, options.shuffle_seed,
                        options.remainder);
        dealing.epoch = options.origin_epoch;
        dealing.position = options.origin_position;
        const std::vector<Round> rounds = dealing.rounds(options.world_size);
        for (options.rank = 0; options.rank < options.world_size; ++options.rank) {
            EXPECT_EQ(Sampler(options).end_index(), rounds.size());
            expect_rounds(Sampler(options), rounds);
        }
    }
}

// Stops after any number of steps and goes on with any number of ranks, again and again: what all
// ranks take together is the order that a list says, and the state of each says where it stands.
TEST(SamplerOriginTest, ContinuesOverAnyNumberOfChanges) {
    const std::uint64_t seed = test_seed();
    SCOPED_TRACE(seed_note(seed));
    std::mt19937_64 random(seed);
    const auto draw = [&](std::uint64_t below) { return random() % below; };
    for (int run = 0; run < 1000 && !testing::Test::HasFailure(); ++run) {
        SCOPED_TRACE("run " + std::to_string(run));
        SamplerOptions options{.epoch_records = 6 + draw(40),
                               .epochs = 1 + draw(3),
                               .shuffle_seed = random(),
                               .remainder = draw(2) == 0 ? Remainder::drop : Remainder::pad};
        Dealing dealing(options.epoch_records, options.epochs, options.shuffle_seed,
                        options.remainder);
        State state;
        do {
            options.world_size = static_cast<std::uint32_t>(1 + draw(6));
            options.origin_epoch = state.epoch;
            options.origin_position = state.position;
            const std::vector<Round> rounds = dealing.rounds(options.world_size);
            const std::uint64_t steps = draw(rounds.size() + 1);
            for (options.rank = 0; options.rank < options.world_size; ++options.rank) {
                const Sampler sampler(options);
                ASSERT_EQ(sampler.end_index(), rounds.size());
                for (std::uint64_t i = 0; i < steps; ++i) {
                    ASSERT_EQ(sampler.item_of(i), rounds[i].items[options.rank]);
                }
                state = State::of(sampler, steps);
            }
            dealing.pass(rounds, steps);
            ASSERT_EQ(state.epoch, dealing.epoch);
            ASSERT_EQ(state.position, dealing.position);
        } while (dealing.epoch < options.epochs && draw(8) != 0);
    }
}

TEST(SamplerOriginTest, IsEndlessFromAnyOrigin) {
    const Sampler sampler({.epoch_records = 10,
                           .shuffle_seed = 1,
                           .rank = 1,
                           .world_size = 2,
                           .origin_epoch = 1'000'000,
                           .origin_position = 4});
    const Sampler alone({.epoch_records = 10, .shuffle_seed = 1});
    EXPECT_EQ(sampler.end_index(), Sampler::kEndless);
    EXPECT_EQ(sampler.item_of(0), alone.item_of(10'000'005));
    EXPECT_EQ(sampler.item_of(3), alone.item_of(10'000'011));
    EXPECT_EQ(sampler.epoch_of(3 + 5 * 70), 1'000'071u);
    EXPECT_LT(sampler.item_of(Sampler::kEndless - 1), 10u);
}

TEST(SamplerOriginTest, RefusesAnOriginOutsideOfTheData) {
    EXPECT_EQ(refusal_of({.epoch_records = 9, .origin_position = 10}),
              "sampler: origin_position 10 of origin_epoch 0, wanted at most 9, the records of an "
              "epoch");
    EXPECT_EQ(refusal_of({.epoch_records = 9, .epochs = 3, .origin_epoch = 4}),
              "sampler: origin_position 0 of origin_epoch 4 lies behind 3 epochs, which is all");
    EXPECT_TRUE(contains(
        refusal_of({.epoch_records = 9, .epochs = 3, .origin_epoch = 3, .origin_position = 1}),
        "origin_position 1 of origin_epoch 3 lies behind 3 epochs"));
    EXPECT_TRUE(contains(refusal_of({.epoch_records = 1, .origin_epoch = ~0ull}),
                         "lies behind 2^62 records in all"));
    EXPECT_TRUE(
        contains(refusal_of({.epoch_records = 9, .origin_position = ~0ull}), "wanted at most 9"));
}

TEST(SamplerOriginTest, ReachesTwoToTheSixtyTwo) {
    const std::uint64_t most = 1ull << 62;
    const Sampler last({.epoch_records = most, .epochs = 1, .origin_position = most - 1});
    EXPECT_EQ(last.end_index(), 1u);
    EXPECT_EQ(last.item_of(0), most - 1);
    EXPECT_EQ(last.global_position_of(1), 0u);
    const Sampler many({.epoch_records = 1, .origin_epoch = most});
    EXPECT_EQ(many.epoch_of(5), most + 5);
    const Sampler wide({.epoch_records = most - 1,
                        .epochs = 1,
                        .rank = 3,
                        .world_size = 4,
                        .remainder = Remainder::pad,
                        .origin_position = most - 2});
    EXPECT_EQ(wide.end_index(), 1u);
    EXPECT_EQ(wide.item_of(0), 2u) << "places most - 2, 0, 1, 2";
}

}  // namespace
}  // namespace headrace
