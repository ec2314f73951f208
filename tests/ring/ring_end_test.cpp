// The ways in which a ring ends, and who is told.
#include <gtest/gtest.h>

#include <stdexcept>

#include "headrace/ring.hpp"
#include "ring/ring_fixture.hpp"

namespace headrace {
namespace {

using std::chrono::milliseconds;

class RingEndTest : public RingFixture {};

TEST_F(RingEndTest, EndsAStreamWhenEveryProducerHasFinished) {
    RingOptions two = options();
    two.producers = 2;
    Ring ring = Ring::create(two);
    Consumer consumer = ring.consumer();
    {
        Producer first = ring.producer();
        first.put({}, {});
    }
    EXPECT_TRUE(consumer.get());
    EXPECT_EQ(consumer.get_for(milliseconds(20)).outcome(), Outcome::timed_out)
        << "the second one is still to come";
    {
        Producer second = ring.producer();
        second.put({}, {});
        auto never_written = second.claim();
    }
    EXPECT_TRUE(consumer.get());
    EXPECT_EQ(consumer.get().outcome(), Outcome::end);
    EXPECT_EQ(ring.stats().dropped, 1u);
    EXPECT_THROW(ring.producer(), SystemError);
    expect_balance(ring.stats());
}

TEST_F(RingEndTest, ClosingReachesEveryWaiter) {
    Ring ring = Ring::create(options(0, 2));
    Producer producer = ring.producer();
    producer.put({}, {});
    producer.put({}, {});
    std::thread closer([&] {
        EXPECT_TRUE(eventually([&] { return ring.stats().producers.at(0).waited_s > 0; }));
        ring.close();
    });
    EXPECT_EQ(producer.claim().outcome(), Outcome::end);
    closer.join();
    Consumer consumer = ring.consumer();
    EXPECT_EQ(consumer.take(2)->size(), 2u) << "what was published is still there";
    EXPECT_EQ(consumer.get().outcome(), Outcome::end);
}

TEST_F(RingEndTest, AbortingTellsEveryWaiterTheReason) {
    Ring ring = Ring::create(options());
    Producer producer = ring.producer();
    Consumer consumer = ring.consumer();
    std::thread waiting([&] {
        EXPECT_NE(error_of([&] { consumer.get(); }).find("out of memory"), std::string::npos);
    });
    ring.abort("out of memory");
    ring.close();  // the first ending counts
    waiting.join();
    EXPECT_NE(error_of([&] { producer.claim(); }).find("out of memory"), std::string::npos);
}

TEST_F(RingEndTest, CountsAProducerThatLeavesByAnException) {
    RingOptions quick = options();
    quick.linger = milliseconds(0);
    Ring ring = Ring::create(quick);
    Consumer consumer = ring.consumer();
    try {
        Producer producer = ring.producer("clumsy");
        producer.put({}, {});
        throw std::runtime_error("oh");
    } catch (const std::runtime_error&) {
    }
    EXPECT_TRUE(consumer.get());
    EXPECT_THROW(consumer.get(), IncompleteError);
    EXPECT_TRUE(said("left without finishing")) << messages();
}

TEST_F(RingEndTest, WaitsTheLingerTimeForAReplacement) {
    RingOptions patient = options(10);
    patient.linger = milliseconds(40);
    Ring ring = Ring::create(patient);
    Consumer consumer = ring.consumer();
    ring.producer().put({}, {});
    EXPECT_TRUE(consumer.get());
    EXPECT_THROW(consumer.get(), IncompleteError);
    EXPECT_TRUE(said("none came within 40 ms")) << messages();
}

TEST_F(RingEndTest, MayEndIncompleteWhereThatIsAllowed) {
    RingOptions lenient = options(10);
    lenient.linger = milliseconds(0);
    lenient.allow_incomplete = true;
    Ring ring = Ring::create(lenient);
    Consumer consumer = ring.consumer();
    ring.producer().put({}, {});
    EXPECT_TRUE(consumer.get());
    EXPECT_EQ(consumer.get().outcome(), Outcome::end);
    EXPECT_TRUE(ring.stats().incomplete);
}

TEST_F(RingEndTest, TakesTimeOutsOfAnySize) {
    RingOptions patient = options();
    patient.linger = milliseconds::max();
    patient.stall.report_after = milliseconds::max();
    Ring ring = Ring::create(patient);
    Consumer consumer = ring.consumer({.first_timeout = milliseconds::max(),
                                       .stall_timeout = milliseconds::max(),
                                       .lease_timeout = milliseconds::max()});
    Producer attached =
        Producer::attach("test", {.timeout = milliseconds::max(), .directory = directory_});
    std::thread writer([&] { attached.put({}, {}); });
    EXPECT_TRUE(consumer.get());
    writer.join();
    EXPECT_EQ(consumer.get_for(milliseconds(20)).outcome(), Outcome::timed_out);
    EXPECT_EQ(messages(), "");
}

}  // namespace
}  // namespace headrace
