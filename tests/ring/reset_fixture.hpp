// A ring that is reset, with records that tell their item.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <string>

#include "headrace/ring.hpp"
#include "ring/ring_fixture.hpp"

namespace headrace {

class ResetFixture : public RingFixture {
  protected:
    static constexpr std::uint32_t kSlots = 8;

    // Epochs of 12 records, in an order of their own.
    RingOptions shuffled(std::uint64_t epochs = 1) {
        RingOptions options = RingFixture::options(12, kSlots);
        options.epochs = epochs;
        options.shuffle_seed = 3;
        return options;
    }
    RingOptions stream() { return RingFixture::options(0, kSlots); }

    // A record tells its item, and nothing else.
    static void write(ClaimedRecord& record) {
        record.field<float>(0)[0] = static_cast<float>(record.item());
        record.publish(1, 0);
    }
    static void write(Producer& producer, int count) {
        for (int i = 0; i < count; ++i) {
            auto record = producer.try_claim();
            ASSERT_TRUE(record) << name_of(record.outcome()) << " for record " << i;
            write(*record);
        }
    }
    static void expect_content(const RecordLease& record) {
        ASSERT_EQ(record.field<float>(0).size(), 1u);
        EXPECT_EQ(record.field<float>(0)[0], static_cast<float>(record.item()));
    }
    // The records of a new beginning, one after the other: what the sampler says from its index
    // `first` on.
    static void expect_from(const Ring& ring, Producer& producer, Consumer& consumer,
                            std::uint64_t first, std::uint64_t last) {
        std::optional<std::uint64_t> index;
        for (std::uint64_t place = first; place < last; ++place) {
            SCOPED_TRACE("place " + std::to_string(place));
            write(producer, 1);
            auto record = consumer.try_get();
            ASSERT_TRUE(record) << name_of(record.outcome());
            EXPECT_EQ(record->item(), ring.sampler()->item_of(place));
            EXPECT_EQ(record->epoch(), ring.sampler()->epoch_of(place));
            if (index) {
                EXPECT_EQ(record->index(), *index + 1) << "indices go on upwards";
            }
            index = record->index();
            expect_content(*record);
        }
    }
    // The consumer has nothing to give, but has gone along with a reset.
    static void expect_nothing(Consumer& consumer) {
        EXPECT_EQ(consumer.try_get().outcome(), Outcome::timed_out);
    }
};

}  // namespace headrace
