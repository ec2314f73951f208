#include "model.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace {

using voices::Model;
using voices::ModelOptions;

torch::Tensor starts_of(const std::vector<std::int64_t>& starts) {
    return torch::tensor(starts);
}

TEST(ModelTest, KnowsTheRecordingOfEachFrame) {
    const torch::Tensor recordings = voices::recording_of_frames(starts_of({0, 2, 2, 5}), 5);
    EXPECT_TRUE(recordings.equal(torch::tensor(std::vector<std::int64_t>{0, 0, 2, 2, 2})));
}

TEST(ModelTest, NeverSeesANeighbour) {
    const torch::Tensor starts = starts_of({0, 1, 1, 4});
    const torch::Tensor frames = torch::arange(4, torch::kFloat).unsqueeze(1);
    const torch::Tensor seen =
        voices::with_context(frames, starts, voices::recording_of_frames(starts, 4), 3);
    const torch::Tensor wanted = torch::tensor({{0.f, 0.f, 0.f},    // a recording of one frame
                                                {1.f, 1.f, 2.f},    // the first of three
                                                {1.f, 2.f, 3.f},    //
                                                {2.f, 3.f, 3.f}});  // the last
    EXPECT_TRUE(seen.equal(wanted)) << seen;
}

TEST(ModelTest, PoolsAsThoughEachRecordingWereAlone) {
    torch::manual_seed(1);
    const std::vector<std::int64_t> starts{0, 4, 4, 5, 12};
    const torch::Tensor values = torch::randn({12, 3});
    const torch::Tensor all = starts_of(starts);
    const torch::Tensor pooled = voices::pool(values, all, voices::recording_of_frames(all, 12));
    ASSERT_EQ(pooled.size(0), 4);
    ASSERT_EQ(pooled.size(1), 6);
    for (std::int64_t record = 0; record < 4; ++record) {
        const auto first = starts[static_cast<std::size_t>(record)];
        const auto last = starts[static_cast<std::size_t>(record) + 1];
        const torch::Tensor row = pooled[record];
        if (first == last) {
            EXPECT_TRUE(row.slice(0, 0, 3).eq(0).all().item<bool>());
            EXPECT_TRUE(row.isfinite().all().item<bool>());
            continue;
        }
        const torch::Tensor own = values.slice(0, first, last);
        EXPECT_TRUE(torch::allclose(row.slice(0, 0, 3), own.mean(0), 1e-5, 1e-6));
        const torch::Tensor deviation = (own.var(0, /*unbiased=*/false) + 1e-5).sqrt();
        EXPECT_TRUE(torch::allclose(row.slice(0, 3, 6), deviation, 1e-4, 1e-5));
    }
}

TEST(ModelTest, ScoresARecordingAloneAsInABatch) {
    torch::manual_seed(2);
    Model model(ModelOptions{.bands = 4, .context = 5, .hidden = 8, .classes = 3});
    model->eval();
    const torch::Tensor frames = torch::randn({9, 4});
    const torch::Tensor batch = model->forward(frames, starts_of({0, 3, 3, 9}));
    const torch::Tensor alone = model->forward(frames.slice(0, 3, 9), starts_of({0, 6}));
    EXPECT_TRUE(torch::allclose(batch[2], alone[0], 1e-5, 1e-6));
}

TEST(ModelTest, LearnsFromRecordingsOfNoFrameWithoutHarm) {
    torch::manual_seed(3);
    Model model(ModelOptions{.bands = 4, .context = 3, .hidden = 8, .classes = 2});
    model->forward(torch::randn({5, 4}), starts_of({0, 0, 5, 5})).square().sum().backward();
    for (const torch::Tensor& parameter : model->parameters()) {
        ASSERT_TRUE(parameter.grad().defined());
        EXPECT_TRUE(parameter.grad().isfinite().all().item<bool>());
    }
}

TEST(ModelTest, ScoresABatchThatHasNoFrameAtAll) {
    Model model(ModelOptions{.bands = 4, .context = 3, .hidden = 8, .classes = 2});
    model->eval();
    const torch::Tensor scores = model->forward(torch::empty({0, 4}), starts_of({0, 0, 0}));
    EXPECT_EQ(scores.size(0), 2);
    EXPECT_TRUE(scores.isfinite().all().item<bool>());
}

TEST(ModelTest, RefusesAnEvenContext) {
    EXPECT_THROW(Model(ModelOptions{.context = 4}), c10::Error);
    EXPECT_THROW(Model(ModelOptions{.hidden = 0}), c10::Error);
}

}  // namespace
