// Datasets over rings of this process, and what loops over them must see.
#pragma once

#include <torch/data/dataloader.h>

#include <cstdint>
#include <numeric>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "headrace/torch_data.hpp"
#include "torch_fixture.hpp"

namespace headrace {

using Items = std::vector<std::uint64_t>;

// A producer in a thread of its own: `data` f32[4] holds the item so often as its number modulo 5
// says, `label` i64[1] holds it once. Items named `skipped` become holes.
class Feeder {
  public:
    explicit Feeder(torch_data::RingDataset& dataset, std::uint64_t skipped = ~std::uint64_t{0})
        : ring_(dataset.ring()), skipped_(skipped), thread_([this] { feed(); }) {}
    Feeder(const Feeder&) = delete;
    Feeder& operator=(const Feeder&) = delete;
    ~Feeder() {
        ring_.close();
        thread_.join();
    }

  private:
    void feed() {
        try {
            Producer producer = ring_.producer();
            while (auto record = producer.claim()) write(std::move(*record));
        } catch (const Error&) {
            // The ring was ended first: the test looks at the other side.
        }
    }
    void write(ClaimedRecord&& record) const {
        const auto item = static_cast<std::int64_t>(record.item());
        if (record.item() == skipped_) return record.skip("a hole");
        torch::publish(record,
                       {at::full({item % 5}, item, at::kFloat), at::full({1}, item, at::kLong)});
    }

    Ring& ring_;
    std::uint64_t skipped_;
    std::thread thread_;
};

class DatasetFixture : public RingFixture {
  protected:
    static constexpr std::uint32_t kBatch = 4;
    static constexpr std::size_t kWorkers[] = {0, 1};

    RingOptions ring(std::uint64_t records, std::uint64_t epochs = 0) {
        RingOptions options = RingFixture::options(records);
        options.schema = {{"data", f32, 4}, {"label", i64, 1}};
        options.epochs = epochs;
        return options;
    }
    static LoaderOptions loader(std::uint32_t depth = 2) {
        return {.batch = kBatch, .depth = depth};
    }
    // The items that one loop sees, `most` batches at the most.
    template <class DataLoader>
    static Items loop(DataLoader& data_loader, std::size_t most = ~std::size_t{0}) {
        Items seen;
        std::size_t batches = 0;
        for (auto& batch : data_loader) {
            expect_content(batch);
            seen.insert(seen.end(), batch.items.begin(), batch.items.end());
            if (++batches == most) break;
        }
        return seen;
    }
    static void expect_content(const torch::BatchTensors& batch) {
        std::vector<float> data;
        std::vector<std::int64_t> labels;
        for (const std::uint64_t item : batch.items) {
            data.insert(data.end(), item % 5, static_cast<float>(item));
            labels.push_back(static_cast<std::int64_t>(item));
        }
        EXPECT_EQ(to_vector<float>(batch["data"].values), data);
        EXPECT_EQ(to_vector<std::int64_t>(batch["label"].values), labels);
    }
    static Items range(std::uint64_t first, std::uint64_t last) {
        Items items(last - first);
        std::iota(items.begin(), items.end(), first);
        return items;
    }
    static bool is_at(const torch_data::RingDataset& dataset, std::uint64_t index) {
        return eventually([&] { return dataset.state().index == index; });
    }
};

}  // namespace headrace
