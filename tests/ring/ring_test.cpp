// The ring through its public interface, producers and consumer in one process.
#include "headrace/ring.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <numeric>

#include "headrace/error.hpp"
#include "ring/ring_core.hpp"
#include "ring/ring_fixture.hpp"

namespace headrace {
namespace {

using std::chrono::milliseconds;

class RingTest : public RingFixture {};

TEST_F(RingTest, CarriesARecordFromClaimToGet) {
    Ring ring = Ring::create(options());
    Producer producer = ring.producer();
    Consumer consumer = ring.consumer();
    auto record = producer.claim();
    ASSERT_TRUE(record);
    auto floats = record->field<float>("floats");
    ASSERT_EQ(floats.size(), 32u);
    std::iota(floats.begin(), floats.end(), 1.0f);
    record->field<std::int32_t>("ints")[0] = 42;
    record->publish(3, 1);

    auto got = consumer.get();
    ASSERT_TRUE(got);
    EXPECT_EQ(got->index(), 0u);
    const auto values = got->field<float>("floats");
    EXPECT_EQ(std::vector<float>(values.begin(), values.end()), (std::vector<float>{1, 2, 3}));
    EXPECT_EQ(got->field<std::int32_t>("ints")[0], 42);
}

TEST_F(RingTest, KeepsZeroLengthsAndFullLengths) {
    Ring ring = Ring::create(options());
    Producer producer = ring.producer();
    Consumer consumer = ring.consumer();
    const std::vector<float> full(32, 0.0f);  // trailing zeros are payload
    EXPECT_EQ(producer.put({}, {}), Outcome::ready);
    EXPECT_EQ(producer.put(full, {}), Outcome::ready);
    EXPECT_EQ(consumer.get()->field<float>(0).size(), 0u);
    EXPECT_EQ(consumer.get()->field<float>(0).size(), 32u);
}

TEST_F(RingTest, TellsTimeOutEndOfEpochAndEndApart) {
    RingOptions two_epochs = options(2);
    two_epochs.epochs = 2;
    Ring ring = Ring::create(two_epochs);
    Producer producer = ring.producer();
    Consumer consumer = ring.consumer({.first_timeout = milliseconds(1)});
    EXPECT_EQ(consumer.get().outcome(), Outcome::timed_out);
    EXPECT_EQ(consumer.try_get().outcome(), Outcome::timed_out);
    for (int i = 0; i < 4; ++i) producer.put({}, {});
    EXPECT_EQ(producer.claim().outcome(), Outcome::end);
    for (int epoch = 0; epoch < 2; ++epoch) {
        for (std::uint64_t i = 0; i < 2; ++i) EXPECT_EQ(consumer.get()->item(), i);
        EXPECT_EQ(consumer.get().outcome(), Outcome::end_of_epoch);
    }
    EXPECT_EQ(consumer.get().outcome(), Outcome::end);
    EXPECT_EQ(consumer.get().outcome(), Outcome::end);
}

TEST_F(RingTest, HasASeparateTimeOutForAStall) {
    Ring ring = Ring::create(options());
    Producer producer = ring.producer();
    Consumer consumer = ring.consumer({.stall_timeout = milliseconds(1)});
    std::thread slow([&] { producer.put({}, {}); });
    EXPECT_TRUE(consumer.get()) << "the first record has no time-out";
    slow.join();
    EXPECT_EQ(consumer.get().outcome(), Outcome::timed_out);
}

TEST_F(RingTest, BoundsTheWaitForAPlace) {
    Ring ring = Ring::create(options(0, 2));
    Producer producer = ring.producer();
    producer.put({}, {});
    producer.put({}, {});
    EXPECT_EQ(producer.try_claim().outcome(), Outcome::timed_out);
    EXPECT_EQ(producer.claim_for(milliseconds(1)).outcome(), Outcome::timed_out);
    Consumer consumer = ring.consumer();
    consumer.get()->release();
    EXPECT_TRUE(producer.claim_for(std::chrono::nanoseconds::max()));
}

TEST_F(RingTest, GivesBackARecordThatIsDropped) {
    Ring ring = Ring::create(options(5));
    Producer producer = ring.producer();
    { auto dropped = producer.claim(); }
    auto again = producer.claim();
    EXPECT_EQ(again->index(), 0u);
    EXPECT_EQ(again->attempt(), 1u);
    again->publish(0, 0);
    const Stats stats = ring.stats();
    EXPECT_EQ(stats.returned, 1u);
    EXPECT_EQ(stats.producers.at(0).dropped, 1u);
    expect_balance(stats);
}

TEST_F(RingTest, NamesAndCountsWhatIsSkipped) {
    Ring ring = Ring::create(options(2));
    Producer producer = ring.producer();
    Consumer consumer = ring.consumer();
    producer.claim()->skip("unreadable");
    producer.put({}, {});
    EXPECT_EQ(consumer.get()->index(), 1u);
    EXPECT_TRUE(said("record 0 (item 0) is a hole: skipped: unreadable")) << messages();
    EXPECT_EQ(ring.stats().skipped, 1u);
    expect_balance(ring.stats());
}

TEST_F(RingTest, TakesRunsWithTheirHoles) {
    Ring ring = Ring::create(options(6));
    Producer producer = ring.producer();
    Consumer consumer = ring.consumer();
    for (int i = 0; i < 6; ++i) {
        auto record = producer.claim();
        if (i == 1) {
            record->skip("no");
        } else {
            record->publish(i, 0);
        }
    }
    auto run = consumer.take(4);
    ASSERT_EQ(run->size(), 3u);
    EXPECT_EQ(run->index(1), 2u);
    EXPECT_EQ(run->length(0, 1), 2u);
    ASSERT_EQ(run->holes().size(), 1u);
    EXPECT_EQ(run->holes()[0].kind, HoleKind::skipped);
    EXPECT_EQ(consumer.take(4)->size(), 2u) << "the epoch ends";
}

TEST_F(RingTest, RefusesLengthsThatDoNotFitAndKeepsTheRecord) {
    Ring ring = Ring::create(options());
    Producer producer = ring.producer();
    auto record = producer.claim();
    EXPECT_NE(error_of([&] {
                  record->publish(33, 0);
              }).find("length 33 of field \"floats\", wanted 0 to 32"),
              std::string::npos);
    EXPECT_THROW(record->publish(-1, 0), UsageError);
    EXPECT_THROW(record->publish(~std::uint64_t{0}, 0), UsageError);
    EXPECT_NE(error_of([&] { record->publish(1); }).find("1 lengths, wanted 2"), std::string::npos);
    record->publish(32, 4);
    EXPECT_THROW(record->publish(32, 4), UsageError);
    EXPECT_THROW(record->field<float>(0), UsageError);
    EXPECT_THROW(producer.put(std::vector<float>(33), {}), UsageError);
}

TEST_F(RingTest, RefusesFieldsThatDoNotExist) {
    Ring ring = Ring::create(options());
    Producer producer = ring.producer();
    auto record = producer.claim();
    EXPECT_NE(error_of([&] { record->field<float>("mel"); }).find("floats f32[32], ints i32[4]"),
              std::string::npos);
    EXPECT_NE(error_of([&] {
                  record->field<double>("floats");
              }).find("is of dtype f32, asked for as f64"),
              std::string::npos);
    record->skip("done");
}

TEST_F(RingTest, RefusesBadOptions) {
    const auto refused = [this](const std::function<void(RingOptions&)>& change) {
        RingOptions bad = options(10);
        change(bad);
        return error_of([&] { Ring::create(bad); });
    };
    EXPECT_NE(refused([](auto& o) { o.name = "a/b"; }).find("found '/'"), std::string::npos);
    EXPECT_NE(refused([](auto& o) { o.name = ".."; }).find("is a directory"), std::string::npos);
    EXPECT_NE(refused([](auto& o) { o.schema = {}; }).find("no field"), std::string::npos);
    EXPECT_NE(refused([](auto& o) { o.slots = 1; }).find("1 slots, wanted 2"), std::string::npos);
    EXPECT_NE(refused([](auto& o) { o.rank = 1; }).find("rank 1 of world_size 1"),
              std::string::npos);
    EXPECT_NE(refused([](auto& o) { o.epoch_records = 0; }).find("stream ring"), std::string::npos);
    EXPECT_NE(
        refused([](auto& o) { o.directory += "/" + std::string(100, 'x'); }).find("socket path"),
        std::string::npos);
    EXPECT_NE(
        refused([](auto& o) { o.resume = State{.index = 3}; }).find("epoch_records was 0, is 10"),
        std::string::npos);
}

TEST_F(RingTest, ComparesTheMemoryWithWhatThereIs) {
    RingOptions large = options();
    large.schema = Schema{{"huge", DType::f64, 1u << 30}};
    large.slots = 4096;  // 32 TiB
    const std::string error = error_of([&] { Ring::create(large); });
    EXPECT_NE(error.find("needs 33554"), std::string::npos) << error;
    EXPECT_NE(error.find("there are"), std::string::npos) << error;
}

TEST_F(RingTest, RefusesASecondRingOfItsName) {
    Ring ring = Ring::create(options());
    EXPECT_NE(error_of([&] { Ring::create(options()); }).find("exists already"), std::string::npos);
    EXPECT_TRUE(std::filesystem::exists(ring.socket_path())) << "the first one is still there";
    Producer producer = Producer::attach("test", {.directory = directory_});
}

TEST_F(RingTest, LeavesNothingBehind) {
    { Ring ring = Ring::create(options()); }
    EXPECT_TRUE(std::filesystem::is_empty(directory_));
    Ring again = Ring::create(options());
}

TEST_F(RingTest, RefusesASecondConsumer) {
    Ring ring = Ring::create(options());
    Consumer first = ring.consumer();
    EXPECT_THROW(ring.consumer(), UsageError);
}

TEST_F(RingTest, LetsTheNextConsumerGoOn) {
    Ring ring = Ring::create(options());
    Producer producer = ring.producer();
    for (int i = 0; i < 4; ++i) producer.put({}, {});
    {
        Consumer first = ring.consumer();
        first.take(2);
    }
    EXPECT_EQ(ring.consumer().get()->index(), 2u);
}

TEST_F(RingTest, SaysThatOnlyItsOwnLeasesStandInTheWay) {
    Ring ring = Ring::create(options(0, 2));
    Producer producer = ring.producer();
    Consumer consumer = ring.consumer({.lease_timeout = milliseconds(5)});
    producer.put({}, {});
    producer.put({}, {});
    auto first = consumer.get();
    auto second = consumer.get();
    const std::string error = error_of([&] { consumer.get(); });
    EXPECT_NE(error.find("held by a lease on record 0"), std::string::npos) << error;
    first->release();
    producer.put({}, {});
    EXPECT_EQ(consumer.get()->index(), 2u) << "and it goes on when one is released";
}

TEST_F(RingTest, WakesAProducerThatWaitsForAPlace) {
    Ring ring = Ring::create(options(0, 4));
    Producer producer = ring.producer();
    Consumer consumer = ring.consumer();
    std::thread writer([&] {
        for (int i = 0; i < 1000; ++i) producer.put({}, {});
        producer.finish();
    });
    std::uint64_t wanted = 0;
    while (auto record = consumer.get()) EXPECT_EQ(record->index(), wanted++);
    writer.join();
    EXPECT_EQ(wanted, 1000u);
    EXPECT_EQ(ring.stats().alarms, 0u) << "no wake-up was lost";
    expect_balance(ring.stats());
}

TEST_F(RingTest, DeliversEachRecordOfManyThreadsOnce) {
    RingOptions many = options(3000, 8);
    many.shuffle_seed = 5;
    Ring ring = Ring::create(many);
    std::vector<std::thread> writers;
    for (int t = 0; t < 4; ++t) {
        writers.emplace_back([&ring, t] {
            Producer producer = ring.producer();
            int claims = 0;
            while (auto record = producer.claim()) {
                if (++claims % 97 == t) continue;  // dropped
                record->field<std::int32_t>(1)[0] = static_cast<std::int32_t>(record->item());
                record->publish(0, 1);
            }
        });
    }
    Consumer consumer = ring.consumer();
    std::vector<int> seen(3000);
    for (;;) {
        auto run = consumer.take(3);
        if (run.outcome() == Outcome::end) break;
        if (!run) continue;
        for (std::size_t i = 0; i < run->size(); ++i) {
            EXPECT_EQ(run->field<std::int32_t>(1, i)[0], static_cast<std::int32_t>(run->item(i)));
            ++seen[run->item(i)];
        }
        for (const Hole& hole : run->holes()) ++seen[hole.item];
    }
    for (auto& writer : writers) writer.join();
    EXPECT_EQ(seen, std::vector<int>(3000, 1));
    EXPECT_EQ(ring.stats().alarms, 0u);
    expect_balance(ring.stats());
}

// Two ranks go on where three stood: 9 of 15 records of the first of two epochs are dealt out. Ends
// of epochs come where they are due, and ranges do not reach over them.
TEST_F(RingTest, SharesOutWhatIsLeftOfAnEpochAmongOtherRanks) {
    const State state =
        State::of(Sampler({.epoch_records = 15, .shuffle_seed = 8, .rank = 2, .world_size = 3}), 3);
    const Sampler alone({.epoch_records = 15, .shuffle_seed = 8});
    for (std::uint32_t rank = 0; rank < 2; ++rank) {
        RingOptions half = options(15);
        half.epochs = 2;
        half.shuffle_seed = 8;
        half.rank = rank;
        half.world_size = 2;
        half.resume = state;
        Ring ring = Ring::create(half);
        Producer producer = ring.producer();
        Consumer consumer = ring.consumer();
        std::vector<std::uint64_t> items, wanted;
        std::vector<std::size_t> sizes;
        for (int i = 0; i < 10; ++i) producer.put({}, {});
        EXPECT_EQ(producer.put({}, {}), Outcome::end);
        for (auto run = consumer.take(4); run.outcome() != Outcome::end; run = consumer.take(4)) {
            sizes.push_back(run ? run->size() : 0);
            for (std::size_t i = 0; run && i < run->size(); ++i) {
                items.push_back(run->item(i));
                EXPECT_EQ(run->epoch(i), run->index(i) < 3 ? 0u : 1u);
            }
        }
        for (std::uint64_t place = 9; place < 29; place += 2) {
            wanted.push_back(alone.item_of(place + rank));
        }
        EXPECT_EQ(items, wanted);
        EXPECT_EQ(sizes, (std::vector<std::size_t>{3, 0, 4, 3, 0}));
        expect_balance(ring.stats());
    }
}

TEST_F(RingTest, LetsNothingHappenToARecordThatFinishGaveBack) {
    Ring ring = Ring::create(options(3));
    Producer gone = ring.producer();
    auto published = gone.claim();
    auto dropped = gone.claim();
    gone.finish();
    Producer other = ring.producer();
    for (int i = 0; i < 3; ++i) other.put(std::vector<float>(5), {});
    EXPECT_THROW(published->publish(1, 1), Error);
    EXPECT_THROW(published->skip("late"), Error);
    dropped = Outcome::end;
    Consumer consumer = ring.consumer();
    for (int i = 0; i < 3; ++i) EXPECT_EQ(consumer.get()->length(0), 5u);
    EXPECT_EQ(other.claim().outcome(), Outcome::end);
    expect_balance(ring.stats());
}

TEST_F(RingTest, RefusesTheProducerThatIsOneTooMany) {
    Ring ring = Ring::create(options());
    std::vector<Producer> producers;
    for (std::uint32_t i = 0; i < kMaxProducers; ++i) producers.push_back(ring.producer());
    EXPECT_NE(error_of([&] { ring.producer(); }).find("255 producers are attached already"),
              std::string::npos);
    EXPECT_NE(error_of([&] {
                  Producer::attach("test", {.directory = directory_});
              }).find("255 producers are attached already"),
              std::string::npos);
    const ProducerStats before = ring.stats().producers.back();
    producers.pop_back();
    Producer again = Producer::attach("test", {.directory = directory_});
    EXPECT_EQ(again.put({}, {}), Outcome::ready);
    const ProducerStats after = ring.stats().producers.back();
    EXPECT_EQ(after.id, before.id);
    EXPECT_EQ(after.pid, before.pid);
    EXPECT_NE(after.incarnation, before.incarnation) << "which is what tells the two apart";
}

TEST_F(RingTest, WakesAProducerForASlotReleasedWhileTheConsumerSleeps) {
    Ring ring = Ring::create(options(0, 16));
    Producer producer = ring.producer();
    Consumer consumer = ring.consumer();
    for (int i = 0; i < 16; ++i) producer.put({}, {});
    std::vector<RecordLease> leases;
    for (int i = 0; i < 16; ++i) leases.push_back(std::move(*consumer.get()));
    std::thread writer([&] { producer.put({}, {}); });
    std::thread reader([&] { EXPECT_EQ(consumer.get()->index(), 16u); });
    EXPECT_TRUE(eventually([&] {
        return ring.shared_core()->protocol().control().wanted.load() == 16 &&
               ring.stats().producers.at(0).waited_s > 0;
    }));
    leases[0].release();  // one slot is less than producers ask for, but all there is
    reader.join();
    writer.join();
    EXPECT_EQ(ring.stats().alarms, 0u);
}

}  // namespace
}  // namespace headrace
