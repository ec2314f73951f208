// Ring::reset() under a loader whose device is late, and while everything runs.
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <random>

#include "loader/reset_fixture.hpp"

namespace headrace {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class LoaderResetRunTest : public LoaderResetFixture {};

// ---- on a device that is late ----

TEST_F(LoaderResetRunTest, WaitsForTheCopiesOfWhatItDiscards) {
    Ring ring = Ring::create(shuffled());
    Producer producer = ring.producer();
    device_->hold_copies();
    Loader loader(ring, late(kBatch, 1));
    write(producer, 6);
    ASSERT_TRUE(enqueues(1));
    ring.reset();
    EXPECT_EQ(loader.next_for(milliseconds(10), stream_.ref()).outcome(), Outcome::timed_out);
    EXPECT_EQ(ring.stats().prefetched, 0u);
    EXPECT_EQ(ring.stats().discarded, kBatch) << "its slots are still being read";
    EXPECT_EQ(ring.stats().leased, kBatch);
    EXPECT_EQ(device_->seen().enqueued, 1u);
    device_->let_copies_go();
    write_soon(producer, kBatch);
    auto batch = loader.next(stream_.ref());
    stream_.synchronize();
    expect_batch(ring, std::move(batch), 0, kBatch);
    expect_books(ring);
    expect_no_mistakes();
}

TEST_F(LoaderResetRunTest, LeavesABatchToTheStreamThatUsesIt) {
    Ring ring = Ring::create(shuffled(40, 0));
    Producer producer = ring.producer();
    Loader loader(ring, late(kBatch, 2));
    write(producer, 3 * kBatch);
    for (int turn = 0; turn < 10; ++turn) {
        auto old = loader.next(stream_.ref());
        ASSERT_TRUE(old);
        stream_.synchronize();
        expect_content(*old);
        stream_.hold();
        use(stream_, *old);
        ring.reset();
        old->release();
        std::thread letting_go([&] { stream_.let_go(); });
        write_soon(producer, 3 * kBatch);
        auto batch = loader.next(stream_.ref());
        letting_go.join();
        stream_.synchronize();
        expect_batch(ring, std::move(batch), 0, kBatch);
    }
    expect_no_mistakes();
}

// ---- while everything runs ----

// Resets by the trainer, between its batches, and by another thread at any moment. After its own
// the trainer meets the new order from the beginning; whatever it gets is in order, and whole.
class LoaderResetRun {
  public:
    LoaderResetRun(Ring& ring, std::uint64_t seed)
        : ring_(ring), random_(static_cast<unsigned>(seed)), resetter_([this, seed] {
              std::minstd_rand random(static_cast<unsigned>(seed) + 1);
              while (!is_over_) {
                  std::this_thread::sleep_for(std::chrono::microseconds(random() % 4000));
                  ring_.reset();
              }
          }) {}
    LoaderResetRun(const LoaderResetRun&) = delete;
    LoaderResetRun& operator=(const LoaderResetRun&) = delete;
    ~LoaderResetRun() {
        is_over_ = true;
        resetter_.join();
    }

    void take_batches(const std::function<Result<Batch>()>& next, const Loader& loader,
                      const std::function<void(const Batch&)>& look, int resets) {
        while (resets > 0 || others_ < 5) {
            auto batch = next();
            ASSERT_NE(batch.outcome(), Outcome::timed_out);
            if (!batch) continue;
            note(*batch);
            if (testing::Test::HasFatalFailure()) return;
            look(*batch);
            // Never more than was given back, and of no other order.
            EXPECT_LE(loader.state().index, place_);
            held_.push_back(std::move(*batch));
            while (!held_.empty() && (held_.size() == loader.options().depth || random_() % 3 != 0))
                held_.erase(held_.begin() + static_cast<std::ptrdiff_t>(random_() % held_.size()));
            if (random_() % 6 != 0) continue;
            ring_.reset();
            --resets;
            is_mine_ = true;
        }
        held_.clear();
    }

  private:
    void note(const Batch& batch) {
        if (batch.first_index() != next_ || is_mine_) {
            if (!is_mine_) ++others_;
            if (is_mine_) {
                ASSERT_GE(batch.first_index(), next_ + ring_.slots());
            }
            place_ = 0;
            is_mine_ = false;
        }
        ASSERT_EQ(batch.epoch(), ring_.sampler()->epoch_of(place_));
        for (std::uint64_t index = batch.first_index(), i = 0; index < batch.last_index();
             ++index, ++place_) {
            if (i < batch.size() && batch.indices()[i] == index) {
                ASSERT_EQ(batch.items()[i++], ring_.sampler()->item_of(place_));
            }
        }
        next_ = batch.last_index();
    }

    Ring& ring_;
    std::minstd_rand random_;
    std::vector<Batch> held_;
    std::uint64_t next_ = 0, place_ = 0, others_ = 0;
    bool is_mine_ = false;
    std::atomic<bool> is_over_{false};
    std::thread resetter_;
};

TEST_F(LoaderResetRunTest, BreaksNothingWhileEverythingRuns) {
    Ring ring = Ring::create(shuffled(22, 3));
    {
        const Tireless first(ring, seed_), second(ring, seed_ + 1);
        Loader loader(ring, {.batch = kBatch, .depth = 3});
        LoaderResetRun run(ring, seed_);
        run.take_batches([&] { return loader.next_for(seconds(20)); }, loader,
                         [](const Batch& batch) { expect_content(batch); }, 150);
    }
    ring.consumer().try_get();  // goes along with the last reset
    expect_books(ring);
}

TEST_F(LoaderResetRunTest, BreaksNothingOnADeviceThatIsLate) {
    Ring ring = Ring::create(shuffled(22, 3));
    {
        const Tireless first(ring, seed_), second(ring, seed_ + 1);
        Loader loader(ring, late(kBatch, 3));
        LoaderResetRun run(ring, seed_);
        run.take_batches([&] { return loader.next_for(seconds(20), stream_.ref()); }, loader,
                         [&](const Batch& batch) {
                             stream_.synchronize();
                             expect_content(batch);
                             use(stream_, batch);
                         },
                         150);
    }
    stream_.synchronize();
    ring.consumer().try_get();  // goes along with the last reset
    expect_books(ring);
    expect_no_mistakes();
}

}  // namespace
}  // namespace headrace
