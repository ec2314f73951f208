// state(), and runs that go on from it.
#include <gtest/gtest.h>

#include <optional>

#include "loader/loader_fixture.hpp"

namespace headrace {
namespace {

using std::chrono::milliseconds;

class ResumeTest : public LoaderFixture {
  protected:
    RingOptions shuffled(std::uint64_t records, std::uint64_t epochs) {
        RingOptions result = options(records);
        result.epochs = epochs;
        result.shuffle_seed = 21;
        return result;
    }
    // A run from `resume` on: `most` batches of it, and where it stands then.
    State run(std::vector<Seen>& batches, const RingOptions& ring_options,
              const LoaderOptions& loader_options, std::size_t most = ~std::size_t{0}) {
        Ring ring = Ring::create(ring_options);
        Writer writer(ring);
        Loader loader(ring, loader_options);
        const std::vector<Seen> more = run_to_end(loader, most);
        batches.insert(batches.end(), more.begin(), more.end());
        const State state = loader.state();
        return State::from_json(state.to_json());  // as a checkpoint keeps it
    }
    // Of a loader that stands before record `index` of a ring with these options.
    static State state_at(const RingOptions& ring, std::uint64_t index) {
        return State::of(Sampler({.epoch_records = ring.epoch_records,
                                  .shuffle_seed = ring.shuffle_seed,
                                  .rank = ring.rank,
                                  .world_size = ring.world_size,
                                  .remainder = ring.remainder}),
                         index);
    }
    std::string refusal_of(const RingOptions& bad) {
        return error_text<UsageError>([&] { Ring::create(bad); });
    }
};

TEST_F(ResumeTest, StandsBehindTheBatchesGivenBack) {
    Ring ring = Ring::create(shuffled(12, 1));
    Producer producer = ring.producer();
    write(producer, 12);
    Loader loader(ring, {.batch = 2, .depth = 3});
    const State start = loader.state();
    EXPECT_EQ(start, (State{.index = 0, .epoch_records = 12, .shuffle_seed = 21}));
    std::optional<Batch> batches[3];
    for (auto& batch : batches) batch.emplace(std::move(*loader.next()));
    EXPECT_EQ(loader.state().index, 0u) << "none of them is given back";
    batches[1].reset();
    EXPECT_EQ(loader.state().index, 0u) << "one before it is out";
    batches[0].reset();
    EXPECT_EQ(loader.state().index, 4u) << "two at once";
    batches[2].reset();
    EXPECT_EQ(loader.state().index, 6u);
    EXPECT_TRUE(eventually([&] { return ring.stats().prefetched == 6; }));
    EXPECT_EQ(loader.state().index, 6u) << "what is prefetched does not count";
}

TEST_F(ResumeTest, PassesTheEndOfAnEpochWithItsBatches) {
    Ring ring = Ring::create(shuffled(5, 2));
    Writer writer(ring);
    Loader loader(ring, {.batch = 2, .drop_last = true});
    const auto held = std::make_unique<Batch>(std::move(*loader.next()));
    loader.next();
    EXPECT_EQ(loader.next().outcome(), Outcome::end_of_epoch);
    EXPECT_EQ(loader.state().index, 0u) << "a batch of the epoch is still out";
    held->release();
    EXPECT_EQ(loader.state().index, 5u) << "the dropped last batch does not come again";
}

TEST_F(ResumeTest, ContinuesAfterAnyBatch) {
    for (const bool drop_last : {false, true}) {
        const LoaderOptions loader_options{.batch = 4, .drop_last = drop_last};
        std::vector<Seen> whole;
        run(whole, shuffled(10, 3), loader_options);
        ASSERT_EQ(whole.size(), drop_last ? 6u : 9u);
        for (std::size_t stop = 0; stop <= whole.size(); ++stop) {
            SCOPED_TRACE("stopped after " + std::to_string(stop) + " batches");
            std::vector<Seen> parts;
            RingOptions ring_options = shuffled(10, 3);
            ring_options.resume = run(parts, ring_options, loader_options, stop);
            EXPECT_EQ(ring_options.resume->index, stop == 0 ? 0 : whole[stop - 1].last);
            run(parts, ring_options, loader_options);
            EXPECT_EQ(parts, whole);
        }
    }
}

TEST_F(ResumeTest, ContinuesOnTheGridOfAnotherBatchSize) {
    std::vector<Seen> before, after;
    RingOptions ring_options = shuffled(20, 2);
    ring_options.resume = run(before, ring_options, {.batch = 3}, 2);
    ASSERT_EQ(ring_options.resume->index, 6u);
    run(after, ring_options, {.batch = 4});
    std::vector<Seen> whole;
    run(whole, shuffled(20, 2), {.batch = 4});
    // Records 6 and 7 are what is left of the batch [4, 8), then all is as if nothing had been.
    ASSERT_EQ(after.size(), 9u);
    EXPECT_EQ(after[0], (Seen{6, 8, 0, {whole[1].items[2], whole[1].items[3]}}));
    EXPECT_EQ(std::vector<Seen>(after.begin() + 1, after.end()),
              std::vector<Seen>(whole.begin() + 2, whole.end()));
}

TEST_F(ResumeTest, KeepsAShortFirstBatchAlsoWhereTheLastIsDropped) {
    RingOptions ring_options = shuffled(18, 1);
    ring_options.resume = state_at(ring_options, 6);
    std::vector<Seen> batches;
    run(batches, ring_options, {.batch = 4, .drop_last = true});
    ASSERT_EQ(batches.size(), 3u) << "[6, 8), [8, 12), [12, 16); not [16, 18)";
    EXPECT_EQ(batches[0].first, 6u);
    EXPECT_EQ(batches[0].last, 8u);
}

TEST_F(ResumeTest, ContinuesFromBatchesThatWereOutOrPrefetched) {
    State state;
    {
        Ring ring = Ring::create(shuffled(12, 1));
        Writer writer(ring);
        Loader loader(ring, {.batch = 2, .depth = 3});
        loader.next();
        const auto held = loader.next();
        state = loader.state();
    }
    RingOptions ring_options = shuffled(12, 1);
    ring_options.resume = state;
    std::vector<Seen> batches;
    run(batches, ring_options, {.batch = 2});
    EXPECT_EQ(batches.front().first, 2u) << "they come again";
    EXPECT_EQ(batches.size(), 5u);
}

TEST_F(ResumeTest, CountsOnlyWhatCameAfterIt) {
    RingOptions ring_options = shuffled(10, 3);
    ring_options.resume = state_at(ring_options, 14);
    Ring ring = Ring::create(ring_options);
    Writer writer(ring);
    Loader loader(ring, {.batch = 4});
    EXPECT_EQ(loader.state().index, 14u);
    const std::vector<Seen> batches = run_to_end(loader);
    EXPECT_EQ(batches.front().epoch, 1u);
    EXPECT_EQ(ring.stats().claimed, 16u);
    EXPECT_EQ(ring.stats().delivered, 16u);
    expect_books(ring);
}

TEST_F(ResumeTest, EndsAtOnceFromTheEnd) {
    RingOptions ring_options = shuffled(4, 1);
    ring_options.resume = state_at(ring_options, 4);
    Ring ring = Ring::create(ring_options);
    Producer producer = ring.producer();
    EXPECT_EQ(producer.claim().outcome(), Outcome::end);
    Loader loader(ring, {.batch = 2});
    EXPECT_EQ(loader.next().outcome(), Outcome::end);
    EXPECT_EQ(loader.state(), *ring_options.resume);
}

TEST_F(ResumeTest, MayAddEpochs) {
    RingOptions ring_options = shuffled(4, 1);
    std::vector<Seen> batches;
    ring_options.resume = run(batches, ring_options, {.batch = 2});
    ring_options.epochs = 2;
    run(batches, ring_options, {.batch = 2});
    std::vector<Seen> whole;
    run(whole, shuffled(4, 2), {.batch = 2});
    EXPECT_EQ(batches, whole);
}

TEST_F(ResumeTest, ContinuesAStreamAtItsNextIndex) {
    RingOptions stream = options(0);
    stream.resume = State{.index = 123'456'789'012};
    Ring ring = Ring::create(stream);
    Producer producer = ring.producer();
    write(producer, 4);
    Loader loader(ring, {.batch = 4});
    const auto batch = loader.next();
    EXPECT_EQ(batch->first_index(), 123'456'789'012u);
    EXPECT_EQ(batch->items()[3], 123'456'789'015u);
    expect_content(*batch);
    EXPECT_EQ(ring.stats().claimed, 4u);
    expect_books(ring);
}

TEST_F(ResumeTest, ContinuesFromTheFirstVersionOfAState) {
    RingOptions ring_options = shuffled(10, 3);
    std::vector<Seen> batches, wanted;
    ring_options.resume = State::from_json(
        R"({"headrace_state":1,"index":14,"epoch_records":10,"shuffle_seed":21,"rank":0,)"
        R"("world_size":1,"remainder":"drop"})");
    run(batches, ring_options, {.batch = 4});
    run(wanted, shuffled(10, 3), {.batch = 4});
    EXPECT_EQ(batches, std::vector<Seen>(wanted.begin() + 4, wanted.end()));
}

TEST_F(ResumeTest, IsRefusedInAnotherOrder) {
    RingOptions bad = shuffled(10, 3);
    bad.resume = state_at(bad, 4);
    bad.shuffle_seed = 22;
    EXPECT_TRUE(contains(refusal_of(bad),
                         "ring \"test\": cannot resume from a state of another "
                         "order; shuffle_seed was 21, is 22"));
    bad.shuffle_seed.reset();
    EXPECT_TRUE(contains(refusal_of(bad), "shuffle_seed was 21, is none"));
    bad = shuffled(10, 3);
    bad.resume = state_at(shuffled(11, 3), 4);
    EXPECT_TRUE(contains(refusal_of(bad), "epoch_records was 11, is 10"));
    bad.remainder = Remainder::pad;
    bad.world_size = 2;
    EXPECT_TRUE(contains(refusal_of(bad),
                         "epoch_records was 11, is 10; remainder was drop, is "
                         "pad"));
    bad = shuffled(10, 3);
    bad.resume = state_at(bad, 31);
    EXPECT_TRUE(contains(refusal_of(bad), "resumes at record 31, but ends at 30"));
}

TEST_F(ResumeTest, IsRefusedByAStateWhoseNumbersDoNotAgree) {
    RingOptions bad = shuffled(10, 3);
    const State good = state_at(bad, 14);
    const auto with = [&](const auto& change) {
        bad.resume = good;
        change(*bad.resume);
        return refusal_of(bad);
    };
    const std::string wrong = "ring \"test\": cannot resume from this state: ";
    EXPECT_TRUE(contains(with([](State& s) { s.index = 15; }), wrong + "its numbers do not agree"));
    EXPECT_TRUE(contains(with([](State& s) { s.epoch = 2; }), "\"epoch\":1,\"position\":4"));
    EXPECT_TRUE(contains(with([](State& s) { s.position = 3; }), "its numbers do not agree"));
    EXPECT_TRUE(contains(with([](State& s) { s.world_size = 2; }), "its numbers do not agree"));
    EXPECT_TRUE(contains(with([](State& s) { s.rank = 1; }), wrong + "sampler: rank 1 of"));
    EXPECT_TRUE(contains(with([](State& s) { s.world_size = 0; }), "world_size 0"));
    EXPECT_TRUE(contains(with([](State& s) { s.world_size = 11; }), "leave none for a rank"));
    EXPECT_TRUE(contains(with([](State& s) { s.origin_position = 11; }), "origin_position 11"));
    EXPECT_TRUE(contains(with([](State& s) { s.origin_epoch = ~0ull; }), "lies behind 2^62"));
    EXPECT_TRUE(contains(with([](State& s) { s.index = ~0ull; }),
                         "index 18446744073709551615, wanted at most 2^62"));
    bad.world_size = 2;
    EXPECT_TRUE(contains(with([](State& s) { s.position = 3; }), "its numbers do not agree"));
    RingOptions stream = options(0);
    stream.resume = State{.index = 5, .position = 5};
    EXPECT_TRUE(contains(refusal_of(stream), "its numbers do not agree"));
    stream.resume = State{.index = ~0ull};
    EXPECT_TRUE(contains(refusal_of(stream), "wanted at most 2^62"));
}

}  // namespace
}  // namespace headrace
