// Batches that go into memory of the trainer's: Batch::strip_into, on the host device and on a
// simulated one.
#include <gtest/gtest.h>

#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "loader/all_dtypes.hpp"
#include "loader/pipeline_fixture.hpp"
#include "loader/strip_memory.hpp"

namespace headrace {
namespace {

using std::chrono::milliseconds;

constexpr Layout kLayouts[] = {Layout::rows, Layout::packed};

class StripTest : public PipelineFixture {
  protected:
    using Sabotage = device::SimulatedBackend::Sabotage;

    LoaderOptions late(std::uint32_t batch, Layout layout = Layout::rows,
                       std::uint32_t depth = 2) const {
        LoaderOptions options = PipelineFixture::late(batch, depth);
        options.layout = layout;
        return options;
    }
};

// ---- what it writes ----------------------------------------------------------------------------

TEST_F(StripTest, WritesEveryDtypeEndToEnd) {
    std::mt19937_64 random(seed_);
    for (const bool is_late : {false, true}) {
        for (const Layout layout : kLayouts) {
            for (const DType offsets : {i32, i64}) {
                SCOPED_TRACE(std::string(is_late ? "simulated" : "host") + ", " +
                             std::string(name_of(layout)) + ", " + std::string(name_of(offsets)));
                AllDtypes records(random);
                RingOptions all = options(0, 13);
                all.schema = records.schema();
                Ring ring = Ring::create(all);
                Producer producer = ring.producer();
                LoaderOptions wanted = late(4, layout);
                if (!is_late) wanted.device = Device::host();
                wanted.offsets = offsets;
                Loader loader(ring, wanted);
                for (int round = 0; round < 6; ++round) {
                    records.write(producer, 4, round == 3);
                    Result<Batch> batch = loader.next(stream_.ref());
                    ASSERT_TRUE(batch);
                    const StripMemory memory(*batch);
                    batch->strip_into(memory.targets(), stream_.ref());
                    batch->release();
                    stream_.synchronize();
                    offsets == i64 ? records.expect<std::int64_t>(memory)
                                   : records.expect<std::int32_t>(memory);
                    records.forget();
                }
            }
        }
    }
    expect_no_mistakes();
}

// Where there is nothing there may be no memory, either.
TEST_F(StripTest, WritesTheOffsetsOfABatchOfHoles) {
    for (const Layout layout : kLayouts) {
        Ring ring = Ring::create(options(2));
        Writer writer(ring, {0, 1});
        Loader loader(ring, late(2, layout));
        Result<Batch> batch = loader.next(stream_.ref());
        ASSERT_TRUE(batch);
        ASSERT_EQ(batch->size(), 0u);
        const StripMemory memory(*batch);
        std::vector<StripTarget> targets = memory.targets();
        for (StripTarget& target : targets) target.values = nullptr;
        batch->strip_into(targets, stream_.ref());
        stream_.synchronize();
        EXPECT_EQ(memory.offsets<std::int32_t>(0), std::vector<std::int32_t>{0});
        EXPECT_EQ(memory.offsets<std::int32_t>(1), std::vector<std::int32_t>{0});
        EXPECT_TRUE(memory.is_untouched_behind());
    }
    expect_no_mistakes();
}

TEST_F(StripTest, LeavesOutOffsetsThatAreNotWanted) {
    Ring ring = Ring::create(options(8));
    Writer writer(ring);
    Loader loader(ring, late(8));
    Result<Batch> batch = loader.next(stream_.ref());
    ASSERT_TRUE(batch);
    const StripMemory memory(*batch);
    std::vector<StripTarget> targets = memory.targets();
    for (StripTarget& target : targets) target.offsets = nullptr;
    batch->strip_into(targets, stream_.ref());
    stream_.synchronize();
    EXPECT_EQ(memory.wrong(*batch, false), "");
    EXPECT_TRUE(memory.is_untouched_behind());
    expect_no_mistakes();
}

TEST_F(StripTest, LeavesTheBatchAsItIs) {
    for (const Layout layout : kLayouts) {
        Ring ring = Ring::create(options(8));
        Writer writer(ring);
        Loader loader(ring, late(8, layout));
        Result<Batch> batch = loader.next(stream_.ref());
        ASSERT_TRUE(batch);
        const StripMemory first(*batch), second(*batch);
        batch->strip_into(first.targets(), stream_.ref());
        batch->strip_into(second.targets(), other_stream_.ref());
        stream_.synchronize();
        other_stream_.synchronize();
        expect_content(*batch);
        EXPECT_EQ(first.wrong(*batch), "");
        EXPECT_EQ(second.wrong(*batch), "");
    }
    expect_no_mistakes();
}

// ---- streams and leases ------------------------------------------------------------------------

TEST_F(StripTest, WaitsForTheBatchOnAnyStream) {
    Ring ring = Ring::create(options(0, 8));
    Producer producer = ring.producer();
    write(producer, 4);
    device_->hold_copies();
    Loader loader(ring, late(4));
    Result<Batch> batch = loader.next(stream_.ref());
    ASSERT_TRUE(batch);
    const StripMemory memory(*batch);
    batch->strip_into(memory.targets(), other_stream_.ref());
    EXPECT_EQ(device_->seen().strips, 1u) << "it does not wait for it";
    device_->let_copies_go();
    other_stream_.synchronize();
    EXPECT_EQ(memory.wrong(*batch), "");
    expect_no_mistakes();
}

// Given back right behind the call; its memory is not filled again before the stream has passed.
TEST_F(StripTest, KeepsTheBatchUntilTheStreamHasPassed) {
    for (std::uint64_t turn = 0; turn < 5; ++turn) {
        Ring ring = Ring::create(options(0, 8));
        Producer producer = ring.producer();
        Loader loader(ring, late(4, kLayouts[turn % 2], 1));
        const std::uint64_t begun = device_->seen().begun;
        write(producer, 8);
        Result<Batch> batch = loader.next(stream_.ref());
        ASSERT_TRUE(batch);
        const StripMemory memory(*batch);
        other_stream_.hold();
        batch->strip_into(memory.targets(), other_stream_.ref());
        const StripContent wanted(*batch);
        batch->release();
        Result<Batch> next = loader.next(stream_.ref());
        EXPECT_TRUE(next) << "the host is ahead";
        EXPECT_TRUE(eventually([&] { return device_->seen().begun == begun + 1; }));
        // A loader that does not wait comes to the next one within a moment.
        EXPECT_EQ(loader.next_for(milliseconds(10), stream_.ref()).outcome(), Outcome::timed_out);
        EXPECT_EQ(device_->seen().begun, begun + 1);
        other_stream_.let_go();
        stream_.synchronize();
        other_stream_.synchronize();
        EXPECT_EQ(device_->seen().begun, begun + 2);
        EXPECT_EQ(memory.wrong(wanted), "");
        if (next) expect_content(*next);
    }
    expect_no_mistakes();
}

// A loader that forgets the use would be noticed by what the test above looks at.
TEST_F(StripTest, IsFoundOutWithoutTheRecordOfItsUse) {
    Ring ring = Ring::create(options(0, 8));
    Producer producer = ring.producer();
    Loader loader(ring, late(4, Layout::rows, 1));
    write(producer, 8);
    Result<Batch> batch = loader.next(stream_.ref());
    ASSERT_TRUE(batch);
    const StripMemory memory(*batch);
    other_stream_.hold();
    batch->strip_into(memory.targets(), other_stream_.ref());
    const StripContent wanted(*batch);
    device_->sabotage(Sabotage::used_not_recorded);
    batch->release();
    EXPECT_TRUE(eventually([&] { return device_->seen().carried_out == 2; }));
    other_stream_.let_go();
    other_stream_.synchronize();
    EXPECT_NE(memory.wrong(wanted), "");
    EXPECT_GT(device_->mistakes(), 0u);
}

// The last lease frees the memory, and waits for the stream before.
TEST_F(StripTest, OutlivesLoaderAndRing) {
    std::optional<Ring> ring = Ring::create(options(0, 8));
    std::optional<Producer> producer = ring->producer();
    std::optional<Loader> loader(std::in_place, *ring, late(4));
    write(*producer, 4);
    Result<Batch> batch = loader->next(stream_.ref());
    ASSERT_TRUE(batch);
    loader.reset();
    producer.reset();
    ring.reset();
    const StripMemory memory(*batch);
    other_stream_.hold();
    batch->strip_into(memory.targets(), other_stream_.ref());
    const StripContent wanted(*batch);
    std::thread last([&] { batch->release(); });
    EXPECT_TRUE(eventually([&] { return device_->simulator()->synchronizing() == 1; }));
    other_stream_.let_go();
    last.join();
    EXPECT_EQ(memory.wrong(wanted), "");
    EXPECT_EQ(device_->simulator()->allocations(), 0u);
    expect_no_mistakes();
}

TEST_F(StripTest, RunsOnSeveralThreadsAtOnce) {
    Ring ring = Ring::create(options(0, 8));
    Producer producer = ring.producer();
    write(producer, 4);
    Loader loader(ring, late(4));
    Result<Batch> batch = loader.next(stream_.ref());
    ASSERT_TRUE(batch);
    const StripMemory first(*batch), second(*batch);
    std::thread other([&] { batch->strip_into(second.targets(), other_stream_.ref()); });
    batch->strip_into(first.targets(), stream_.ref());
    other.join();
    const StripContent wanted(*batch);
    batch->release();
    stream_.synchronize();
    other_stream_.synchronize();
    EXPECT_EQ(first.wrong(wanted), "");
    EXPECT_EQ(second.wrong(wanted), "");
    expect_no_mistakes();
}

// ---- misuse ------------------------------------------------------------------------------------

TEST_F(StripTest, RefusesOtherLayouts) {
    for (const Layout layout : {Layout::trimmed, Layout::padded}) {
        Ring ring = Ring::create(options(4));
        Writer writer(ring);
        Loader loader(ring, {.batch = 4, .layout = layout});
        Result<Batch> batch = loader.next();
        ASSERT_TRUE(batch);
        const StripMemory memory(*batch);
        EXPECT_EQ(error_text<UsageError>([&] { batch->strip_into(memory.targets(), {}); }),
                  "batch: strip_into of layout " + std::string(name_of(layout)) +
                      ", wanted rows or packed; choose LoaderOptions::layout = Layout::rows");
    }
}

TEST_F(StripTest, RefusesTargetsThatCannotBe) {
    Ring ring = Ring::create(options(0, 8));
    Producer producer = ring.producer();
    write(producer, 4);
    Loader loader(ring, late(4));
    Result<Batch> batch = loader.next(stream_.ref());
    ASSERT_TRUE(batch);
    const StripMemory memory(*batch);
    const auto refusal = [&](const std::vector<StripTarget>& targets) {
        return error_text<UsageError>([&] { batch->strip_into(targets, stream_.ref()); });
    };
    EXPECT_EQ(refusal({}), "batch: strip_into with 0 targets, wanted one for each of 2 fields");
    std::vector<StripTarget> targets = memory.targets();
    targets.push_back({});
    EXPECT_TRUE(contains(refusal(targets), "with 3 targets, wanted one for each of 2 fields"));
    targets = memory.targets();
    targets[1].values = nullptr;
    EXPECT_EQ(refusal(targets),
              "batch: strip_into: field \"ints\": no memory for its values, "
              "wanted room for " +
                  std::to_string(batch->total("ints")) + " elements");
    targets = memory.targets();
    targets[0].values = static_cast<std::byte*>(targets[0].values) + 8;
    EXPECT_EQ(refusal(targets),
              "batch: strip_into: field \"floats\": its values lie 8 bytes "
              "behind a multiple of 256, wanted at one");
    EXPECT_EQ(device_->seen().strips, 0u);
    batch->strip_into(memory.targets(), stream_.ref());
    stream_.synchronize();
    EXPECT_EQ(memory.wrong(*batch), "") << "nothing has changed";
    Batch moved = std::move(*batch);
    const auto strip = [&](Batch& from) { from.strip_into(memory.targets(), stream_.ref()); };
    EXPECT_EQ(error_text<UsageError>([&] { strip(*batch); }),
              "batch: strip_into of one that was given back");
    moved.release();
    EXPECT_THROW(strip(moved), UsageError);
    expect_no_mistakes();
}

// Any memory of the elements' own alignment.
TEST_F(StripTest, TakesMemoryOfTheHostAsItIs) {
    Ring ring = Ring::create(options(4));
    Writer writer(ring);
    Loader loader(ring, {.batch = 4, .layout = Layout::rows});
    Result<Batch> batch = loader.next();
    ASSERT_TRUE(batch);
    std::vector<float> floats(static_cast<std::size_t>(batch->total(0)) + 1);
    std::vector<std::int32_t> ints(static_cast<std::size_t>(batch->total(1)) + 1);
    const StripTarget targets[] = {{floats.data() + 1}, {ints.data() + 1}};
    batch->strip_into(targets, {});
    const float* found = floats.data() + 1;
    for (const std::uint64_t item : batch->items()) {
        for (const float wanted : floats_of(item)) EXPECT_EQ(*found++, wanted);
    }
}

// ---- devices that fail -------------------------------------------------------------------------

// What of it was enqueued is waited for all the same, before the memory goes.
TEST_F(StripTest, EndsTheRingWithAFailureOfTheDevice) {
    for (const Fault fault : {Fault::strip, Fault::wait_on_stream}) {
        Ring ring = Ring::create(options(0, 8));
        Producer producer = ring.producer();
        std::optional<Loader> loader(std::in_place, ring, late(4, Layout::rows, 1));
        write(producer, 4);
        Result<Batch> batch = loader->next(stream_.ref());
        ASSERT_TRUE(batch);
        const StripMemory memory(*batch);
        device_->fail_at(fault);
        other_stream_.hold();
        const auto strip = [&] { batch->strip_into(memory.targets(), other_stream_.ref()); };
        const std::string text = error_text<DeviceError>(strip);
        if (text.empty()) other_stream_.let_go();
        ASSERT_TRUE(contains(text, "device simulated: "));
        EXPECT_EQ(error_text<DeviceError>([&] { loader->next(stream_.ref()); }), text);
        EXPECT_TRUE(contains(error_text<RingAborted>([&] {
                                 while (producer.claim_for(std::chrono::seconds(20))) {
                                 }
                             }),
                             text));
        EXPECT_EQ(ring.stats().phase, Phase::aborted);
        batch->release();
        EXPECT_EQ(loader->state().index, 4u) << "it was delivered";
        stream_.synchronize();
        std::thread last([&] { loader.reset(); });
        EXPECT_TRUE(eventually([&] { return device_->simulator()->synchronizing() == 1; }));
        other_stream_.let_go();
        last.join();
        other_stream_.synchronize();
    }
    expect_no_mistakes();
}

}  // namespace
}  // namespace headrace
