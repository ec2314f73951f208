// What tensors tell the device of the streams that use them, and that nothing happens when it does
// not answer any more.
#include <torch/types.h>

#include <algorithm>
#include <memory>
#include <thread>

#include "torch_fixture.hpp"
#include "watched_device.hpp"

namespace headrace {
namespace {

using torch::BatchTensors;
using torch::to_tensors;

class StreamsTest : public TorchFixture {
  protected:
    BatchTensors take_on(void* stream) {
        auto batch = loader_->next_for(std::chrono::seconds(30), {stream});
        if (!batch) throw std::runtime_error("no batch");
        device_->forget();
        return to_tensors(std::move(*batch));
    }
    // On which streams an event was recorded when batches were given back.
    std::vector<const void*> recorded() {
        auto streams = device_->recorded();
        std::sort(streams.begin(), streams.end());
        return streams;
    }

    std::shared_ptr<WatchedDevice> device_ = std::make_shared<WatchedDevice>();
    LoaderOptions on_device_{.device = Device::custom(device_), .depth = 3};
    int streams_[3] = {};
    void* const first_ = &streams_[0];
    void* const second_ = &streams_[1];
    void* const third_ = &streams_[2];
};

TEST_F(StreamsTest, AreWaitedForWhenTheLastTensorGoes) {
    make(1, 1, on_device_);
    put(2, 1);
    at::Tensor values;
    {
        const BatchTensors tensors = take_on(first_);
        tensors.used_on(StreamRef(second_));
        values = tensors["a"].values;
    }
    EXPECT_TRUE(recorded().empty());
    std::thread([gone = std::move(values)] {}).join();
    EXPECT_EQ(recorded(), (std::vector<const void*>{first_, second_}));
    EXPECT_TRUE(is_given_back(1));
}

TEST_F(StreamsTest, AreDeclaredWhileThereIsATensor) {
    make(1, 1, on_device_);
    put(2, 1);
    BatchTensors tensors = take_on(first_);
    at::Tensor view = tensors["a"].values.slice(0, 1);
    tensors.fields.clear();
    tensors.used_on(StreamRef(third_));
    view.reset();
    EXPECT_THROW(tensors.used_on(StreamRef(second_)), UsageError);
    EXPECT_EQ(recorded(), (std::vector<const void*>{first_, third_}));
}

TEST_F(StreamsTest, HaveNothingToDoWithOwnedTensors) {
    on_device_.layout = Layout::rows;
    make(1, 1, on_device_);
    put(2, 1);
    auto batch = loader_->next_for(std::chrono::seconds(30), {first_});
    ASSERT_TRUE(batch);
    const BatchTensors tensors = torch::to_owned_tensors(std::move(*batch));
    EXPECT_EQ(to_vector<float>(tensors["a"].values), (std::vector<float>{0, 1}));
    EXPECT_TRUE(is_given_back(1));
    device_->forget();
    tensors.used_on(StreamRef(second_));
    EXPECT_TRUE(recorded().empty());
}

// As at the end of a program: the device is gone first, then loader and ring, then the tensors.
TEST_F(StreamsTest, MayBeGoneBeforeTheTensors) {
    make(2, 1, on_device_);
    put(2, 1);
    put(1, 0);
    BatchTensors before = take_on(first_);
    BatchTensors behind = take_on(first_);
    device_->shut_down();
    before = BatchTensors{};
    producer_.reset();
    loader_.reset();
    ring_.reset();
    EXPECT_EQ(to_vector<float>(behind["a"].values), std::vector<float>{10});
    std::thread([gone = std::move(behind)] {}).join();
}

}  // namespace
}  // namespace headrace
