#include "training_run.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <future>
#include <string>
#include <vector>

#include "headrace/ring.hpp"
#include "launch/progress.hpp"
#include "launch/stop.hpp"
#include "record.hpp"
#include "torch_trainer/word_files.hpp"

namespace {

using words::Place;

void serve(headrace::Producer producer, const std::vector<words::Word>& list) {
    while (auto record = producer.claim()) words::publish_word(*record, list[record->item()]);
}

// The loop, with threads of this process for producers.
class TrainingRunTest : public testing::Test {
  protected:
    TrainingRunTest() {
        words_test::write_word_lists(folder_.path(), 40);
        lists_ = words::read_word_lists(folder_.path());
        options_.batch = 8;
        options_.epochs = 2;
        options_.every = 0;
        options_.checkpoint = (folder_.path() / "run").string();
    }

    // Makes the rings that the run goes on with, and runs it.
    void run(words::TrainingRun& run, const std::function<void()>& look_around) {
        auto train = make_ring("train", lists_.train.size());
        auto held_out = make_ring("held-out", lists_.held_out.size());
        const auto first =
            std::async(std::launch::async, serve, train.producer(), std::cref(lists_.train));
        const auto second =
            std::async(std::launch::async, serve, held_out.producer(), std::cref(lists_.held_out));
        struct Closer {
            headrace::Ring& ring;
            ~Closer() { ring.close(); }
        } const close_train{train}, close_held_out{held_out};
        headrace::Loader train_loader(train, {.batch = options_.batch});
        headrace::Loader held_out_loader(held_out, {.batch = options_.batch});
        run.run(train_loader, held_out_loader, look_around);
    }
    headrace::Ring make_ring(const std::string& purpose, std::size_t records) const {
        headrace::RingOptions ring;
        ring.name = "run-" + std::to_string(getpid()) + "-" + purpose;
        ring.schema = words::record_schema();
        ring.slots = 4 * options_.batch;
        ring.epoch_records = records;
        ring.epochs = options_.epochs;
        ring.directory = folder_.path().string();
        return headrace::Ring::create(ring);
    }
    words::TrainingRun make_run() {
        return {options_, lists_, headrace::Device::host(), progress_};
    }
    Place saved() const { return words::read_checkpoint(options_.checkpoint).place; }

    words_test::TemporaryFolder folder_;
    words::Options options_;
    words::WordLists lists_;
    samples::Progress progress_{"training_run_test", true};
};

TEST_F(TrainingRunTest, StoppedBetweenTwoStepsKeepsAllOfThem) {
    auto training = make_run();
    ASSERT_GT(training.steps_of_epoch(), 5u);
    const auto stop = [&] {
        if (training.steps() == 5) throw samples::Stopped{};
    };
    EXPECT_THROW(run(training, stop), samples::Stopped);
    EXPECT_EQ(saved().step, 5u);
    EXPECT_EQ(saved().learner_steps, 5);
    EXPECT_EQ(saved().train.index, 5 * options_.batch);
    EXPECT_EQ(saved().held_out.index, 0u);
    EXPECT_TRUE(saved().curve.empty());
}

TEST_F(TrainingRunTest, StoppedInAnExamKeepsNothingOfTheEpochsEnd) {
    options_.every = 3;
    auto training = make_run();
    const std::uint64_t steps = training.steps_of_epoch();
    const auto stop = [&] {
        if (training.steps() == steps) throw samples::Stopped{};
    };
    EXPECT_THROW(run(training, stop), samples::Stopped);
    EXPECT_EQ(saved().epoch, 0u);
    EXPECT_EQ(saved().step, (steps - 1) / 3 * 3);
}

TEST_F(TrainingRunTest, TakesAnExamAfterEachEpoch) {
    auto training = make_run();
    run(training, [] {});
    EXPECT_TRUE(training.is_over());
    EXPECT_EQ(training.steps(), 2 * training.steps_of_epoch());
    EXPECT_EQ(training.records(), 2 * lists_.train.size());
    EXPECT_EQ(training.lost(), 0u);
    const Place place = saved();
    EXPECT_EQ(place, training.place());
    EXPECT_EQ(place.epoch, 2u);
    EXPECT_EQ(place.train.index, 2 * lists_.train.size());
    EXPECT_EQ(place.held_out.index, 2 * lists_.held_out.size());
    EXPECT_EQ(place.exam.words(), lists_.held_out.size());
    std::size_t exams = 0;
    for (const words::CurvePoint& point : place.curve) exams += point.held_out_right.has_value();
    EXPECT_EQ(exams, 2u);
    EXPECT_EQ(place.curve.back().step, training.steps());
    EXPECT_EQ(place.curve.back().held_out_right, place.exam.accuracy());
}

TEST_F(TrainingRunTest, BeginsAtTheBeginningWhereThereIsNoCheckpoint) {
    auto training = make_run();
    training.resume();
    EXPECT_FALSE(training.is_resumed());
    EXPECT_EQ(training.place(), Place{});
}

}  // namespace
