// Times near the ends of their range: from callers, who say "for ever" and "at once" in many ways,
// and from the shared memory, where another process may have written anything.
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <thread>
#include <vector>

#include "gtest/error_text.hpp"
#include "headrace/error.hpp"
#include "headrace/loader.hpp"
#include "ring/deadline.hpp"
#include "ring/ring_core.hpp"
#include "ring/ring_fixture.hpp"
#include "ring/snapshot.hpp"

namespace headrace {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

// No later than now; the least of them overflows as soon as anything is taken from it.
const std::vector<nanoseconds> kOver{nanoseconds(0),         nanoseconds(-1),
                                     -ring::kLongest,        -2 * ring::kLongest,
                                     nanoseconds::min() / 2, nanoseconds::min() + nanoseconds(1),
                                     nanoseconds::min()};
// Far beyond the life of any process; the greatest overflows as soon as anything is added to it.
const std::vector<nanoseconds> kForEver{ring::kLongest, 2 * ring::kLongest, nanoseconds::max() / 2,
                                        nanoseconds::max() - nanoseconds(1), nanoseconds::max()};
// The same for options, whose milliseconds reach a million times further than nanoseconds can.
const std::vector<milliseconds> kOverOptions{milliseconds(0),
                                             milliseconds(-1),
                                             -ring::kLongest,
                                             milliseconds::min() / 1'000'000,
                                             milliseconds::min() / 1'000'000 - milliseconds(1),
                                             milliseconds::min() / 2,
                                             milliseconds::min()};
const std::vector<milliseconds> kForEverOptions{ring::kLongest, milliseconds::max() / 1'000'000,
                                                milliseconds::max() / 1'000'000 + milliseconds(1),
                                                milliseconds::max() / 2, milliseconds::max()};
// Times as they stand in the memory: never, the first instant, an hour ahead, the last one.
std::vector<std::uint64_t> scribbled_times() {
    const std::uint64_t now = ring::now_ns();
    return {0, 1, now + 3'600'000'000'000, ~std::uint64_t{0} / 2, ~std::uint64_t{0}};
}

class TimesTest : public RingFixture {
  protected:
    // Does something that must come to an end by itself. When it does not, the ring is closed under
    // it, so that the test ends.
    static void expect_end(Ring& ring, const std::function<void()>& work) {
        std::atomic<bool> over{false};
        std::thread working([&] {
            work();
            over = true;
        });
        EXPECT_TRUE(eventually([&] { return over.load(); })) << "it still waits";
        if (!over) ring.close();
        working.join();
    }
    static std::string said(nanoseconds time) {
        return "time-out of " + std::to_string(time.count()) + " ns";
    }
    static std::string said(milliseconds time) {
        return "time-out of " + std::to_string(time.count()) + " ms";
    }
};

TEST_F(TimesTest, LieWithinTenYearsWhateverTheTimeOut) {
    const auto before = ring::Clock::now();
    for (const nanoseconds time : kOver) {
        EXPECT_GE(ring::deadline_after(time), before) << said(time);
        EXPECT_EQ(ring::time_left(ring::deadline_after(time)).count(), 0) << said(time);
    }
    for (const nanoseconds time : kForEver) {
        const nanoseconds left = ring::time_left(ring::deadline_after(time));
        EXPECT_GT(left, ring::kLongest - std::chrono::hours(1)) << said(time);
        EXPECT_LE(left, ring::kLongest) << said(time);
    }
    for (const milliseconds time : kOverOptions) {
        EXPECT_EQ(ring::bounded(time) < milliseconds(0), time < milliseconds(0))
            << "what is refused for being below zero stays so: " << said(time);
        const nanoseconds finer = ring::bounded(time);
        EXPECT_LE(finer.count(), 0) << said(time);
    }
    for (const milliseconds time : kForEverOptions) {
        EXPECT_EQ(nanoseconds(ring::bounded(time)), ring::kLongest) << said(time);
    }
}

TEST_F(TimesTest, EndAtOnceForEveryWaitThatIsOver) {
    Ring ring = Ring::create(options(1000, 2));
    Producer producer = ring.producer();
    Consumer consumer = ring.consumer();
    for (const nanoseconds time : kOver) {
        SCOPED_TRACE(said(time));
        expect_end(ring, [&] {
            EXPECT_EQ(consumer.get_for(time).outcome(), Outcome::timed_out);
            EXPECT_EQ(consumer.take_for(2, time).outcome(), Outcome::timed_out);
        });
    }
    producer.put({}, {});
    producer.put({}, {});
    for (const nanoseconds time : kOver) {
        SCOPED_TRACE(said(time));
        expect_end(ring,
                   [&] { EXPECT_EQ(producer.claim_for(time).outcome(), Outcome::timed_out); });
    }
    EXPECT_EQ(consumer.get_for(nanoseconds::min())->index(), 0u) << "what is there is given";
    EXPECT_EQ(producer.claim_for(nanoseconds::min())->index(), 2u);
}

TEST_F(TimesTest, EndWithWhatCameForEveryWaitWithoutEnd) {
    Ring ring = Ring::create(options(1000, 2));
    Producer producer = ring.producer();
    Consumer consumer = ring.consumer();
    const ring::Control& control = ring.shared_core()->protocol().control();
    for (const nanoseconds time : kForEver) {
        SCOPED_TRACE(said(time));
        std::thread taker([&] { EXPECT_TRUE(consumer.get_for(time)); });
        EXPECT_TRUE(eventually([&] { return control.wanted != ring::kNobody; })) << "it sleeps";
        producer.put({}, {});
        taker.join();
        producer.put({}, {});
        producer.put({}, {});
        std::thread writer([&] { EXPECT_TRUE(producer.claim_for(time)); });
        EXPECT_TRUE(eventually([&] { return control.producers_asleep != 0; })) << "it sleeps";
        EXPECT_TRUE(consumer.take_for(2, time));
        writer.join();
        producer.put({}, {});  // what the writer's dropped claim gave back
        EXPECT_TRUE(consumer.get_for(time));
    }
    EXPECT_EQ(ring.stats().lost, 0u);
}

TEST_F(TimesTest, AreRefusedBelowZeroWhereARingWants) {
    for (const milliseconds time : kOverOptions) {
        SCOPED_TRACE(said(time));
        RingOptions impatient = options(10);
        impatient.linger = time;
        RingOptions strict = options(10);
        strict.stall.report_after = time;
        if (time == milliseconds(0)) {
            { const Ring ring = Ring::create(impatient); }
            { const Ring ring = Ring::create(strict); }
            continue;
        }
        for (const RingOptions& bad : {impatient, strict}) {
            EXPECT_TRUE(
                contains(error_text<UsageError>([&] { Ring::create(bad); }), "a time below zero"));
        }
    }
    for (const milliseconds time : kForEverOptions) {
        RingOptions patient = options(10);
        patient.linger = time;
        patient.stall.report_after = time;
        Ring ring = Ring::create(patient);
        ring.producer().put({}, {});  // comes and goes, and from then on the linger time runs
        EXPECT_EQ(ring.consumer().get()->index(), 0u);
        EXPECT_EQ(ring.stats().phase, Phase::open);
    }
    EXPECT_EQ(messages(), "");
}

TEST_F(TimesTest, OfAConsumersOptionsEndItsWaitsAtOnceOrNever) {
    for (const milliseconds time : kOverOptions) {
        SCOPED_TRACE(said(time));
        Ring ring = Ring::create(options(1000, 2));
        Consumer consumer =
            ring.consumer({.first_timeout = time, .stall_timeout = time, .lease_timeout = time});
        Producer producer = ring.producer();
        expect_end(ring, [&] {
            EXPECT_EQ(consumer.get().outcome(), Outcome::timed_out) << "of the first";
            producer.put({}, {});
            EXPECT_TRUE(consumer.get());
            EXPECT_EQ(consumer.get().outcome(), Outcome::timed_out) << "of those after it";
        });
    }
    for (const milliseconds time : kForEverOptions) {
        SCOPED_TRACE(said(time));
        Ring ring = Ring::create(options(1000, 2));
        Consumer consumer =
            ring.consumer({.first_timeout = time, .stall_timeout = time, .lease_timeout = time});
        Producer producer = ring.producer();
        const ring::Control& control = ring.shared_core()->protocol().control();
        for (int record = 0; record < 2; ++record) {
            std::thread taker([&] { EXPECT_TRUE(consumer.get()); });
            EXPECT_TRUE(eventually([&] { return control.wanted != ring::kNobody; }));
            producer.put({}, {});
            taker.join();
        }
    }
}

TEST_F(TimesTest, ForLeasesEndTheWaitAtOnceOrWhenOneIsReleased) {
    const auto take_all = [](Consumer& consumer, Producer& producer) {
        producer.put({}, {});
        producer.put({}, {});
        return consumer.take(2);
    };
    for (const milliseconds time : kOverOptions) {
        SCOPED_TRACE(said(time));
        Ring ring = Ring::create(options(1000, 2));
        Consumer consumer = ring.consumer({.lease_timeout = time});
        Producer producer = ring.producer();
        const auto all = take_all(consumer, producer);
        expect_end(ring, [&] {
            EXPECT_TRUE(contains(error_text<UsageError>([&] { consumer.get(); }),
                                 "whose slot is held by a lease"));
        });
    }
    for (const milliseconds time : kForEverOptions) {
        SCOPED_TRACE(said(time));
        Ring ring = Ring::create(options(1000, 2));
        Consumer consumer = ring.consumer({.lease_timeout = time});
        Producer producer = ring.producer();
        auto all = take_all(consumer, producer);
        const ring::Control& control = ring.shared_core()->protocol().control();
        std::thread taker([&] { EXPECT_TRUE(consumer.get()); });
        EXPECT_TRUE(eventually([&] { return control.wanted != ring::kNobody; })) << "it sleeps";
        all->release();
        producer.put({}, {});
        taker.join();
    }
}

TEST_F(TimesTest, OfAttachingEndItAtOnceWhereNoRingIs) {
    for (const milliseconds time : kOverOptions) {
        SCOPED_TRACE(said(time));
        EXPECT_TRUE(contains(error_text<TimeoutError>([&] {
                                 Producer::attach("nowhere",
                                                  {.timeout = time, .directory = directory_});
                             }),
                             "no trainer listens"));
    }
}

TEST_F(TimesTest, OfAttachingAndLookingAreAnyWhereARingIs) {
    const Ring ring = Ring::create(options(1000));
    std::vector<milliseconds> all = kOverOptions;
    all.insert(all.end(), kForEverOptions.begin(), kForEverOptions.end());
    for (const milliseconds time : all) {
        SCOPED_TRACE(said(time));
        // There is always some time to answer: whoever listens is there.
        EXPECT_EQ(
            Producer::attach("test", {.timeout = time, .directory = directory_}).schema().size(),
            2u);
        try {
            EXPECT_EQ(Observer("test", directory_, time).snapshot().ring, "test");
        } catch (const TimeoutError& error) {
            EXPECT_LE(time.count(), 0) << error.what();
            EXPECT_TRUE(contains(error.what(), "the trainer has not answered within"));
        }
    }
}

TEST_F(TimesTest, OfALoaderEndItsWaitsAtOnceOrNever) {
    for (const milliseconds time : kOverOptions) {
        SCOPED_TRACE(said(time));
        Ring ring = Ring::create(options());
        Producer producer = ring.producer();
        Loader loader(ring, {.batch = 4,
                             .first_timeout = time,
                             .stall_timeout = time,
                             .lease_timeout = time,
                             .flush_after = time});
        expect_end(ring, [&] {
            EXPECT_EQ(loader.next().outcome(), Outcome::timed_out);
            EXPECT_EQ(loader.next_for(nanoseconds::min()).outcome(), Outcome::timed_out);
            producer.put({}, {});
            EXPECT_EQ(loader.next_for(nanoseconds::max())->size(), 1u) << "flushed at once";
        });
    }
    for (const milliseconds time : kForEverOptions) {
        SCOPED_TRACE(said(time));
        Ring ring = Ring::create(options());
        Producer producer = ring.producer();
        Loader loader(ring, {.batch = 4,
                             .first_timeout = time,
                             .stall_timeout = time,
                             .lease_timeout = time,
                             .flush_after = time});
        producer.put({}, {});
        EXPECT_EQ(loader.next_for(milliseconds(20)).outcome(), Outcome::timed_out) << "not flushed";
        for (int record = 0; record < 3; ++record) producer.put({}, {});
        EXPECT_EQ(loader.next()->size(), 4u);
    }
}

// ---- from the shared memory ----

void expect_sensible(const Stats& stats) {
    std::vector<double> times{stats.age_s,
                              stats.copying_s,
                              stats.stripping_s,
                              stats.loader_s,
                              stats.trainer_waited_s,
                              stats.waited_for_producers_s,
                              stats.waited_for_copies_s,
                              stats.held_by_trainer_s};
    for (const ProducerStats& producer : stats.producers) {
        times.push_back(producer.attached_s);
        times.push_back(producer.waited_s);
    }
    // A counter of nanoseconds says 584 years at the most, and two of them are added up at most.
    constexpr double kMost = 2 * 18446744074.0;
    for (const double time : times) {
        EXPECT_TRUE(std::isfinite(time));
        EXPECT_GE(time, 0);
        EXPECT_LE(time, kMost);
    }
    EXPECT_FALSE(stats.verdict().empty());
}

TEST_F(TimesTest, ThatAnotherProcessWroteMakeNoNonsenseOfASnapshot) {
    Ring ring = Ring::create(options(1000));
    const Producer producer = ring.producer();
    ring::Protocol& protocol = ring.shared_core()->protocol();
    ring::ProducerCell& cell = protocol.producer(1);
    ring::TrainerCounters& trainer = protocol.trainer();
    trainer.batches = 1;  // or the verdict looks at no time
    for (auto* time :
         {&cell.attached_ns, &cell.detached_ns, &cell.waited_ns, &cell.waiting_since_ns,
          &trainer.loader_started_ns, &trainer.loader_ended_ns, &trainer.trainer_waited_ns,
          &trainer.waited_for_producers_ns, &trainer.waited_for_copies_ns,
          &trainer.held_by_trainer_ns, &trainer.trainer_waiting_since_ns,
          &trainer.producers_awaited_since_ns, &trainer.copying_ns, &trainer.stripping_ns}) {
        const std::uint64_t before = time->load();
        for (const std::uint64_t scribbled : scribbled_times()) {
            time->store(scribbled);
            expect_sensible(ring.stats());
            expect_sensible(Observer("test", directory_).snapshot());
        }
        time->store(before);
    }
    for (const std::uint64_t ahead : {ring::now_ns() + 3'600'000'000'000, ~std::uint64_t{0}}) {
        cell.waiting_since_ns = ahead;
        EXPECT_EQ(ring.stats().producers.at(0).waited_s, 0) << "not yet";
    }
}

TEST_F(TimesTest, ThatAnotherProcessWroteHoldUpNobody) {
    Ring ring = Ring::create(options(1000));
    Producer producer = ring.producer();
    Loader loader(ring, {.batch = 4});
    ring::TrainerCounters& trainer = ring.shared_core()->protocol().trainer();
    ring::ProducerCell& cell = ring.shared_core()->protocol().producer(1);
    for (const std::uint64_t scribbled : scribbled_times()) {
        for (auto* time :
             {&trainer.producers_awaited_since_ns, &trainer.trainer_waiting_since_ns,
              &trainer.loader_started_ns, &trainer.loader_ended_ns, &cell.waiting_since_ns}) {
            time->store(scribbled);
        }
        EXPECT_EQ(loader.next_for(milliseconds(1)).outcome(), Outcome::timed_out);
        EXPECT_LE(trainer.waited_for_producers_ns.load(), trainer.trainer_waited_ns.load())
            << "of a wait, no more than the whole was for producers";
        for (int record = 0; record < 4; ++record) producer.put({}, {});
        EXPECT_EQ(loader.next_for(std::chrono::seconds(20))->size(), 4u);
        expect_sensible(ring.stats());
    }
}

TEST_F(TimesTest, OfARingMadeInTheFutureGiveItNoAge) {
    for (const std::uint64_t created : scribbled_times()) {
        ring::Description description{.name = "test",
                                      .schema = Schema::float_int(8, 4),
                                      .slots = 2,
                                      .sampler = {},
                                      .start_index = 0,
                                      .trainer_pid = 1,
                                      .created_ns = created};
        const ring::Geometry geometry = ring::Geometry::of(description.schema, 2);
        const std::unique_ptr<std::byte, void (*)(void*)> memory(
            static_cast<std::byte*>(std::aligned_alloc(ring::kPage, geometry.memory_bytes)),
            std::free);
        const std::span<std::byte> bytes(memory.get(), geometry.memory_bytes);
        std::ranges::fill(bytes, std::byte{0});
        ring::format(bytes, description);
        const ring::Description read = ring::read_header(bytes, "test");
        EXPECT_EQ(read.created_ns, created);
        const ring::Protocol protocol(bytes, read);
        const Stats stats = ring::snapshot(protocol, read, bytes.size());
        expect_sensible(stats);
        if (created != 1) {
            EXPECT_EQ(stats.age_s, 0);
        }
    }
}

}  // namespace
}  // namespace headrace
