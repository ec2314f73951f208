// Datasets of torch::data: what their batches become, and checkpoints.
#include <torch/data/transforms/lambda.h>
#include <torch/serialize.h>

#include <sstream>

#include "dataset_fixture.hpp"

namespace headrace {
namespace {

using torch::BatchTensors;
using ::torch::data::DataLoaderOptions;
using ::torch::data::make_data_loader;
using torch_data::AsExample;
using torch_data::RingDataset;

using DatasetStateTest = DatasetFixture;

// ---- transforms --------------------------------------------------------------------------------

TEST_F(DatasetStateTest, MapsAsExamples) {
    for (const std::size_t workers : kWorkers) {
        LoaderOptions padded = loader(3);
        padded.layout = Layout::padded;
        RingDataset dataset(ring(8, 1), padded);
        const Feeder feeder(dataset);
        const auto data_loader = make_data_loader(dataset.map(AsExample("data", "label")),
                                                  DataLoaderOptions(kBatch).workers(workers));
        std::int64_t first = 0;
        for (auto& example : *data_loader) {
            EXPECT_EQ(example.data.sizes(), (at::IntArrayRef{kBatch, 4}));
            EXPECT_EQ(to_vector<std::int64_t>(example.target),
                      (std::vector<std::int64_t>{first, first + 1, first + 2, first + 3}));
            // So often as its number modulo 5, and zeros.
            for (std::int64_t record = 0; record < kBatch; ++record) {
                const std::int64_t item = first + record;
                EXPECT_EQ(example.data[record].sum().item().toDouble(),
                          static_cast<double>(item % 5 * item));
            }
            first += kBatch;
        }
        EXPECT_EQ(first, 8);
        EXPECT_TRUE(is_at(dataset, 8));
    }
}

TEST_F(DatasetStateTest, MapsAFieldOfCapacityOneToALineOfElements) {
    for (const Layout layout : {Layout::packed, Layout::trimmed, Layout::padded, Layout::rows}) {
        SCOPED_TRACE(std::string(name_of(layout)));
        LoaderOptions options = loader();
        options.layout = layout;
        RingDataset dataset(ring(6, 1), options);
        const Feeder feeder(dataset);
        AsExample as_example("data", "label");
        Items seen;
        dataset.reset();
        while (const auto batch = dataset.get_batch(kBatch)) {
            const at::Tensor labels = as_example.apply_batch(*batch).target;
            EXPECT_EQ(labels.dim(), 1);
            for (const std::int64_t label : to_vector<std::int64_t>(labels)) {
                seen.push_back(static_cast<std::uint64_t>(label));
            }
        }
        EXPECT_EQ(seen, range(0, 6));
    }
}

TEST_F(DatasetStateTest, MapsByAFunction) {
    RingDataset dataset(ring(8, 1), loader());
    const Feeder feeder(dataset);
    const auto data_loader = make_data_loader(
        dataset.map(::torch::data::transforms::BatchLambda<BatchTensors, std::int64_t>(
            [](const BatchTensors& batch) {
                return batch["label"].values.sum().item<std::int64_t>();
            })),
        DataLoaderOptions(kBatch));
    std::vector<std::int64_t> sums;
    for (auto& sum : *data_loader) sums.push_back(sum);
    EXPECT_EQ(sums, (std::vector<std::int64_t>{6, 22}));
}

TEST_F(DatasetStateTest, NamesTheFieldThatAnExampleLacks) {
    RingDataset dataset(ring(8, 1), loader());
    const Feeder feeder(dataset);
    const auto data_loader =
        make_data_loader(dataset.map(AsExample("data", "target")), DataLoaderOptions(kBatch));
    EXPECT_TRUE(
        contains(error_text<UsageError>([&] { data_loader->begin().operator*(); }), "target"));
}

// ---- save and load -----------------------------------------------------------------------------

TEST_F(DatasetStateTest, GoesOnFromWhereItWasSaved) {
    std::stringstream file;
    RingOptions shuffled = ring(14, 2);
    shuffled.shuffle_seed = 7;
    Items whole;
    {
        RingDataset dataset(shuffled, loader());
        const Feeder feeder(dataset);
        const auto data_loader = make_data_loader(dataset, DataLoaderOptions(kBatch));
        int batches = 0;
        for (int epoch = 0; epoch < 2; ++epoch) {
            for (auto& batch : *data_loader) {
                whole.insert(whole.end(), batch.items.begin(), batch.items.end());
                // What the loop holds just now does not count.
                if (++batches == 3) ::torch::save(dataset, file);
            }
        }
        EXPECT_EQ(dataset.state().index, 28u);
    }
    RingDataset dataset(shuffled, loader());
    ::torch::load(dataset, file);
    EXPECT_EQ(dataset.state().index, 8u);
    file.seekg(0);
    EXPECT_NO_THROW(::torch::load(dataset, file)) << "nothing has been opened yet";
    const Feeder feeder(dataset);
    const auto data_loader = make_data_loader(dataset, DataLoaderOptions(kBatch));
    Items rest = loop(*data_loader);
    EXPECT_EQ(rest.size(), 6u) << "what is left of the first epoch";
    const Items next = loop(*data_loader);
    rest.insert(rest.end(), next.begin(), next.end());
    EXPECT_EQ(rest, Items(whole.begin() + 8, whole.end()));
}

TEST_F(DatasetStateTest, SavesTheEndOfAnEpochBetweenLoops) {
    for (const std::size_t workers : kWorkers) {
        std::stringstream file;
        {
            RingDataset dataset(ring(8, 2), loader(3));
            const Feeder feeder(dataset);
            const auto data_loader =
                make_data_loader(dataset, DataLoaderOptions(kBatch).workers(workers));
            loop(*data_loader);
            EXPECT_TRUE(is_at(dataset, 8));
            ::torch::save(dataset, file);
        }
        RingDataset dataset(ring(8, 2), loader(3));
        ::torch::load(dataset, file);
        const Feeder feeder(dataset);
        const auto data_loader = make_data_loader(dataset, DataLoaderOptions(kBatch));
        EXPECT_EQ(loop(*data_loader), range(0, 8)) << "the second epoch, and no empty loop before";
        EXPECT_TRUE(loop(*data_loader).empty());
    }
}

TEST_F(DatasetStateTest, KeepsItsStateBesideAModel) {
    ::torch::serialize::OutputArchive checkpoint;
    {
        RingDataset dataset(ring(8, 2), loader());
        ::torch::serialize::OutputArchive part;
        dataset.save(part);  // makes the ring
        checkpoint.write("data", part);
        checkpoint.write("weight", at::ones({2}));
    }
    std::stringstream file;
    checkpoint.save_to(file);
    ::torch::serialize::InputArchive read, part;
    read.load_from(file);
    ASSERT_TRUE(read.try_read("data", part));
    RingDataset dataset(ring(8, 2), loader());
    dataset.load(part);
    EXPECT_EQ(dataset.state().index, 0u);
    EXPECT_TRUE(contains(error_text<UsageError>([&] { dataset.load(read); }),
                         "found an archive without a \"headrace_state\""));
}

TEST_F(DatasetStateTest, RefusesToBeLoadedWhenItRuns) {
    std::stringstream file;
    RingDataset dataset(ring(8, 2), loader());
    ::torch::save(dataset, file);
    EXPECT_TRUE(contains(error_text<UsageError>([&] { ::torch::load(dataset, file); }),
                         "ring dataset \"test\": load() finds its ring running; call it before "
                         "the first use"));
    RingDataset over(dataset.loader());
    file.seekg(0);
    EXPECT_TRUE(contains(error_text<UsageError>([&] { ::torch::load(over, file); }),
                         "set RingOptions::resume of its ring instead"));
}

}  // namespace
}  // namespace headrace
