// The loader's threads, with a device whose copies take their time, and one that fails.
#include <gtest/gtest.h>

#include <atomic>
#include <optional>

#include "device/delayed_backend.hpp"
#include "loader/loader_fixture.hpp"

namespace headrace {
namespace {

using device::DelayedBackend;
using std::chrono::milliseconds;
using Fault = DelayedBackend::Fault;

class PipelineTest : public LoaderFixture {
  protected:
    LoaderOptions late(std::uint32_t batch, std::uint32_t depth = 2) const {
        return {.batch = batch, .device = Device::custom(device_), .depth = depth};
    }
    bool enqueues(std::uint64_t copies) const {
        return eventually([&] { return device_->seen().enqueued == copies; });
    }
    void expect_no_mistakes() const {
        const DelayedBackend::Seen seen = device_->seen();
        EXPECT_EQ(seen.plans_changed, 0u) << "a plan stays until its event is complete";
        EXPECT_EQ(seen.copies_while_busy, 0u) << "a batch waits for the streams that used it";
        EXPECT_EQ(seen.unregistered_early, 0u) << "the memory stays until all copies are done";
    }

    // They outlive rings and loaders, and the streams the device.
    DelayedBackend::TrainerStream stream_, other_stream_;
    std::shared_ptr<DelayedBackend> device_ = std::make_shared<DelayedBackend>();
};

TEST_F(PipelineTest, ReleasesSlotsOnlyWhenTheirCopyIsComplete) {
    Ring ring = Ring::create(options(0, 4));
    Producer producer = ring.producer();
    device_->hold_copies();
    Loader loader(ring, late(2));
    write(producer, 4);
    const auto first = loader.next(stream_.ref());
    const auto second = loader.next(stream_.ref());
    ASSERT_TRUE(first && second) << "the host does not wait for the device";
    EXPECT_EQ(ring.stats().leased, 4u);
    EXPECT_EQ(producer.try_claim().outcome(), Outcome::timed_out) << "the slots are not free";

    device_->let_copies_go(1);
    ASSERT_TRUE(eventually([&] { return ring.stats().leased == 2; }));
    write(producer, 2);
    EXPECT_EQ(producer.try_claim().outcome(), Outcome::timed_out) << "two are still being copied";
    device_->let_copies_go();
    ASSERT_TRUE(eventually([&] { return ring.stats().leased == 0; }));
    device_->synchronize(stream_);
    expect_content(*first);
    expect_content(*second);
    expect_books(ring);
    expect_no_mistakes();
}

TEST_F(PipelineTest, WakesAProducerWhenACopyIsComplete) {
    Ring ring = Ring::create(options(0, 4));
    Producer producer = ring.producer();
    device_->hold_copies();
    Loader loader(ring, late(2));
    write(producer, 4);
    ASSERT_TRUE(enqueues(2));
    std::thread waiting([&] { EXPECT_TRUE(producer.claim()); });
    EXPECT_TRUE(eventually([&] { return ring.stats().producers.at(0).waited_s > 0; }));
    device_->let_copies_go();
    waiting.join();
    EXPECT_EQ(ring.stats().alarms, 0u) << "no wake-up was lost";
}

TEST_F(PipelineTest, DeliversTheSameFromADeviceThatIsLate) {
    for (const Layout layout : {Layout::packed, Layout::trimmed, Layout::padded}) {
        RingOptions shuffled = options(500);
        shuffled.shuffle_seed = 5;
        Ring ring = Ring::create(shuffled);
        Writer first(ring), second(ring);
        LoaderOptions loader_options = late(2, 6);
        loader_options.layout = layout;
        Loader loader(ring, loader_options);
        std::uint64_t batches = 0;
        for (const Batch& batch : loader.epoch(stream_.ref())) {
            device_->synchronize(stream_);
            expect_content(batch);
            ++batches;
        }
        EXPECT_EQ(batches, 250u);
        expect_books(ring);
    }
    expect_no_mistakes();
}

// More batches than a deque keeps in one piece, each with its copy on the way when the next comes.
TEST_F(PipelineTest, KeepsManyCopiesOnTheirWay) {
    Ring ring = Ring::create(options(4000, 64));
    Writer writer(ring);
    Loader loader(ring, late(1, 32));
    std::uint64_t index = 0;
    for (const Batch& batch : loader.epoch(stream_.ref())) {
        EXPECT_EQ(batch.first_index(), index++);
        device_->synchronize(stream_);
    }
    EXPECT_EQ(index, 4000u);
    expect_books(ring);
    expect_no_mistakes();
}

// The trainer enqueues its work and gives the batch back; the host is ahead of the copies.
TEST_F(PipelineTest, KeepsAPlanUntilItsCopyIsComplete) {
    Ring ring = Ring::create(options(0, 8));
    Producer producer = ring.producer();
    write(producer, 8);
    device_->hold_copies();
    Loader loader(ring, late(2));
    for (int i = 0; i < 2; ++i) EXPECT_TRUE(loader.next(stream_.ref()));
    // Comes at once from a loader that uses the batch again too early.
    loader.next_for(milliseconds(50), stream_.ref());
    device_->let_copies_go();
    EXPECT_TRUE(eventually([&] { return device_->seen().carried_out == 4; }));
    expect_no_mistakes();
}

TEST_F(PipelineTest, GoesOnWhenBatchesComeBackBeforeTheirCopies) {
    Ring ring = Ring::create(options(400));
    Writer writer(ring);
    Loader loader(ring, late(4));
    std::uint64_t batches = 0;
    for ([[maybe_unused]] const Batch& batch : loader.epoch(stream_.ref())) ++batches;
    EXPECT_EQ(batches, 100u);
    expect_books(ring);
    expect_no_mistakes();
}

TEST_F(PipelineTest, WritesABatchAgainOnlyWhenTheTrainersStreamsHavePassed) {
    for (const bool on_other : {false, true}) {
        Ring ring = Ring::create(options(0, 4));
        Producer producer = ring.producer();
        const std::uint64_t before = device_->seen().enqueued;
        Loader loader(ring, late(2, 1));
        write(producer, 4);
        auto first = loader.next(stream_.ref());
        ASSERT_TRUE(first);
        if (on_other) first->used_on(other_stream_.ref());
        device_->synchronize(stream_);
        auto& busy = on_other ? other_stream_ : stream_;
        device_->set_busy(busy, true);
        const float* const values = first->values<float>("floats");
        const std::vector<float> content(values, values + first->total("floats"));
        first->release();
        ASSERT_TRUE(enqueues(before + 2));
        EXPECT_TRUE(std::equal(content.begin(), content.end(), values)) << "still being read";
        device_->set_busy(busy, false);
        const auto second = loader.next(stream_.ref());
        ASSERT_TRUE(second);
        device_->synchronize(stream_);
        expect_content(*second);
        expect_no_mistakes();
    }
}

TEST_F(PipelineTest, WantsToKnowTheStream) {
    Ring ring = Ring::create(options(0));
    Loader loader(ring, late(2));
    const std::string wanted = "device delayed has streams; say which one will use the batch";
    EXPECT_TRUE(contains(error_text<UsageError>([&] { loader.next(); }), wanted));
    EXPECT_TRUE(
        contains(error_text<UsageError>([&] { loader.next_for(milliseconds(1)); }), wanted));
    EXPECT_TRUE(contains(error_text<UsageError>([&] { loader.epoch(); }), wanted));
    EXPECT_EQ(loader.next_for(milliseconds(1), stream_.ref()).outcome(), Outcome::timed_out);
    EXPECT_EQ(loader.stats().device, "delayed");
}

// ---- the end -----------------------------------------------------------------------------------

TEST_F(PipelineTest, WaitsForItsCopiesBeforeItGoes) {
    Ring ring = Ring::create(options(0, 8));
    Producer producer = ring.producer();
    write(producer, 8);
    device_->hold_copies();
    std::optional<Loader> loader(std::in_place, ring, late(2));
    ASSERT_TRUE(enqueues(2));
    std::thread destroyer([&] { loader.reset(); });
    EXPECT_TRUE(eventually([&] { return device_->seen().synchronizing == 1; }));
    device_->let_copies_go();
    destroyer.join();
    EXPECT_EQ(ring.stats().leased, 0u);
    EXPECT_EQ(ring.stats().discarded, 4u);
    expect_balance(ring.stats());
    expect_no_mistakes();
}

// The copy that is handed to the device at the moment when the loader is destroyed counts too.
TEST_F(PipelineTest, WaitsForTheCopyThatItIsJustHandingOver) {
    Ring ring = Ring::create(options(0, 8));
    Producer producer = ring.producer();
    device_->hold_copies();
    device_->hold_enqueue();
    std::optional<Loader> loader(std::in_place, ring, late(2));
    Epoch epoch = loader->epoch(stream_.ref());  // tells us when the loader has begun to stop
    write(producer, 2);
    ASSERT_TRUE(eventually([&] { return device_->seen().entered == 1; }));
    std::atomic<bool> gone = false;
    std::thread destroyer([&] {
        loader.reset();
        gone = true;
    });
    EXPECT_TRUE(contains(error_text<UsageError>([&] { epoch.begin(); }), "destroyed"));
    device_->let_enqueue_go();
    EXPECT_TRUE(eventually([&] { return gone || device_->seen().synchronizing == 1; }));
    EXPECT_FALSE(gone) << "it went with a copy on its way";
    device_->let_copies_go();
    destroyer.join();
    EXPECT_EQ(ring.stats().leased, 0u);
    EXPECT_EQ(ring.stats().discarded, 2u);
    expect_no_mistakes();
}

// ---- devices that fail -------------------------------------------------------------------------

TEST_F(PipelineTest, TellsAnErrorOfTheDeviceAndLetsProducersGo) {
    Ring ring = Ring::create(options(0, 4));
    Producer producer = ring.producer();
    device_->fail_at(Fault::enqueue, 1);
    Loader loader(ring, late(2));
    write(producer, 4);
    EXPECT_TRUE(loader.next(stream_.ref())) << "the batch before it";
    for (int i = 0; i < 2; ++i) {
        EXPECT_TRUE(contains(error_text<device::DelayedError>([&] { loader.next(stream_.ref()); }),
                             "fault"));
    }
    EXPECT_THROW(loader.next_for(milliseconds(0), stream_.ref()), device::DelayedError);
    EXPECT_TRUE(contains(error_text<RingAborted>([&] {
                             while (producer.claim()) {
                             }
                         }),
                         "a fault that the test asked for"));
    EXPECT_TRUE(eventually([&] { return ring.stats().leased == 2; })) << "those that failed";
    expect_balance(ring.stats());
}

TEST_F(PipelineTest, WakesProducersAndTrainersWhenTheDeviceFails) {
    Ring ring = Ring::create(options(0, 2));
    Producer producer = ring.producer();
    device_->fail_at(Fault::enqueue);
    device_->hold_enqueue();
    Loader loader(ring, late(1));
    write(producer, 2);
    std::thread waiting([&] { EXPECT_THROW(producer.claim(), RingAborted); });
    std::thread trainer([&] { EXPECT_THROW(loader.next(stream_.ref()), device::DelayedError); });
    EXPECT_TRUE(eventually([&] { return ring.stats().producers.at(0).waited_s > 0; }));
    EXPECT_TRUE(eventually([&] { return ring.stats().trainer_waited_s > 0; }));
    device_->let_enqueue_go();
    waiting.join();
    trainer.join();
}

TEST_F(PipelineTest, TellsAnErrorThatACopyEndsWith) {
    Ring ring = Ring::create(options(0, 4));
    Producer producer = ring.producer();
    device_->hold_copies();
    device_->fail_at(Fault::synchronize);
    Loader loader(ring, late(2));
    write(producer, 4);
    ASSERT_TRUE(enqueues(2));
    device_->let_copies_go();
    EXPECT_THROW(
        {
            for (int i = 0; i < 3; ++i) {
                if (!loader.next_for(std::chrono::seconds(20), stream_.ref())) break;
            }
        },
        device::DelayedError);
    EXPECT_THROW(
        {
            while (producer.claim()) {
            }
        },
        RingAborted);
}

TEST_F(PipelineTest, TellsAnErrorOfGivingBackAtALaterCall) {
    Ring ring = Ring::create(options(0, 4));
    Producer producer = ring.producer();
    Loader loader(ring, late(2));
    write(producer, 4);
    device_->fail_at(Fault::record_on_stream);
    EXPECT_NO_THROW(EXPECT_TRUE(loader.next(stream_.ref()))) << "giving back does not throw";
    EXPECT_THROW(
        {
            while (loader.next_for(std::chrono::seconds(20), stream_.ref())) {
            }
        },
        device::DelayedError);
}

TEST_F(PipelineTest, LeavesTheConsumerFreeWhenTheDeviceHasNoMemory) {
    Ring ring = Ring::create(options(0));
    Producer producer = ring.producer();
    device_->fail_at(Fault::allocate, 7);
    EXPECT_THROW(Loader(ring, late(2)), device::DelayedError);
    write(producer, 2);
    Loader loader(ring, late(2));
    EXPECT_TRUE(loader.next(stream_.ref()));
}

}  // namespace
}  // namespace headrace
