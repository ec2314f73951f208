// Where the time goes, on the device's clock: that of the simulator stands still, but for the ticks
// of its operations, unless the test lets time pass.
#include <gtest/gtest.h>

#include <optional>
#include <thread>

#include "loader/pipeline_fixture.hpp"

namespace headrace {
namespace {

class PipelineStatsTest : public PipelineFixture {
  protected:
    static constexpr const char* kWaitsForABatch = "headrace: wait for a batch to come back";
    static constexpr double kTicks = 0.1;  // far more than the ticks of a test

    PipelineStatsTest() { writer_.emplace(ring_.producer()); }
    // The pipeline over and over, so that what was taken is accounted for: that happens when a
    // batch's memory has been filled again.
    Stats settle(Loader& loader) {
        for (int i = 0; i < 6; ++i) {
            write(*writer_, 2);
            EXPECT_TRUE(loader.next(stream_.ref()));
            stream_.synchronize();
            EXPECT_TRUE(eventually([&] { return is_stamped(); }));
        }
        EXPECT_TRUE(eventually([&] { return ring_.stats().leased == 0; }));
        return loader.stats();
    }
    // The rest is for neither: the loader's own threads.
    static void expect_split(const Stats& stats) {
        EXPECT_LE(stats.waited_for_producers_s + stats.waited_for_copies_s,
                  stats.trainer_waited_s + 1e-6);
    }
    // Nothing of what has been stamped is still to come: from now on time may pass.
    bool is_stamped() const {
        const device::SimulatedBackend::Seen seen = device_->seen();
        return seen.stamps != 0 && seen.stamped == seen.stamps;
    }
    // Another thread asks for the next batch; comes back when the stream has been told.
    std::thread ask(Loader& loader) {
        const std::uint64_t before = device_->seen().recorded;
        std::thread trainer([&] { EXPECT_TRUE(loader.next(stream_.ref())); });
        EXPECT_TRUE(eventually([&] { return device_->seen().recorded > before && is_stamped(); }));
        return trainer;
    }

    Ring ring_ = Ring::create(options(0, 8));
    std::optional<Producer> writer_;
};

TEST_F(PipelineStatsTest, ShowsAProfilerWhatItsThreadsAreAt) {
    {
        Loader loader(ring_, late(2, 1));
        settle(loader);
    }
    const device::SimulatedBackend::Seen seen = device_->seen();
    EXPECT_EQ(seen.open_stages, 0) << "each stage ends";
    EXPECT_EQ(seen.stages,
              (std::set<std::string>{"headrace: enqueue", "headrace: hand over",
                                     "headrace: wait for a batch", kWaitsForABatch,
                                     "headrace: wait for copies", "headrace: wait for producers"}));
}

// A batch that came back before its copy was over is not held by the trainer.
TEST_F(PipelineStatsTest, DoesNotCountABatchAsHeldThatIsStillCopied) {
    Loader loader(ring_, late(2, 1));
    device_->hold_copies();
    write(*writer_, 4);
    EXPECT_TRUE(loader.next(stream_.ref()));
    ASSERT_TRUE(eventually([&] { return device_->seen().stages.contains(kWaitsForABatch); }));
    device_->let_copies_go();
    ASSERT_TRUE(eventually([&] { return device_->seen().enqueued == 2; }));
    EXPECT_EQ(loader.stats().held_by_trainer_s, 0);
}

TEST_F(PipelineStatsTest, TellsWhatCopyingAndStrippingTook) {
    Loader loader(ring_, late(2, 1));
    EXPECT_EQ(loader.stats().copying_s, 0);
    device_->take(2, 3);
    for (int i = 0; i < 4; ++i) {
        write(*writer_, 2);
        EXPECT_TRUE(loader.next(stream_.ref()));
        stream_.synchronize();
    }
    device_->take(0, 0);
    const Stats stats = settle(loader);
    EXPECT_NEAR(stats.copying_s, 8, kTicks);
    EXPECT_NEAR(stats.stripping_s, 12, kTicks);
    expect_split(stats);
}

TEST_F(PipelineStatsTest, CountsAStreamThatStoodForWantOfRecords) {
    Loader loader(ring_, late(2));
    std::thread trainer = ask(loader);
    stream_.synchronize();
    device_->simulator()->pass(100);
    write(*writer_, 2);
    trainer.join();
    ASSERT_TRUE(eventually([&] { return is_stamped(); }));
    const Stats stats = settle(loader);
    EXPECT_NEAR(stats.trainer_waited_s, 100, kTicks);
    EXPECT_NEAR(stats.waited_for_producers_s, 100, kTicks);
    EXPECT_NEAR(stats.waited_for_copies_s, 0, kTicks);
    expect_split(stats);
}

TEST_F(PipelineStatsTest, CountsAStreamThatStoodForACopy) {
    Loader loader(ring_, late(2));
    device_->hold_copies();
    std::thread trainer = ask(loader);
    stream_.synchronize();
    device_->simulator()->pass(10);
    write(*writer_, 2);
    trainer.join();
    ASSERT_TRUE(eventually([&] { return device_->seen().begun == 1 && is_stamped(); }));
    device_->simulator()->pass(1000);
    device_->let_copies_go();
    const Stats stats = settle(loader);
    EXPECT_NEAR(stats.trainer_waited_s, 1010, kTicks);
    EXPECT_NEAR(stats.waited_for_producers_s, 10, kTicks);
    EXPECT_NEAR(stats.waited_for_copies_s, 1000, kTicks);
    expect_split(stats);
}

// The host is ahead of its stream: its thread blocks, and the device has enough to do.
TEST_F(PipelineStatsTest, DoesNotCountAThreadThatIsAheadOfItsStream) {
    Loader loader(ring_, late(2));
    stream_.hold();
    std::thread trainer = ask(loader);
    device_->simulator()->pass(100);
    write(*writer_, 2);
    trainer.join();
    ASSERT_TRUE(eventually([&] { return device_->seen().carried_out == 1; }));
    stream_.let_go();
    const Stats stats = settle(loader);
    EXPECT_NEAR(stats.trainer_waited_s, 0, kTicks);
    expect_split(stats);
}

// A stream that timed out stands from its first call on.
TEST_F(PipelineStatsTest, CountsFromTheFirstOfSeveralCalls) {
    Loader loader(ring_, late(2));
    ASSERT_TRUE(eventually([&] { return is_stamped(); }));
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(loader.next_for(std::chrono::nanoseconds(0), stream_.ref()).outcome(),
                  Outcome::timed_out);
        stream_.synchronize();
        device_->simulator()->pass(10);
    }
    write(*writer_, 2);
    const Stats stats = settle(loader);
    EXPECT_NEAR(stats.trainer_waited_s, 30, kTicks);
    EXPECT_NEAR(stats.waited_for_producers_s, 30, kTicks);
    expect_split(stats);
}

}  // namespace
}  // namespace headrace
