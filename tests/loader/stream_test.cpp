// Batches of a stream ring, where the producers decide what comes next.
#include <gtest/gtest.h>

#include "loader/loader_fixture.hpp"

namespace headrace {
namespace {

using std::chrono::milliseconds;

class StreamTest : public LoaderFixture {};

TEST_F(StreamTest, EndsWhenAllProducersHaveFinished) {
    RingOptions two = options(0);
    two.producers = 2;
    Ring ring = Ring::create(two);
    Loader loader(ring, {.batch = 2});
    {
        Producer first = ring.producer();
        write(first, 2);
    }
    EXPECT_TRUE(loader.next());
    EXPECT_EQ(loader.next_for(milliseconds(20)).outcome(), Outcome::timed_out)
        << "the second one is still to come";
    {
        Producer second = ring.producer();
        write(second, 2);
    }
    EXPECT_EQ(loader.next()->first_index(), 2u);
    EXPECT_EQ(loader.next().outcome(), Outcome::end) << "and not the end of an epoch";
    EXPECT_TRUE(loader.done());
    expect_books(ring);
}

TEST_F(StreamTest, EndsWithAShortBatch) {
    Ring ring = Ring::create(options(0));
    Loader loader(ring, {.batch = 4});
    {
        Producer producer = ring.producer();
        write(producer, 7);
    }
    std::vector<Seen> batches = run_to_end(loader);
    EXPECT_EQ(batches, (std::vector<Seen>{{0, 4, 0, {0, 1, 2, 3}}, {4, 7, 0, {4, 5, 6}}}));
    EXPECT_EQ(loader.state().index, 7u);
    expect_books(ring);
}

TEST_F(StreamTest, DropsItsLastShortBatchWhereThatIsWanted) {
    Ring ring = Ring::create(options(0));
    Loader loader(ring, {.batch = 4, .drop_last = true});
    {
        Producer producer = ring.producer();
        write(producer, 7);
    }
    EXPECT_EQ(run_to_end(loader).size(), 1u);
    EXPECT_EQ(ring.stats().discarded, 3u);
    expect_books(ring);
}

TEST_F(StreamTest, EndsWithoutABatchWhenNothingCame) {
    Ring ring = Ring::create(options(0));
    Loader loader(ring, {.batch = 4});
    { Producer producer = ring.producer(); }
    EXPECT_EQ(loader.next().outcome(), Outcome::end);
    expect_books(ring);
}

TEST_F(StreamTest, IsOneEpochWithoutAnEnd) {
    Ring ring = Ring::create(options(0, 4));
    Loader loader(ring, {.batch = 2});
    std::thread writer([&] {
        Producer producer = ring.producer();
        for (int i = 0; i < 500; ++i) Writer::fill(*producer.claim());
    });
    std::uint64_t index = 0;
    for (const Batch& batch : loader.epoch()) {
        EXPECT_EQ(batch.first_index(), index);
        EXPECT_EQ(batch.epoch(), 0u);
        expect_content(batch);
        index = batch.last_index();
    }
    writer.join();
    EXPECT_EQ(index, 500u);
    EXPECT_EQ(ring.stats().alarms, 0u) << "no wake-up was lost";
    expect_books(ring);
}

TEST_F(StreamTest, WaitsForWholeBatchesWithoutAFlushTime) {
    Ring ring = Ring::create(options(0));
    Producer producer = ring.producer();
    Loader loader(ring, {.batch = 4});
    write(producer, 3);
    EXPECT_EQ(loader.next_for(milliseconds(50)).outcome(), Outcome::timed_out);
    write(producer, 1);
    EXPECT_EQ(loader.next()->size(), 4u);
}

TEST_F(StreamTest, SendsABatchOutShortAfterItsFlushTime) {
    Ring ring = Ring::create(options(0));
    Producer producer = ring.producer();
    Loader loader(ring, {.batch = 4, .flush_after = milliseconds(1)});
    EXPECT_EQ(loader.next_for(milliseconds(20)).outcome(), Outcome::timed_out)
        << "there is nothing to flush";
    for (const std::uint64_t last : {3u, 6u}) {
        write(producer, 3);
        // One batch, unless the flush time was over while we wrote.
        for (std::uint64_t next = last - 3; next < last;) {
            const auto batch = loader.next();
            ASSERT_TRUE(batch);
            EXPECT_EQ(batch->first_index(), next) << "nothing is left out";
            EXPECT_GE(batch->size(), 1u);
            expect_content(*batch);
            next = batch->last_index();
        }
    }
    EXPECT_EQ(loader.state().index, 6u);
    expect_books(ring);
}

TEST_F(StreamTest, KeepsHolesInTheirBatch) {
    Ring ring = Ring::create(options(0));
    Loader loader(ring, {.batch = 4});
    {
        Producer producer = ring.producer();
        write(producer, 1);
        producer.claim()->skip("unreadable");
        write(producer, 2);
        for (int i = 0; i < 4; ++i) producer.claim()->skip("unreadable");
        write(producer, 1);
    }
    EXPECT_EQ(run_to_end(loader),
              (std::vector<Seen>{{0, 4, 0, {0, 2, 3}}, {4, 8, 0, {}}, {8, 9, 0, {8}}}));
    EXPECT_EQ(ring.stats().skipped, 5u);
    expect_books(ring);
}

TEST_F(StreamTest, DeliversAllBeforeItTellsThatDataIsMissing) {
    RingOptions quick = options(0);
    quick.linger = milliseconds(0);
    Ring ring = Ring::create(quick);
    Loader loader(ring, {.batch = 2});
    try {
        Producer producer = ring.producer("clumsy");
        write(producer, 3);
        throw std::runtime_error("oh");
    } catch (const std::runtime_error&) {
    }
    EXPECT_EQ(loader.next()->size(), 2u);
    EXPECT_EQ(loader.next()->size(), 1u);
    EXPECT_TRUE(contains(error_text<IncompleteError>([&] { loader.next(); }),
                         "ends incomplete at record 3"));
    EXPECT_THROW(loader.next(), IncompleteError);
    EXPECT_FALSE(loader.done());
}

TEST_F(StreamTest, MayEndIncompleteWhereThatIsAllowed) {
    RingOptions lenient = options(0);
    lenient.linger = milliseconds(0);
    lenient.allow_incomplete = true;
    lenient.producers = 2;
    Ring ring = Ring::create(lenient);
    Loader loader(ring, {.batch = 2});
    {
        Producer producer = ring.producer();
        write(producer, 3);
    }
    EXPECT_EQ(run_to_end(loader).size(), 2u);
    EXPECT_TRUE(ring.stats().incomplete);
    expect_books(ring);
}

}  // namespace
}  // namespace headrace
