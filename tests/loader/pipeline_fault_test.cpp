// The loader over a device that fails, and one that does not give all that it is asked for.
#include <gtest/gtest.h>

#include <optional>

#include "loader/pipeline_fixture.hpp"

namespace headrace {
namespace {

class PipelineFaultTest : public PipelineFixture {
  protected:
    static std::size_t count(const std::string& text, const std::string& part) {
        std::size_t found = 0;
        for (std::size_t at = 0; (at = text.find(part, at)) != std::string::npos; ++at) ++found;
        return found;
    }
};

TEST_F(PipelineFaultTest, TellsAnErrorOfTheDeviceAndLetsProducersGo) {
    Ring ring = Ring::create(options(0, 4));
    Producer producer = ring.producer();
    device_->fail_at(Fault::enqueue, 1);
    Loader loader(ring, late(2));
    write(producer, 4);
    EXPECT_TRUE(loader.next(stream_.ref())) << "the batch before it";
    for (int i = 0; i < 2; ++i) {
        EXPECT_TRUE(
            contains(error_text<DeviceError>([&] { loader.next(stream_.ref()); }), "fault"));
    }
    EXPECT_THROW(loader.next_for(std::chrono::milliseconds(0), stream_.ref()), DeviceError);
    EXPECT_TRUE(contains(error_text<RingAborted>([&] {
                             while (producer.claim()) {
                             }
                         }),
                         "a fault that the test asked for"));
    EXPECT_TRUE(eventually([&] { return ring.stats().leased == 2; })) << "those that failed";
    expect_balance(ring.stats());
}

TEST_F(PipelineFaultTest, WakesProducersAndTrainersWhenTheDeviceFails) {
    Ring ring = Ring::create(options(0, 2));
    Producer producer = ring.producer();
    device_->fail_at(Fault::enqueue);
    device_->hold_enqueue();
    Loader loader(ring, late(1));
    write(producer, 2);
    std::thread waiting([&] { EXPECT_THROW(producer.claim(), RingAborted); });
    std::thread trainer([&] { EXPECT_THROW(loader.next(stream_.ref()), DeviceError); });
    EXPECT_TRUE(eventually([&] { return ring.stats().producers.at(0).waited_s > 0; }));
    EXPECT_TRUE(eventually([&] { return ring.stats().trainer_waited_s > 0; }));
    device_->let_enqueue_go();
    waiting.join();
    trainer.join();
}

TEST_F(PipelineFaultTest, TellsAnErrorThatACopyEndsWith) {
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
        DeviceError);
    EXPECT_THROW(
        {
            while (producer.claim()) {
            }
        },
        RingAborted);
}

TEST_F(PipelineFaultTest, TellsAnErrorOfGivingBackAtALaterCall) {
    Ring ring = Ring::create(options(0, 4));
    Producer producer = ring.producer();
    Loader loader(ring, late(2));
    write(producer, 4);
    device_->fail_at(Fault::record_on_stream, 1);  // the first call is that of next()
    EXPECT_NO_THROW(EXPECT_TRUE(loader.next(stream_.ref()))) << "giving back does not throw";
    EXPECT_THROW(
        {
            while (loader.next_for(std::chrono::seconds(20), stream_.ref())) {
            }
        },
        DeviceError);
}

// While records are awaited the loader looks whether the stream stands, and finds it broken.
TEST_F(PipelineFaultTest, TellsAnErrorOfLookingAtTheStream) {
    Ring ring = Ring::create(options(0, 4));
    Producer producer = ring.producer();
    Loader loader(ring, late(2));
    device_->fail_at(Fault::is_complete);
    EXPECT_THROW(loader.next_for(std::chrono::seconds(20), stream_.ref()), DeviceError);
    EXPECT_THROW(loader.next_for(std::chrono::seconds(0), stream_.ref()), DeviceError);
    EXPECT_THROW(
        {
            while (producer.try_claim()) {
            }
        },
        RingAborted);
}

// The data have ended, and the last copy has not.
TEST_F(PipelineFaultTest, TellsAnErrorOfTheLastCopyAndNotTheEnd) {
    Ring ring = Ring::create(options(4));
    Writer writer(ring);
    device_->hold_copies();
    device_->fail_at(Fault::synchronize, 1);
    Loader loader(ring, late(2));
    ASSERT_TRUE(eventually([&] { return ring.stats().prefetched == 4; }));
    device_->let_copies_go();
    ASSERT_TRUE(eventually([&] { return ring.stats().phase == Phase::aborted; }));
    EXPECT_THROW(
        {
            while (loader.next(stream_.ref()).outcome() != Outcome::end) {
            }
        },
        DeviceError);
    EXPECT_FALSE(loader.done());
}

// What the device does wrong by itself is told by later calls, whichever they are.
TEST_F(PipelineFaultTest, TellsAnErrorThatHappenedOnTheDevice) {
    Ring ring = Ring::create(options(0, 4));
    Producer producer = ring.producer();
    device_->fail_at(Fault::copying, 1);
    Loader loader(ring, late(2));
    write(producer, 4);
    EXPECT_THROW(
        {
            while (loader.next_for(std::chrono::seconds(20), stream_.ref())) {
            }
        },
        DeviceError);
    EXPECT_THROW(
        {
            while (producer.claim()) {
            }
        },
        RingAborted);
}

// The copy runs, and nobody waits for its event: the end of the stream does.
TEST_F(PipelineFaultTest, WaitsForACopyThatWasEnqueuedByHalf) {
    std::optional<Ring> ring(Ring::create(options(0, 4)));
    std::optional<Producer> producer(ring->producer());
    device_->hold_copies();
    device_->fail_at(Fault::enqueue_halfway);
    std::optional<Loader> loader(std::in_place, *ring, late(2));
    write(*producer, 2);
    EXPECT_THROW(loader->next(stream_.ref()), DeviceError);
    std::thread destroyer([&] {
        loader.reset();
        producer.reset();
        ring.reset();
    });
    EXPECT_TRUE(eventually([&] { return device_->simulator()->synchronizing() == 1; }));
    device_->let_copies_go();
    destroyer.join();
    expect_no_mistakes();
}

// The trainer never had the batch, so a run that is resumed gets it again.
TEST_F(PipelineFaultTest, LeavesTheStateBeforeABatchThatCouldNotBeHandedOver) {
    for (const Fault fault : {Fault::record_on_stream, Fault::wait_on_stream}) {
        Ring ring = Ring::create(options(0, 8));
        Producer producer = ring.producer();
        Loader loader(ring, late(2, 3));
        write(producer, 6);
        auto first = loader.next(stream_.ref());
        device_->fail_at(fault);
        EXPECT_TRUE(
            contains(error_text<DeviceError>([&] { loader.next(stream_.ref()); }), "fault"));
        EXPECT_EQ(loader.state().index, 0u);
        first->release();
        EXPECT_EQ(loader.state().index, 2u);
        // What was prefetched before the error may come before it.
        EXPECT_THROW(
            {
                while (loader.next_for(std::chrono::seconds(20), stream_.ref())) {
                }
            },
            DeviceError);
        if (fault == Fault::wait_on_stream) {
            EXPECT_EQ(loader.state().index, 2u);
        }
        EXPECT_THROW(
            {
                while (producer.claim()) {
                }
            },
            RingAborted);
    }
}

TEST_F(PipelineFaultTest, TellsOfABatchThatDoesNotFitTheLimit) {
    Ring ring = Ring::create(options(0, 8));
    Producer producer = ring.producer();
    LoaderOptions options = late(2);
    options.layout = Layout::padded;
    options.batch_bytes_limit = 300;  // two rows of 32 floats, 256 bytes, and not the ints'
    Loader loader(ring, options);
    write(producer, 2);
    const std::string text = error_text<SystemError>([&] { loader.next(stream_.ref()); });
    EXPECT_TRUE(
        contains(text, "records 0 to 1 takes 512 bytes as padded, batch_bytes_limit is 300"));
    EXPECT_TRUE(contains(error_text<RingAborted>([&] {
                             while (producer.claim()) {
                             }
                         }),
                         "batch_bytes_limit"));
    EXPECT_EQ(loader.state().index, 0u);
    expect_no_mistakes();
}

TEST_F(PipelineFaultTest, GoesThroughABufferWhereTheRingCannotBePinned) {
    device_->refuse_registration("no such right here");
    for (const Layout layout : {Layout::packed, Layout::trimmed, Layout::padded, Layout::rows}) {
        RingOptions ring_options = options(60);
        Ring ring = Ring::create(ring_options);
        Writer writer(ring);
        LoaderOptions loader_options = late(4);
        loader_options.layout = layout;
        Loader loader(ring, loader_options);
        EXPECT_EQ(loader.stats().host_memory, "bounced");
        for (const Batch& batch : loader.epoch(stream_.ref())) {
            stream_.synchronize();
            expect_content(batch);
        }
        expect_books(ring);
    }
    const std::string said = "cannot be pinned for simulated: no such right here";
    EXPECT_EQ(count(messages(), said), 4u) << "once for each loader";
    expect_no_mistakes();
}

TEST_F(PipelineFaultTest, RefusesToStartWhereTheRingMustBePinned) {
    Ring ring = Ring::create(options(0));
    LoaderOptions options = late(2);
    options.require_pinned = true;
    device_->refuse_registration("no such right here");
    EXPECT_TRUE(contains(error_text<DeviceError>([&] { Loader(ring, options); }),
                         "cannot be pinned for simulated: no such right here; require_pinned"));
    EXPECT_FALSE(said("pinned")) << "an error is not a message too";
    device_->refuse_registration({});
    Loader loader(ring, options);
    EXPECT_EQ(loader.stats().host_memory, "pinned");
}

// Without the record nothing tells when the trainer's stream has passed.
TEST_F(PipelineFaultTest, DoesNotFillABatchAgainThatCouldNotBeGivenBack) {
    for (std::uint64_t turn = 0; turn < 10; ++turn) {  // a planner that does needs a moment for it
        Ring ring = Ring::create(options(0, 8));
        Producer producer = ring.producer();
        write(producer, 4);
        Loader loader(ring, late(2, 1));
        auto first = loader.next(stream_.ref());
        ASSERT_TRUE(first);
        stream_.hold();
        use(stream_, *first);
        device_->fail_at(Fault::record_on_stream);
        first->release();
        EXPECT_THROW(loader.next_for(std::chrono::seconds(20), other_stream_.ref()), DeviceError);
        EXPECT_EQ(device_->seen().enqueued, turn + 1);
        stream_.let_go();
        stream_.synchronize();
    }
    expect_no_mistakes();
}

TEST_F(PipelineFaultTest, LeavesTheConsumerFreeWhenTheDeviceHasNoMemory) {
    Ring ring = Ring::create(options(0, 8));
    Producer producer = ring.producer();
    // Three blocks a batch.
    for (std::uint64_t call = 0; call < 6; ++call) {
        device_->fail_at(Fault::allocate, call);
        EXPECT_THROW(Loader(ring, late(2)), DeviceError);
        EXPECT_EQ(device_->simulator()->allocations(), 0u);
    }
    device_->fail_at(Fault::make_copy_stream);
    EXPECT_THROW(Loader(ring, late(2)), DeviceError);
    write(producer, 2);
    Loader loader(ring, late(2));
    EXPECT_TRUE(loader.next(stream_.ref()));
    expect_no_mistakes();
}

}  // namespace
}  // namespace headrace
