// The loader's threads, with a device whose copies take their time.
#include <gtest/gtest.h>

#include <atomic>
#include <optional>

#include "loader/pipeline_fixture.hpp"

namespace headrace {
namespace {

using std::chrono::milliseconds;

class PipelineTest : public PipelineFixture {};

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
    stream_.synchronize();
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
    for (const Layout layout : {Layout::packed, Layout::trimmed, Layout::padded, Layout::rows}) {
        RingOptions shuffled = options(500);
        shuffled.shuffle_seed = 5;
        Ring ring = Ring::create(shuffled);
        Writer first(ring), second(ring);
        LoaderOptions loader_options = late(2, 6);
        loader_options.layout = layout;
        Loader loader(ring, loader_options);
        std::uint64_t batches = 0;
        for (const Batch& batch : loader.epoch(stream_.ref())) {
            stream_.synchronize();
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
        stream_.synchronize();
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

// One stream, or several, the first of which is told to next() and the others are not.
TEST_F(PipelineTest, WritesABatchAgainOnlyWhenTheTrainersStreamsHavePassed) {
    for (const bool on_other : {false, true}) {
        Ring ring = Ring::create(options(0, 4));
        Producer producer = ring.producer();
        const std::uint64_t before = device_->seen().enqueued;
        Loader loader(ring, late(2, 1));
        write(producer, 4);
        auto first = loader.next(stream_.ref());
        ASSERT_TRUE(first);
        stream_.synchronize();
        const float* const values = first->values<float>("floats");
        const std::vector<float> content(values, values + first->total("floats"));
        std::atomic<bool> is_same = false;
        auto& busy = on_other ? other_stream_ : stream_;
        if (on_other) other_stream_.wait_for(stream_);
        busy.hold();
        use(busy, *first, [&] { is_same = std::equal(content.begin(), content.end(), values); });
        if (on_other) first->used_on(other_stream_.ref());
        first->release();
        ASSERT_TRUE(enqueues(before + 2));
        EXPECT_EQ(device_->seen().begun, before + 1);
        busy.let_go();
        const auto second = loader.next(stream_.ref());
        ASSERT_TRUE(second);
        stream_.synchronize();
        EXPECT_TRUE(is_same) << "it was still being read";
        expect_content(*second);
        expect_no_mistakes();
    }
}

// All of them: the copy goes on when the last one has passed.
TEST_F(PipelineTest, WaitsForEveryStreamThatUsedABatch) {
    Ring ring = Ring::create(options(0, 4));
    Producer producer = ring.producer();
    device::SimulatedStream third(device_->simulator());
    device::SimulatedStream* const streams[] = {&stream_, &other_stream_, &third};
    Loader loader(ring, late(2, 1));
    for (std::uint64_t turn = 0; turn < 6; ++turn) {
        write(producer, 2);
        auto batch = loader.next(streams[turn % 3]->ref());
        ASSERT_TRUE(batch);
        streams[turn % 3]->synchronize();
        expect_content(*batch);
        for (device::SimulatedStream* const stream : streams) {
            stream->hold();
            use(*stream, *batch);
            batch->used_on(stream->ref());
            batch->used_on(stream->ref());  // again is once
        }
        batch->release();
        write(producer, 2);
        ASSERT_TRUE(enqueues(2 * turn + 2));
        for (device::SimulatedStream* const stream : streams) {
            EXPECT_EQ(device_->seen().begun, 2 * turn + 1);
            stream->let_go();
            stream->synchronize();
        }
        EXPECT_TRUE(loader.next(stream_.ref()));
    }
    expect_no_mistakes();
}

TEST_F(PipelineTest, WantsToKnowTheStream) {
    Ring ring = Ring::create(options(0));
    Loader loader(ring, late(2));
    const std::string wanted = "device simulated has streams; say which one will use the batch";
    EXPECT_TRUE(contains(error_text<UsageError>([&] { loader.next(); }), wanted));
    EXPECT_TRUE(
        contains(error_text<UsageError>([&] { loader.next_for(milliseconds(1)); }), wanted));
    EXPECT_TRUE(contains(error_text<UsageError>([&] { loader.epoch(); }), wanted));
    EXPECT_EQ(loader.next_for(milliseconds(1), stream_.ref()).outcome(), Outcome::timed_out);
    EXPECT_EQ(loader.stats().device, "simulated");
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
    EXPECT_TRUE(eventually([&] { return device_->simulator()->synchronizing() == 1; }));
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
    EXPECT_TRUE(eventually([&] { return gone || device_->simulator()->synchronizing() == 1; }));
    EXPECT_FALSE(gone) << "it went with a copy on its way";
    device_->let_copies_go();
    destroyer.join();
    EXPECT_EQ(ring.stats().leased, 0u);
    EXPECT_EQ(ring.stats().discarded, 2u);
    expect_no_mistakes();
}

// A lease that outlives the loader: the memory goes with it, and waits for the work on it.
TEST_F(PipelineTest, WaitsForTheTrainersStreamsBeforeItsMemoryGoes) {
    Ring ring = Ring::create(options(0, 8));
    Producer producer = ring.producer();
    write(producer, 4);
    std::optional<Loader> loader(std::in_place, ring, late(2));
    auto first = loader->next(stream_.ref());
    auto second = loader->next(stream_.ref());
    ASSERT_TRUE(first && second);
    loader.reset();
    stream_.synchronize();
    expect_content(*first);
    expect_content(*second);
    stream_.hold();
    use(stream_, *first);
    use(stream_, *second);
    second->release();
    EXPECT_GT(device_->simulator()->allocations(), 0u);
    std::thread last([&] { first->release(); });
    EXPECT_TRUE(eventually([&] { return device_->simulator()->synchronizing() == 1; }));
    stream_.let_go();
    last.join();
    EXPECT_EQ(device_->simulator()->allocations(), 0u);
    expect_no_mistakes();
}

}  // namespace
}  // namespace headrace
