// Numbers that come round, and numbers near the end of their range: a run of years in a second.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "headrace/ring.hpp"
#include "ring/ring_core.hpp"
#include "ring/ring_fixture.hpp"

namespace headrace {
namespace {

class WrapTest : public RingFixture {
  protected:
    static constexpr std::uint64_t kEpoch = 1000;

    // An endless ring of 4 slots that goes on before record `index`.
    RingOptions options_from(std::uint64_t index) {
        RingOptions ring = options(kEpoch, 4);
        ring.epochs = 0;
        ring.shuffle_seed = 11;
        const Sampler sampler({.epoch_records = kEpoch, .shuffle_seed = ring.shuffle_seed});
        ring.resume = State::of(sampler, index);
        return ring;
    }

    // Two producers, which give every fifth record back once, and a consumer that expects the next
    // `records` in their order and with the bytes that were written for them.
    void carry(Ring& ring, std::uint64_t first, std::uint64_t records) {
        std::atomic<bool> over{false};
        const auto produce = [&over](Producer producer) {
            while (!over) {
                auto record = producer.claim();
                if (!record) return;
                if (record->index() % 5 == 0 && record->attempt() == 0) continue;
                record->field<std::int32_t>(1)[0] = mark_of(record->index());
                record->publish(0, 1);
            }
        };
        Consumer consumer = ring.consumer();
        std::thread one(produce, ring.producer()), other(produce, ring.producer());
        std::vector<std::uint64_t> indices, items, wanted, wanted_items;
        bool bytes_are_right = true;
        while (indices.size() < records) {
            auto record = consumer.get();
            if (record.outcome() == Outcome::end_of_epoch) continue;
            if (!record) break;
            indices.push_back(record->index());
            items.push_back(record->item());
            bytes_are_right &= record->field<std::int32_t>(1)[0] == mark_of(record->index());
        }
        for (std::uint64_t index = first; index < first + records; ++index) {
            wanted.push_back(index);
            wanted_items.push_back(ring.sampler()->item_of(index));
        }
        over = true;
        ring.close();
        one.join();
        other.join();
        EXPECT_EQ(indices, wanted);
        EXPECT_EQ(items, wanted_items);
        EXPECT_TRUE(bytes_are_right);
        EXPECT_EQ(ring.stats().alarms, 0u);
        EXPECT_EQ(ring.stats().lost, 0u);
        expect_balance(ring.stats());
    }

    static std::int32_t mark_of(std::uint64_t index) {
        return static_cast<std::int32_t>(index & 0x7fffffff);
    }
    static ring::Control& control_of(const Ring& ring) {
        return ring.shared_core()->protocol().control();
    }
};

TEST_F(WrapTest, CarriesRecordsOverTheEndOfTheWordsTag) {
    const std::uint64_t first = (std::uint64_t{1} << ring::kTagBits) - 50;
    Ring ring = Ring::create(options_from(first));
    carry(ring, first, 500);
}

TEST_F(WrapTest, CarriesRecordsOverManyTagsAtOnceFarOut) {
    const std::uint64_t first = (std::uint64_t{12345} << ring::kTagBits) - 50;
    Ring ring = Ring::create(options_from(first));
    carry(ring, first, 500);
}

TEST_F(WrapTest, CarriesRecordsOverTheGreatestIndexToStartFrom) {
    Ring ring = Ring::create(options_from(ring::kMostIndex));
    carry(ring, ring::kMostIndex, 500);
}

TEST_F(WrapTest, WakesSleepersWhenTheirBellsComeRound) {
    Ring ring = Ring::create(options_from(0));
    ring::Control& control = control_of(ring);
    control.ready_bell = 0xffff'ffff;
    control.space_bell = 0xffff'ffff;
    Producer producer = ring.producer();
    Consumer consumer = ring.consumer();
    std::thread waiting([&] { EXPECT_EQ(consumer.get()->index(), 0u); });
    EXPECT_TRUE(eventually([&] { return control.wanted != ring::kNobody; }));
    producer.put({}, {});
    waiting.join();
    EXPECT_EQ(control.ready_bell, 0u);

    for (int i = 0; i < 4; ++i) producer.put({}, {});
    std::thread full([&] { EXPECT_EQ(producer.put({}, {}), Outcome::ready); });
    EXPECT_TRUE(eventually([&] { return control.producers_asleep != 0; }));
    consumer.get()->release();
    full.join();
    EXPECT_EQ(control.space_bell, 0u);
    EXPECT_EQ(ring.stats().alarms, 0u);
}

TEST_F(WrapTest, LooksAtReturnsWhenTheirCounterComesRound) {
    Ring ring = Ring::create(options_from(0));
    control_of(ring).returns = ~std::uint64_t{0} - 20;
    carry(ring, 0, 500);
    EXPECT_LT(control_of(ring).returns, 1'000u) << "a hundred came back";
}

// Each id is dealt out 130 times, so that every incarnation of it comes round.
TEST_F(WrapTest, KnowsProducersWhoseIdsAndIncarnationsCameRound) {
    Ring ring = Ring::create(options_from(0));
    Producer before = ring.producer("before");
    auto held = before.claim();
    for (std::uint32_t i = 0; i < 130 * kMaxProducers; ++i) ring.producer("passing");
    held->field<std::int32_t>(1)[0] = 7;
    held->publish(0, 1);
    Consumer consumer = ring.consumer();
    EXPECT_EQ(consumer.get()->field<std::int32_t>(1)[0], 7) << "it was nobody else's meanwhile";
    EXPECT_EQ(before.put({}, {}), Outcome::ready);
    EXPECT_EQ(consumer.get()->index(), 1u);
    EXPECT_EQ(ring.stats().returned, 0u);
}

}  // namespace
}  // namespace headrace
