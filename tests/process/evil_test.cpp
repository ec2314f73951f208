// A producer process that scribbles over everything it can reach, beside a good one, while the
// trainer takes records: it carries on, or is told what is wrong; and the name can be used again.
#include <gtest/gtest.h>

#include <fstream>

#include "gtest/error_text.hpp"
#include "gtest/seed.hpp"
#include "headrace/loader.hpp"
#include "process/process_fixture.hpp"

namespace headrace {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kStall{400};

class EvilTest : public ProcessTest {
  protected:
    using Clock = std::chrono::steady_clock;

    // What a call of the trainer came to.
    struct Came {
        std::size_t records = 0;
        Outcome outcome = Outcome::ready;
    };

    // One ring with a good producer and an evil one, until the trainer is told of an error, waits
    // in vain for as long as it will, or has gone on for a second.
    template <class Take>
    void suffer(Ring& ring, Take&& take, std::uint64_t seed) {
        const std::string go = directory_ + "/go";
        std::filesystem::remove(go);
        Child good = start();
        Child evil({HEADRACE_TEST_EVIL, "test", directory_, std::to_string(seed)});
        ASSERT_TRUE(eventually([&] { return ring.stats().producers.size() == 2; }));
        std::size_t records = 0;
        ASSERT_TRUE(eventually([&] { return (records += take().records) >= 10; }));
        std::ofstream{go};
        const Clock::time_point end = Clock::now() + std::chrono::seconds(1);
        std::string error;
        Outcome outcome = Outcome::ready;
        try {
            while (outcome == Outcome::ready && Clock::now() < end) {
                const Clock::time_point began = Clock::now();
                outcome = take().outcome;
                // Far more than it may take, for a loaded machine; a hang is what it is about.
                EXPECT_LT(Clock::now() - began, kStall + std::chrono::seconds(20));
                ring.stats().verdict();
            }
        } catch (const Error& thrown) {
            error = thrown.what();
        }
        EXPECT_NE(outcome, Outcome::end) << "an end that the trainer has not set";
        if (!error.empty()) {
            EXPECT_TRUE(contains(error, "ring \"test\": "));
            EXPECT_TRUE(contains(error, "(evil, pid " + std::to_string(evil.pid()) + ")"));
        }
        evil.signal(SIGKILL);
        EXPECT_EQ(evil.wait(), 128 + SIGKILL);
        ring.close();
        const int status = good.wait();
        EXPECT_TRUE(status == 0 || status == 1 || status == 3) << "the good producer: " << status;
    }

    static Came take_from(Consumer& consumer, std::size_t records) {
        auto lease = consumer.take(records);
        if (!lease) {
            const bool is_over = lease.outcome() != Outcome::end_of_epoch;
            return {0, is_over ? lease.outcome() : Outcome::ready};
        }
        for (std::size_t i = 0; i < lease->size(); ++i) {
            EXPECT_LE(lease->field<float>(0, i).size(), kCapacity);
            EXPECT_LE(lease->field<std::int32_t>(1, i).size(), 1u);
        }
        return {lease->size(), Outcome::ready};
    }

    RingOptions endless() {
        RingOptions options = ProcessTest::options(1000);
        options.epochs = 0;
        options.stall.report_after = milliseconds(50);
        return options;
    }

    void expect_a_ring_that_works() {
        Ring ring = Ring::create(ProcessTest::options(20));
        Child good = start();
        Consumer consumer = ring.consumer();
        EXPECT_EQ(drain(consumer), all_items(ring, 20));
        EXPECT_EQ(good.wait(), 0);
    }
};

constexpr std::uint64_t kRuns = 16;

TEST_F(EvilTest, NeverBringsAConsumerDown) {
    const std::uint64_t seed = test_seed();
    SCOPED_TRACE(seed_note(seed));
    for (std::uint64_t run = 0; run < kRuns; ++run) {
        {
            Ring ring = Ring::create(endless());
            Consumer consumer = ring.consumer({.stall_timeout = kStall});
            std::uint64_t turn = 0;
            const auto take = [&]() -> Came {
                if (run % 4 == 3 && ++turn % 16 == 0) ring.reset();
                return take_from(consumer, run % 2 == 0 ? 1 : 5);
            };
            suffer(ring, take, seed + run);
        }
        expect_a_ring_that_works();
    }
}

TEST_F(EvilTest, NeverBringsConsumersThatShareDown) {
    const std::uint64_t seed = test_seed();
    SCOPED_TRACE(seed_note(seed));
    for (std::uint64_t run = 0; run < kRuns; ++run) {
        {
            RingOptions options = endless();
            options.shared_consumers = true;
            Ring ring = Ring::create(options);
            std::vector<Consumer> consumers;
            for (int i = 0; i < 2; ++i) {
                consumers.push_back(ring.consumer({.stall_timeout = kStall}));
            }
            std::size_t turn = 0;
            const auto take = [&]() -> Came {
                if (run % 4 == 3 && turn % 16 == 15) ring.reset();
                return take_from(consumers[turn++ % 2], run % 2 == 0 ? 1 : 5);
            };
            suffer(ring, take, seed + run);
        }
        expect_a_ring_that_works();
    }
}

TEST_F(EvilTest, NeverBringsALoaderDown) {
    const std::uint64_t seed = test_seed();
    SCOPED_TRACE(seed_note(seed));
    for (std::uint64_t run = 0; run < kRuns; ++run) {
        {
            Ring ring = Ring::create(endless());
            Loader loader(ring, {.batch = 4,
                                 .layout = run % 2 == 0 ? Layout::packed : Layout::padded,
                                 .device = Device::host(),
                                 .stall_timeout = kStall});
            const auto take = [&]() -> Came {
                auto batch = loader.next();
                if (!batch) {
                    const bool is_over = batch.outcome() != Outcome::end_of_epoch;
                    return {0, is_over ? batch.outcome() : Outcome::ready};
                }
                EXPECT_LE(batch->size(), 4u);
                EXPECT_LE(batch->total("floats"), 4 * kCapacity);
                return {batch->size(), Outcome::ready};
            };
            suffer(ring, take, seed + run);
        }
        expect_a_ring_that_works();
    }
}

}  // namespace
}  // namespace headrace
