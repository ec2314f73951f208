// Datasets of torch::data: loops, leases and errors.
#include "dataset_fixture.hpp"

#include "watched_device.hpp"

namespace headrace {
namespace {

using torch::BatchTensors;
using ::torch::data::DataLoaderOptions;
using ::torch::data::make_data_loader;
using torch_data::RingDataset;

using DatasetTest = DatasetFixture;

// ---- epochs ------------------------------------------------------------------------------------

TEST_F(DatasetTest, GivesAnEpochToEachLoop) {
    for (const std::size_t workers : kWorkers) {
        SCOPED_TRACE(std::to_string(workers) + " workers");
        RingDataset dataset(ring(10, 3), loader(3));
        const Feeder feeder(dataset);
        const auto data_loader =
            make_data_loader(dataset, DataLoaderOptions(kBatch).workers(workers));
        std::uint64_t epoch = 0;
        for (; epoch < 3; ++epoch) {
            std::vector<std::size_t> sizes;
            Items seen;
            for (auto& batch : *data_loader) {
                EXPECT_EQ(batch.epoch, epoch);
                expect_content(batch);
                sizes.push_back(batch.size());
                seen.insert(seen.end(), batch.items.begin(), batch.items.end());
            }
            EXPECT_EQ(sizes, (std::vector<std::size_t>{4, 4, 2}));
            EXPECT_EQ(seen, range(0, 10));
            EXPECT_TRUE(is_at(dataset, 10 * (epoch + 1)));
        }
        EXPECT_TRUE(loop(*data_loader).empty()) << "the data is at its end";
        EXPECT_TRUE(dataset.loader().done());
    }
}

TEST_F(DatasetTest, GoesOnWhereALoopWasLeftEarly) {
    RingDataset dataset(ring(16, 2), loader());
    const Feeder feeder(dataset);
    const auto data_loader = make_data_loader(dataset, DataLoaderOptions(kBatch));
    EXPECT_EQ(loop(*data_loader, 1), range(0, 4));
    EXPECT_EQ(loop(*data_loader, 2), range(4, 12));
    // Left behind the last batch: the epoch is over all the same.
    EXPECT_EQ(loop(*data_loader, 1), range(12, 16));
    data_loader->begin();
    EXPECT_EQ(loop(*data_loader), range(0, 16));
    EXPECT_TRUE(loop(*data_loader).empty());
}

TEST_F(DatasetTest, BeginsANewEpochWithEachLoopWhereAsked) {
    RingDataset dataset(ring(16, 4), loader(), {.new_epoch_each_loop = true});
    const Feeder feeder(dataset);
    const auto data_loader = make_data_loader(dataset, DataLoaderOptions(kBatch));
    data_loader->begin();  // nothing has been taken: nothing is thrown away
    EXPECT_EQ(loop(*data_loader, 2), range(0, 8));
    EXPECT_EQ(loop(*data_loader, 4), range(0, 16));
    EXPECT_EQ(loop(*data_loader), range(0, 16));
    EXPECT_EQ(loop(*data_loader, 1), range(0, 4));
    EXPECT_TRUE(loop(*data_loader).empty());
    EXPECT_EQ(dataset.state().index, 64u);
}

TEST_F(DatasetTest, TakesNothingAtTheBeginningOfALoop) {
    RingDataset dataset(ring(8, 1), loader());
    const Feeder feeder(dataset);
    const auto data_loader = make_data_loader(dataset, DataLoaderOptions(kBatch));
    for (int i = 0; i < 5; ++i) data_loader->begin();
    EXPECT_EQ(loop(*data_loader), range(0, 8));
}

// LibTorch refuses a second loop then; another data loader over the same dataset goes on.
TEST_F(DatasetTest, ThrowsAwayWhatAWorkerFetchedWhenItsLoopIsLeft) {
    RingDataset dataset(ring(40, 1), loader(3));
    const Feeder feeder(dataset);
    auto data_loader = make_data_loader(dataset, DataLoaderOptions(kBatch).workers(1));
    EXPECT_EQ(loop(*data_loader, 1), range(0, 4));
    EXPECT_THROW(data_loader->begin(), c10::Error);
    data_loader.reset();
    data_loader = make_data_loader(dataset, DataLoaderOptions(kBatch));
    const Items rest = loop(*data_loader);
    ASSERT_FALSE(rest.empty());
    EXPECT_EQ(rest, range(rest.front(), 40)) << "without a gap";
    EXPECT_LE(rest.front(), 12u) << "no more than the two that max_jobs allows are thrown away";
    EXPECT_EQ(rest.front() % kBatch, 0u);
}

TEST_F(DatasetTest, GivesAllOfAStreamRingToOneLoop) {
    RingDataset dataset(ring(0), loader());
    EXPECT_FALSE(dataset.size().has_value());
    std::thread writer([&dataset] {
        Producer producer = dataset.ring().producer();
        for (int i = 0; i < 6; ++i) {
            auto record = producer.claim();
            torch::publish(*record,
                           {at::full({i % 5}, i, at::kFloat), at::full({1}, i, at::kLong)});
        }
    });
    const auto data_loader = make_data_loader(dataset, DataLoaderOptions(kBatch));
    EXPECT_EQ(loop(*data_loader), range(0, 6));
    EXPECT_TRUE(loop(*data_loader).empty());
    writer.join();
}

// There is no epoch whose rest could be thrown away: it would be all that ever comes.
TEST_F(DatasetTest, ThrowsNothingOfAStreamRingAway) {
    RingDataset dataset(ring(0), loader(), {.new_epoch_each_loop = true});
    std::thread writer([&dataset] {
        Producer producer = dataset.ring().producer();
        for (int i = 0; i < 12; ++i) {
            auto record = producer.claim();
            torch::publish(*record,
                           {at::full({i % 5}, i, at::kFloat), at::full({1}, i, at::kLong)});
        }
    });
    const auto data_loader = make_data_loader(dataset, DataLoaderOptions(kBatch));
    EXPECT_EQ(loop(*data_loader, 1), range(0, 4));
    EXPECT_EQ(loop(*data_loader), range(4, 12));
    writer.join();
}

TEST_F(DatasetTest, TellsHowManyRecordsAnEpochHas) {
    EXPECT_EQ(*RingDataset(ring(10), loader()).size(), 10u);
    RingOptions shard = ring(11);
    shard.world_size = 4;
    shard.rank = 1;
    RingDataset dataset(shard, loader());
    EXPECT_EQ(*dataset.size(), 2u);
    shard.remainder = Remainder::pad;
    EXPECT_EQ(*RingDataset(shard, loader()).size(), 3u);
    dataset.open();
    EXPECT_EQ(*dataset.size(), 2u);
}

TEST_F(DatasetTest, PassesABatchOfHolesOn) {
    RingOptions options = ring(3, 1);
    options.slots = 4;
    RingDataset dataset(options, {.batch = 1});
    const Feeder feeder(dataset, 1);
    const auto data_loader = make_data_loader(dataset, DataLoaderOptions(1));
    std::vector<std::size_t> sizes;
    for (auto& batch : *data_loader) sizes.push_back(batch.size());
    EXPECT_EQ(sizes, (std::vector<std::size_t>{1, 0, 1}));
}

// ---- leases ------------------------------------------------------------------------------------

TEST_F(DatasetTest, LetsALoopKeepWhatItLikesOfABatch) {
    RingDataset dataset(ring(24, 1), loader(4));
    const Feeder feeder(dataset);
    const auto data_loader = make_data_loader(dataset, DataLoaderOptions(kBatch));
    at::Tensor kept;
    for (auto& batch : *data_loader) kept = batch["label"].values;
    EXPECT_EQ(to_vector<std::int64_t>(kept), (std::vector<std::int64_t>{20, 21, 22, 23}));
    EXPECT_EQ(dataset.state().index, 20u);
    kept.reset();
    EXPECT_TRUE(is_at(dataset, 24));
}

TEST_F(DatasetTest, SaysWhenALoopKeepsEveryBatch) {
    LoaderOptions impatient = loader(2);
    impatient.lease_timeout = std::chrono::milliseconds(50);
    RingDataset dataset(ring(24, 1), impatient);
    const Feeder feeder(dataset);
    const auto data_loader = make_data_loader(dataset, DataLoaderOptions(kBatch));
    std::vector<BatchTensors> kept;
    EXPECT_TRUE(contains(error_text<UsageError>([&] {
                             for (auto& batch : *data_loader) kept.push_back(batch);
                         }),
                         "all 2 batches are held by the caller"));
    EXPECT_EQ(kept.size(), 2u);
}

// Whoever fetches the batches.
TEST_F(DatasetTest, GivesBatchesToTheStreamThatIsNamed) {
    for (const std::size_t workers : kWorkers) {
        const auto device = std::make_shared<WatchedDevice>();
        LoaderOptions options = loader(3);
        options.device = Device::custom(device);
        int stream = 0;
        RingDataset dataset(ring(24, 1), options, {.stream = StreamRef(&stream)});
        const Feeder feeder(dataset);
        const auto data_loader =
            make_data_loader(dataset, DataLoaderOptions(kBatch).workers(workers));
        EXPECT_EQ(loop(*data_loader), range(0, 24));
        const auto streams = device->recorded();
        EXPECT_GE(streams.size(), 12u) << "each batch was wanted, and used";
        for (const void* const one : streams) EXPECT_EQ(one, &stream);
    }
}

// ---- a loader that is there --------------------------------------------------------------------

TEST_F(DatasetTest, GoesOnWithALoaderThatIsThere) {
    RingDataset owner(ring(16, 1), loader());
    const Feeder feeder(owner);
    EXPECT_EQ(owner.loader().next()->last_index(), 4u);
    RingDataset dataset(owner.loader());
    EXPECT_EQ(*dataset.size(), 16u);
    const auto data_loader = make_data_loader(dataset, DataLoaderOptions(kBatch));
    EXPECT_EQ(loop(*data_loader), range(4, 16));
    EXPECT_THROW(dataset.ring(), UsageError);
    EXPECT_EQ(dataset.state(), owner.state());
}

// ---- errors ------------------------------------------------------------------------------------

TEST_F(DatasetTest, WantsTheBatchSizeOfTheLoader) {
    RingDataset dataset(ring(8, 1), loader(3));
    const Feeder feeder(dataset);
    const std::string wanted =
        "the data loader asks for batches of 32, found LoaderOptions::batch 4";
    const auto inside = make_data_loader(dataset, DataLoaderOptions(32));
    EXPECT_TRUE(contains(error_text<UsageError>([&] { loop(*inside); }), wanted));
    const auto outside = make_data_loader(dataset, DataLoaderOptions(32).workers(1));
    EXPECT_TRUE(
        contains(error_text<::torch::data::WorkerException>([&] { loop(*outside); }), wanted));
    const auto right = make_data_loader(dataset, DataLoaderOptions(kBatch));
    EXPECT_EQ(loop(*right), range(0, 8)) << "nothing was lost";
}

TEST_F(DatasetTest, WantsDepthForWhatTorchHolds) {
    EXPECT_TRUE(
        contains(error_text<UsageError>([&] { RingDataset dataset(ring(8, 1), loader(1)); }),
                 "LoaderOptions::depth 1, wanted 2 at least"));
    RingDataset dataset(ring(8, 1), loader(2));
    const Feeder feeder(dataset);
    const auto data_loader = make_data_loader(dataset, DataLoaderOptions(kBatch).workers(1));
    EXPECT_TRUE(
        contains(error_text<::torch::data::WorkerException>([&] { loop(*data_loader); }),
                 "LoaderOptions::depth 2, wanted max_jobs + 1 with worker threads, 3 at least"));
}

TEST_F(DatasetTest, SaysThatNoBatchCame) {
    LoaderOptions impatient = loader();
    impatient.first_timeout = std::chrono::milliseconds(20);
    RingDataset dataset(ring(8, 1), impatient);
    const auto data_loader = make_data_loader(dataset, DataLoaderOptions(kBatch));
    EXPECT_TRUE(contains(error_text<TimeoutError>([&] { loop(*data_loader); }),
                         "ring dataset: no batch within the time-out"));
    const Feeder feeder(dataset);
    // Each wait has the time-out again, until there are batches.
    EXPECT_TRUE(eventually([&] {
        try {
            return loop(*data_loader) == range(0, 8);
        } catch (const TimeoutError&) {
            return false;
        }
    }));
}

TEST_F(DatasetTest, PassesErrorsOfTheRingOn) {
    RingDataset dataset(ring(8, 1), loader(3));
    const auto inside = make_data_loader(dataset, DataLoaderOptions(kBatch));
    const auto outside = make_data_loader(dataset, DataLoaderOptions(kBatch).workers(1));
    dataset.ring().abort("the test says so");
    EXPECT_TRUE(contains(error_text<RingAborted>([&] { loop(*inside); }), "the test says so"));
    EXPECT_TRUE(contains(error_text<::torch::data::WorkerException>([&] { loop(*outside); }),
                         "the test says so"));
}

TEST_F(DatasetTest, LetsAWaitingLoopGoWhenItIsClosed) {
    for (const std::size_t workers : kWorkers) {
        RingDataset dataset(ring(8, 1), loader(3));
        dataset.open();
        std::thread closer([&dataset] {
            eventually([&] { return dataset.ring().stats().trainer_waited_s > 0; });
            dataset.close();
        });
        const auto data_loader =
            make_data_loader(dataset, DataLoaderOptions(kBatch).workers(workers));
        EXPECT_TRUE(loop(*data_loader).empty());
        closer.join();
    }
}

}  // namespace
}  // namespace headrace
