// Consumers that share a ring, in one process: each record goes to one of them, what one gives up
// goes to another, and the books balance.
#include <gtest/gtest.h>

#include <algorithm>
#include <future>
#include <thread>
#include <vector>

#include "gtest/error_text.hpp"
#include "headrace/loader.hpp"
#include "ring/ring_fixture.hpp"

namespace headrace {
namespace {

using namespace std::chrono_literals;

class SharedTest : public RingFixture {
  protected:
    RingOptions options(std::uint64_t epoch_records = 0, std::uint32_t slots = 16) {
        RingOptions options = RingFixture::options(epoch_records, slots);
        options.shared_consumers = true;
        return options;
    }
    // What it stands for, in all its elements.
    static void publish(ClaimedRecord& record) {
        auto floats = record.field<float>(0);
        std::ranges::fill(floats, static_cast<float>(record.item()));
        record.publish(record.item() % 33, 0);
    }
    static void produce(Producer& producer, std::uint64_t records) {
        for (std::uint64_t i = 0; i < records; ++i) {
            auto record = producer.claim();
            ASSERT_TRUE(record);
            publish(*record);
        }
    }
    static void expect_whole(const RecordLease& lease, std::size_t record = 0) {
        const auto floats = lease.field<float>(std::size_t{0}, record);
        EXPECT_EQ(floats.size(), lease.item(record) % 33);
        for (const float value : floats) EXPECT_EQ(value, static_cast<float>(lease.item(record)));
    }
    // The indices that a consumer is given up to the end of the data.
    static std::vector<std::uint64_t> drain(Consumer& consumer) {
        std::vector<std::uint64_t> indices;
        for (;;) {
            auto lease = consumer.get_for(20s);
            if (lease.outcome() == Outcome::end_of_epoch) continue;
            if (!lease) {
                EXPECT_EQ(lease.outcome(), Outcome::end);
                return indices;
            }
            expect_whole(*lease);
            indices.push_back(lease->index());
        }
    }
    static std::vector<std::uint64_t> up_to(std::uint64_t records) {
        std::vector<std::uint64_t> indices;
        for (std::uint64_t i = 0; i < records; ++i) indices.push_back(i);
        return indices;
    }
};

TEST_F(SharedTest, GivesRecordsInTurn) {
    Ring ring = Ring::create(options(4));
    Producer producer = ring.producer();
    produce(producer, 4);
    Consumer first = ring.consumer();
    Consumer second = ring.consumer();
    auto a = first.get(), b = second.get(), c = second.get(), d = first.get();
    ASSERT_TRUE(a && b && c && d);
    EXPECT_EQ(a->index(), 0u);
    EXPECT_EQ(b->index(), 1u);
    EXPECT_EQ(c->index(), 2u);
    EXPECT_EQ(d->index(), 3u);
    EXPECT_EQ(a->deaths(), 0u);
    EXPECT_EQ(ring.stats().leased, 4u);
    expect_balance(ring.stats());
    a->release();
    expect_balance(ring.stats());
    EXPECT_EQ(ring.stats().delivered, 1u);
    EXPECT_EQ(first.position(), 4u);
}

TEST_F(SharedTest, DealsEachRecordOnceAmongThreads) {
    constexpr std::uint64_t kRecords = 20'000;
    Ring ring = Ring::create(options(kRecords, 8));
    std::vector<std::thread> producers;
    for (int i = 0; i < 2; ++i) {
        producers.emplace_back([&ring] {
            Producer producer = ring.producer();
            while (auto record = producer.claim()) publish(*record);
        });
    }
    std::vector<std::future<std::vector<std::uint64_t>>> consumers;
    for (int i = 0; i < 3; ++i) {
        consumers.push_back(std::async(std::launch::async, [&ring] {
            Consumer consumer = ring.consumer();
            return drain(consumer);
        }));
    }
    std::vector<std::uint64_t> all;
    for (auto& consumer : consumers) {
        const auto indices = consumer.get();
        EXPECT_TRUE(std::ranges::is_sorted(indices));
        all.insert(all.end(), indices.begin(), indices.end());
    }
    for (std::thread& thread : producers) thread.join();
    std::ranges::sort(all);
    EXPECT_EQ(all, up_to(kRecords));
    const Stats stats = ring.stats();
    EXPECT_EQ(stats.delivered, kRecords);
    EXPECT_EQ(stats.alarms, 0u);
    EXPECT_EQ(stats.redelivered, 0u);
    expect_balance(stats);
}

TEST_F(SharedTest, TakesAsManyAsAreThere) {
    Ring ring = Ring::create(options(10));
    Producer producer = ring.producer();
    Consumer consumer = ring.consumer();
    produce(producer, 3);
    auto lease = consumer.take(8);
    ASSERT_TRUE(lease);
    EXPECT_EQ(lease->size(), 3u);
    for (std::size_t i = 0; i < 3; ++i) expect_whole(*lease, i);
    EXPECT_EQ(consumer.take_for(8, 1ms).outcome(), Outcome::timed_out);
    produce(producer, 5);
    auto next = consumer.take(2);
    ASSERT_TRUE(next);
    EXPECT_EQ(next->size(), 2u);
    EXPECT_EQ(next->index(1), 4u);
}

TEST_F(SharedTest, TellsEachConsumerTheEndOfEachEpoch) {
    RingOptions two = options(3, 8);
    two.epochs = 2;
    Ring ring = Ring::create(two);
    Producer producer = ring.producer();
    produce(producer, 6);
    Consumer first = ring.consumer();
    Consumer second = ring.consumer();
    EXPECT_EQ(first.get()->index(), 0u);
    EXPECT_EQ(second.get()->index(), 1u);
    EXPECT_EQ(second.take(8)->size(), 1u) << "a lease ends with its epoch";
    EXPECT_EQ(first.get().outcome(), Outcome::end_of_epoch);
    auto lease = first.get();
    ASSERT_TRUE(lease);
    EXPECT_EQ(lease->index(), 3u);
    EXPECT_EQ(lease->epoch(), 1u);
    EXPECT_EQ(lease->item(), 0u);
    EXPECT_EQ(second.get().outcome(), Outcome::end_of_epoch);
    EXPECT_EQ(second.take(8)->size(), 2u);
    lease->release();
    EXPECT_EQ(second.get().outcome(), Outcome::end_of_epoch);
    EXPECT_EQ(second.get().outcome(), Outcome::end);
    EXPECT_EQ(first.get().outcome(), Outcome::end_of_epoch);
    EXPECT_EQ(first.get().outcome(), Outcome::end);
    expect_balance(ring.stats());
}

// One that has not been told of the first epoch's end yet, when all of the last one is taken.
TEST_F(SharedTest, WaitsAtTheEndAlsoAfterSeveralEpochs) {
    RingOptions two = options(2, 8);
    two.epochs = 2;
    Ring ring = Ring::create(two);
    Producer producer = ring.producer();
    produce(producer, 4);
    Consumer late = ring.consumer();
    Consumer other = ring.consumer();
    EXPECT_EQ(late.get()->index(), 0u);
    EXPECT_EQ(other.get()->index(), 1u);
    EXPECT_EQ(other.get().outcome(), Outcome::end_of_epoch);
    auto held = other.take(2);
    ASSERT_EQ(held->size(), 2u);
    EXPECT_EQ(late.get().outcome(), Outcome::end_of_epoch) << "the first one's, told late";
    EXPECT_EQ(late.get_for(10ms).outcome(), Outcome::timed_out);
    auto end = std::async(std::launch::async, [&] { return late.get().outcome(); });
    EXPECT_EQ(end.wait_for(20ms), std::future_status::timeout);
    held->release();
    EXPECT_EQ(end.get(), Outcome::end_of_epoch);
    EXPECT_EQ(late.get().outcome(), Outcome::end);
}

TEST_F(SharedTest, WaitsAtTheEndForWhatAnotherHolds) {
    Ring ring = Ring::create(options(2));
    Producer producer = ring.producer();
    produce(producer, 2);
    Consumer first = ring.consumer();
    Consumer second = ring.consumer();
    auto held = first.get();
    EXPECT_EQ(second.get()->index(), 1u);
    EXPECT_EQ(second.get_for(20ms).outcome(), Outcome::timed_out) << "it may still come back";
    EXPECT_EQ(first.get().outcome(), Outcome::end_of_epoch) << "who holds some waits for nobody";
    auto end = std::async(std::launch::async, [&] { return second.get().outcome(); });
    ASSERT_TRUE(eventually([&] { return ring.stats().consumers.back().waited_s > 0; }));
    held->release();
    EXPECT_EQ(end.get(), Outcome::end_of_epoch);
    EXPECT_EQ(second.get().outcome(), Outcome::end);
    EXPECT_EQ(ring.stats().alarms, 0u);
}

TEST_F(SharedTest, CountsHolesOnceAndNamesThem) {
    Ring ring = Ring::create(options(4));
    Producer producer = ring.producer();
    producer.claim()->skip("unreadable");
    produce(producer, 1);
    for (int i = 0; i < 3; ++i) (void)producer.claim();  // dropped
    producer.claim()->skip("");
    Consumer consumer = ring.consumer();
    auto lease = consumer.take(8);
    ASSERT_TRUE(lease);
    EXPECT_EQ(lease->size(), 1u);
    ASSERT_EQ(lease->holes().size(), 3u);
    EXPECT_EQ(lease->holes()[0].reason, "unreadable");
    EXPECT_EQ(lease->holes()[1].kind, HoleKind::dropped);
    EXPECT_TRUE(said("record 0 (item 0) is a hole: skipped: unreadable"));
    lease->release();
    const Stats stats = ring.stats();
    EXPECT_EQ(stats.skipped, 2u);
    EXPECT_EQ(stats.dropped, 1u);
    EXPECT_EQ(stats.delivered, 1u);
    expect_balance(stats);
}

TEST_F(SharedTest, EndsAStreamWhenAllIsGivenBack) {
    Ring ring = Ring::create(options());
    {
        Producer producer = ring.producer();
        produce(producer, 3);
    }
    Consumer consumer = ring.consumer();
    EXPECT_EQ(drain(consumer), up_to(3));
    EXPECT_EQ(ring.stats().phase, Phase::drain);
    expect_balance(ring.stats());
}

TEST_F(SharedTest, EndsIncompleteWhenNobodyReplacesADeadProducer) {
    RingOptions strict = options(3);
    strict.linger = 10ms;
    Ring ring = Ring::create(strict);
    (void)ring.producer();
    Consumer consumer = ring.consumer();
    const std::string text = error_text<IncompleteError>([&] { consumer.get(); });
    EXPECT_NE(text.find("ends incomplete at record 0"), std::string::npos) << text;
}

TEST_F(SharedTest, IsResetWhileConsumersHoldRecords) {
    Ring ring = Ring::create(options(100, 4));
    Producer producer = ring.producer();
    produce(producer, 4);
    Consumer first = ring.consumer();
    Consumer second = ring.consumer();
    auto held = first.get();
    ring.reset();
    EXPECT_EQ(second.try_get().outcome(), Outcome::timed_out);
    EXPECT_EQ(held->item(), 0u);
    expect_whole(*held);
    held->release();
    EXPECT_EQ(second.try_get().outcome(), Outcome::timed_out) << "passes over what is left";
    auto record = producer.claim();
    ASSERT_TRUE(record);
    EXPECT_EQ(record->item(), 0u);
    publish(*record);
    auto lease = second.get();
    ASSERT_TRUE(lease);
    EXPECT_EQ(lease->item(), 0u);
    EXPECT_EQ(lease->epoch(), 0u);
    EXPECT_EQ(lease->index(), 8u) << "a lap above all that was claimed";
    lease->release();
    const Stats stats = ring.stats();
    EXPECT_EQ(stats.delivered, 2u);
    EXPECT_EQ(stats.discarded, 7u);
    expect_balance(stats);
}

TEST_F(SharedTest, RefusesALoaderAndAConsumerOfItsOwnSort) {
    Ring shared = Ring::create(options(4));
    const std::string text =
        error_text<UsageError>([&] { Loader(shared, {.batch = 2, .device = Device::host()}); });
    EXPECT_NE(text.find("shared by consumers"), std::string::npos) << text;

    RingOptions own = RingFixture::options(4);
    own.name = "own";
    Ring ring = Ring::create(own);
    const std::string refusal = error_text<SystemError>(
        [&] { Consumer::attach("own", {}, {.timeout = 1ms, .directory = directory_}); });
    EXPECT_NE(refusal.find("its records are not shared"), std::string::npos) << refusal;
}

TEST_F(SharedTest, SaysSoWhenOnlyItsOwnLeaseIsInTheWay) {
    RingOptions small = options(0, 2);
    Ring ring = Ring::create(small);
    Producer producer = ring.producer();
    produce(producer, 2);
    Consumer consumer = ring.consumer({.lease_timeout = 10ms});
    auto a = consumer.get(), b = consumer.get();
    const std::string text = error_text<UsageError>([&] { consumer.get(); });
    EXPECT_NE(text.find("whose slot is held by a lease of this consumer"), std::string::npos)
        << text;
}

TEST_F(SharedTest, ShowsItsConsumers) {
    Ring ring = Ring::create(options(4));
    Producer producer = ring.producer();
    produce(producer, 1);
    {
        Consumer consumer = ring.consumer({}, "eval");
        (void)consumer.get();
        const Stats stats = ring.stats();
        ASSERT_EQ(stats.consumers.size(), 1u);
        EXPECT_EQ(stats.consumers[0].identity, "eval");
        EXPECT_EQ(stats.consumers[0].delivered, 1u);
        EXPECT_EQ(stats.consumers[0].state, ProducerState::attached);
    }
    EXPECT_EQ(ring.stats().consumers[0].state, ProducerState::finished);
    // The ids go round; the sums stay.
    for (int i = 0; i < 300; ++i) (void)ring.consumer();
    EXPECT_EQ(ring.stats().delivered, 1u);
}

}  // namespace
}  // namespace headrace
