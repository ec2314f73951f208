// Runs of several ranks that stop and go on, with as many ranks or with another number of them.
// Each rank has a ring of its own; all ranks take the same steps.
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "gtest/seed.hpp"
#include "loader/loader_fixture.hpp"
#include "schema/dealing.hpp"

namespace headrace {
namespace {

using Items = std::vector<std::uint64_t>;

// What came of the run of one number of ranks.
struct Ran {
    std::vector<std::vector<Seen>> batches;  // by rank
    std::vector<State> states;               // by rank, as a checkpoint keeps them
    bool has_ended = false;                  // all of them

    // The items of all ranks in the order of the whole run: index by index, rank by rank. Only
    // where nothing is a hole.
    Items in_global_order() const {
        std::map<std::pair<std::uint64_t, std::size_t>, std::uint64_t> all;
        for (std::size_t rank = 0; rank < batches.size(); ++rank) {
            for (const Seen& batch : batches[rank]) {
                for (std::uint64_t i = batch.first; i < batch.last; ++i) {
                    all[{i, rank}] = batch.items[i - batch.first];
                }
            }
        }
        Items items;
        for (const auto& [place, item] : all) items.push_back(item);
        return items;
    }
};

class ReshardTest : public LoaderFixture {
  protected:
    RingOptions run_options(std::uint64_t records, std::uint64_t epochs, Remainder remainder) {
        RingOptions result = options(records);
        result.epochs = epochs;
        result.shuffle_seed = 5;
        result.remainder = remainder;
        return result;
    }
    // So many ranks, from `ring_options.resume` on, until each has taken `steps` batches (and ends
    // of epochs) or is at its end.
    Ran run(const RingOptions& ring_options, std::uint32_t world_size,
            const LoaderOptions& loader_options, std::size_t steps = ~std::size_t{0},
            const std::set<std::uint64_t>& skipped = {}) {
        struct Process {
            Process(const RingOptions& ring_options, const LoaderOptions& loader_options,
                    const std::set<std::uint64_t>& skipped)
                : ring(Ring::create(ring_options)),
                  writer(ring, skipped),
                  loader(ring, loader_options) {}
            Ring ring;
            Writer writer;
            Loader loader;
        };
        std::vector<std::unique_ptr<Process>> ranks;
        for (std::uint32_t rank = 0; rank < world_size; ++rank) {
            RingOptions own = ring_options;
            own.name += std::to_string(rank);
            own.rank = rank;
            own.world_size = world_size;
            ranks.push_back(std::make_unique<Process>(own, loader_options, skipped));
        }
        Ran ran;
        ran.batches.resize(world_size);
        for (std::size_t step = 0; step < steps && !ran.has_ended; ++step) {
            for (std::uint32_t rank = 0; rank < world_size; ++rank) {
                const auto batch = ranks[rank]->loader.next();
                if (batch) ran.batches[rank].push_back(seen(*batch));
                const bool ends = batch.outcome() == Outcome::end;
                EXPECT_TRUE(rank == 0 || ends == ran.has_ended) << "one rank has more steps";
                ran.has_ended = ends;
            }
        }
        for (const auto& rank : ranks) {
            ran.states.push_back(State::from_json(rank->loader.state().to_json()));
        }
        for (std::uint32_t rank = 0; rank < world_size; ++rank) {
            State same = ran.states[0];
            same.rank = rank;
            EXPECT_EQ(ran.states[rank], same) << "one rank stands elsewhere";
        }
        return ran;
    }
};

TEST_F(ReshardTest, DealsEachRecordOnceWhereTheNumbersDivide) {
    RingOptions ring_options = run_options(24, 1, Remainder::drop);
    Items items;
    const auto add = [&](const Ran& ran) {
        const Items more = ran.in_global_order();
        items.insert(items.end(), more.begin(), more.end());
        ring_options.resume = ran.states.back();
    };
    add(run(ring_options, 4, {.batch = 2}, 1));
    EXPECT_EQ(ring_options.resume->position, 8u);
    add(run(ring_options, 2, {.batch = 2}, 1));
    EXPECT_EQ(ring_options.resume->position, 12u);
    add(run(ring_options, 3, {.batch = 3}));
    EXPECT_EQ(ring_options.resume->epoch, 1u);
    EXPECT_EQ(ring_options.resume->position, 0u);
    // In the order of the run that a single rank would have made.
    EXPECT_EQ(items, run(run_options(24, 1, Remainder::drop), 1, {.batch = 5}).in_global_order());
    EXPECT_EQ(std::set<std::uint64_t>(items.begin(), items.end()).size(), 24u);
}

// 23 records: 8 by four ranks, which leaves 15.
TEST_F(ReshardTest, LeavesOutAndRepeatsWhatThePolicySaysOfTheRest) {
    const Items order = run(run_options(23, 1, Remainder::drop), 1, {.batch = 5}).in_global_order();
    ASSERT_EQ(order.size(), 23u);
    for (const Remainder remainder : {Remainder::drop, Remainder::pad}) {
        RingOptions ring_options = run_options(23, 1, remainder);
        ring_options.resume = run(ring_options, 4, {.batch = 1}, 2).states[3];
        const auto rest = [&](std::uint32_t ranks) {
            return run(ring_options, ranks, {.batch = 2}).in_global_order();
        };
        const Items all_left(order.begin() + 8, order.end());
        EXPECT_EQ(rest(3), all_left);
        EXPECT_EQ(rest(5), all_left);
        Items wanted = all_left;
        if (remainder == Remainder::drop) {
            wanted.resize(14);
        } else {
            wanted.push_back(order[0]);
        }
        EXPECT_EQ(rest(2), wanted);
        wanted = all_left;
        if (remainder == Remainder::drop) {
            wanted.resize(12);
        } else {
            wanted.insert(wanted.end(), order.begin(), order.begin() + 3);
        }
        EXPECT_EQ(rest(6), wanted);
    }
}

TEST_F(ReshardTest, ContinuesAsBeforeWithAsManyRanks) {
    RingOptions ring_options = run_options(29, 2, Remainder::pad);
    ring_options.resume = run(ring_options, 2, {.batch = 2}, 2).states[0];  // an origin inside
    const LoaderOptions loader_options{.batch = 4};
    const Ran whole = run(ring_options, 3, loader_options);
    ASSERT_EQ(whole.batches[0].size(), 5u) << "7 indices, and 10 of the second epoch";
    for (std::size_t stop = 0; stop <= 7; ++stop) {
        SCOPED_TRACE("stopped after " + std::to_string(stop) + " steps");
        RingOptions rest_options = ring_options;
        Ran parts = run(ring_options, 3, loader_options, stop);
        rest_options.resume = parts.states[stop % 3];  // of whichever rank
        const Ran rest = run(rest_options, 3, loader_options);
        for (std::size_t rank = 0; rank < 3; ++rank) {
            std::vector<Seen>& batches = parts.batches[rank];
            batches.insert(batches.end(), rest.batches[rank].begin(), rest.batches[rank].end());
            EXPECT_EQ(batches, whole.batches[rank]) << "rank " << rank;
        }
        EXPECT_EQ(rest.states, whole.states);
    }
}

TEST_F(ReshardTest, BeginsItsIndicesAnewAndKeepsTheEpoch) {
    RingOptions ring_options = run_options(20, 3, Remainder::drop);
    ring_options.resume = run(ring_options, 2, {.batch = 5}, 4).states[0];
    EXPECT_EQ(ring_options.resume->index, 15u) << "two batches, an end of an epoch, and a batch";
    EXPECT_EQ(ring_options.resume->epoch, 1u);
    EXPECT_EQ(ring_options.resume->position, 10u);
    const Ran ran = run(ring_options, 1, {.batch = 4});
    std::vector<std::string> ranges;
    for (const Seen& batch : ran.batches[0]) {
        ranges.push_back(std::to_string(batch.epoch) + ": " + std::to_string(batch.first) + "-" +
                         std::to_string(batch.last));
    }
    EXPECT_EQ(ranges, (std::vector<std::string>{"1: 0-4", "1: 4-8", "1: 8-10", "2: 10-14",
                                                "2: 14-18", "2: 18-22", "2: 22-26", "2: 26-30"}));
    EXPECT_EQ(ran.states[0].origin_epoch, 1u);
    EXPECT_EQ(ran.states[0].origin_position, 10u);
    EXPECT_EQ(ran.states[0].epoch, 3u);
}

TEST_F(ReshardTest, GoesToTheNextEpochWhereTheRestIsTooSmall) {
    RingOptions ring_options = run_options(9, 2, Remainder::drop);
    ring_options.resume = run(ring_options, 1, {.batch = 7}, 1).states[0];
    EXPECT_EQ(ring_options.resume->position, 7u);
    const Ran ran = run(ring_options, 3, {.batch = 2});
    EXPECT_EQ(ran.batches[0].front().epoch, 1u);
    EXPECT_EQ(ran.in_global_order().size(), 9u);
    RingOptions fresh = run_options(9, 2, Remainder::drop);
    fresh.resume = run(fresh, 1, {.batch = 8}, 3).states[0];
    EXPECT_EQ(fresh.resume->epoch, 1u);
    EXPECT_EQ(run(fresh, 3, {.batch = 2}).batches, ran.batches);
}

TEST_F(ReshardTest, EndsAtOnceFromTheEnd) {
    RingOptions ring_options = run_options(6, 1, Remainder::pad);
    ring_options.resume = run(ring_options, 2, {.batch = 2}).states[0];
    const Ran ran = run(ring_options, 3, {.batch = 2});
    EXPECT_TRUE(ran.has_ended);
    EXPECT_TRUE(ran.batches[0].empty());
    EXPECT_EQ(ran.states[0].index, 0u);
    EXPECT_EQ(ran.states[0].epoch, 1u);
    ring_options.epochs = 2;
    EXPECT_EQ(run(ring_options, 3, {.batch = 2}).in_global_order().size(), 6u);
}

TEST_F(ReshardTest, DropsTheLastBatchOfARestAsOfAnyEpoch) {
    RingOptions ring_options = run_options(20, 2, Remainder::drop);
    ring_options.resume = run(ring_options, 2, {.batch = 3, .drop_last = true}, 2).states[0];
    EXPECT_EQ(ring_options.resume->position, 12u);
    const Ran ran = run(ring_options, 1, {.batch = 3, .drop_last = true});
    ASSERT_EQ(ran.batches[0].size(), 8u) << "two of the 8 records left, six of 20";
    EXPECT_EQ(ran.batches[0][1].last, 6u);
    EXPECT_EQ(ran.batches[0][2].first, 8u);
    EXPECT_EQ(ran.batches[0][2].epoch, 1u);
}

TEST_F(ReshardTest, IsRefusedBehindTheLastEpoch) {
    RingOptions ring_options = run_options(20, 3, Remainder::drop);
    ring_options.resume = run(ring_options, 2, {.batch = 5}, 4).states[0];
    ring_options.epochs = 1;
    EXPECT_TRUE(contains(error_text<UsageError>([&] { Ring::create(ring_options); }),
                         "ring \"test\": sampler: origin_position 10 of origin_epoch 1 lies "
                         "behind 1 epochs"));
}

// Random runs that change the number of ranks again and again, against plain lists.
TEST_F(ReshardTest, GoesOnInTheSameGlobalOrder) {
    const std::uint64_t seed = test_seed();
    SCOPED_TRACE(seed_note(seed));
    std::mt19937_64 random(seed);
    const auto draw = [&](std::uint64_t below) { return random() % below; };
    for (int i = 0; i < 25 && !HasFailure(); ++i) {
        SCOPED_TRACE("run " + std::to_string(i));
        RingOptions ring_options = run_options(4 + draw(40), 1 + draw(3), Remainder::drop);
        if (draw(2) == 0) ring_options.remainder = Remainder::pad;
        if (draw(3) == 0) ring_options.shuffle_seed.reset();
        Dealing dealing(ring_options.epoch_records, ring_options.epochs, ring_options.shuffle_seed,
                        ring_options.remainder);
        for (;;) {
            const auto world_size = static_cast<std::uint32_t>(1 + draw(4));
            const std::vector<Round> rounds = dealing.rounds(world_size);
            const bool is_last = draw(4) == 0;
            const Ran ran =
                run(ring_options, world_size, {.batch = static_cast<std::uint32_t>(1 + draw(6))},
                    is_last ? ~std::size_t{0} : draw(6));
            const Items items = ran.in_global_order();
            Items wanted = Dealing::items_of(rounds);
            ASSERT_LE(items.size(), wanted.size());
            ASSERT_EQ(items.size() % world_size, 0u);
            const std::size_t steps = items.size() / world_size;
            if (ran.has_ended) {
                ASSERT_EQ(steps, rounds.size());
            }
            wanted.resize(items.size());
            ASSERT_EQ(items, wanted);
            // With as many ranks as before the indices go on.
            const auto& resumed = ring_options.resume;
            const bool is_same = resumed && resumed->world_size == world_size;
            const std::uint64_t first = is_same ? resumed->index : 0;
            for (const auto& batches : ran.batches) {
                for (const Seen& batch : batches) {
                    ASSERT_GE(batch.first, first);
                    ASSERT_EQ(batch.epoch, rounds[batch.first - first].epoch);
                    ASSERT_EQ(batch.epoch, rounds[batch.last - 1 - first].epoch);
                }
            }
            dealing.pass(rounds, steps);
            ring_options.resume = ran.states[draw(world_size)];
            ASSERT_EQ(ring_options.resume->epoch, dealing.epoch);
            ASSERT_EQ(ring_options.resume->position, dealing.position);
            if (is_last) break;
        }
    }
}

// What a producer skips shifts nobody's place.
TEST_F(ReshardTest, CountsHolesAsPlacesThatWerePassed) {
    const std::set<std::uint64_t> skipped{1, 4, 5, 17};
    RingOptions ring_options = run_options(24, 1, Remainder::drop);
    Items items;
    for (const std::uint32_t world_size : {4u, 3u, 2u}) {
        const Ran ran = run(ring_options, world_size, {.batch = 1}, 2, skipped);
        for (const auto& batches : ran.batches) {
            for (const Seen& batch : batches) {
                items.insert(items.end(), batch.items.begin(), batch.items.end());
            }
        }
        ring_options.resume = ran.states[0];
    }
    EXPECT_EQ(ring_options.resume->position, 18u);
    std::set<std::uint64_t> wanted;
    for (std::uint64_t place = 0; place < 18; ++place) {
        const std::uint64_t item = Dealing(24, 1, 5, Remainder::drop).item_at(0, place);
        if (!skipped.contains(item)) wanted.insert(item);
    }
    EXPECT_EQ(items.size(), wanted.size()) << "none twice";
    EXPECT_EQ(std::set<std::uint64_t>(items.begin(), items.end()), wanted);
}

}  // namespace
}  // namespace headrace
