#include "checkpoint.hpp"

#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>
#include <torch/serialize/output-archive.h>

#include <cmath>
#include <stdexcept>
#include <string>

#include "gtest/error_text.hpp"
#include "sealed_file.hpp"
#include "torch_trainer/word_files.hpp"

namespace {

using headrace::contains;
using headrace::error_text;
using words::Checkpoint;
using words::Place;

const at::Device kHost(at::kCPU);

Checkpoint sample() {
    Place place{.epoch = 2, .step = 17, .learner_steps = 217};
    place.train.index = 1'234;
    place.train.epoch_records = 600;
    place.train.shuffle_seed = 7;
    place.held_out.epoch_records = 61;
    place.curve = {
        {.step = 100, .loss = 1.0 / 3, .right = 0.1},
        {.step = 200, .loss = 0.25, .right = 0.9, .held_out_loss = 0.5, .held_out_right = 1.0 / 7}};
    place.exam.loss = 12.5;
    for (std::size_t i = 0; i < 5; ++i) place.exam.confusion[i][(i + 1) % 5] = i + 1;
    return {.settings = {{"--seed", "7"}, {"--rate", "0.01"}},
            .place = place,
            .tensors = {{"weights", at::tensor({1.5f, -0.0f, std::nanf("")})},
                        {"counts", at::tensor({1, 2, 3, 4}, at::kLong).view({2, 2})},
                        {"none", at::zeros({0})},
                        {"part", at::tensor({1.0, 2.0, 3.0}, at::kDouble).slice(0, 1, 2)}}};
}

bool same_bits(const at::Tensor& left, const at::Tensor& right) {
    return left.sizes() == right.sizes() && left.scalar_type() == right.scalar_type() &&
           words::hash_of({{"", left}}) == words::hash_of({{"", right}});
}

class CheckpointTest : public testing::Test {
  protected:
    std::filesystem::path path() const { return folder_.path() / "run"; }
    std::string refusal() const {
        return error_text<std::runtime_error>([this] { words::read_checkpoint(path()); });
    }
    words_test::TemporaryFolder folder_;
};

TEST_F(CheckpointTest, BringsEverythingBackBitForBit) {
    const Checkpoint before = sample();
    words::write_checkpoint(path(), before);
    const Checkpoint after = words::read_checkpoint(path());
    EXPECT_EQ(after.settings, before.settings);
    EXPECT_EQ(after.place, before.place);
    words::NamedTensors targets;
    for (const auto& [name, tensor] : before.tensors) {
        targets.emplace_back(name, at::full(tensor.sizes(), 99, tensor.options()));
    }
    words::restore(after, targets);
    for (std::size_t i = 0; i < targets.size(); ++i) {
        EXPECT_TRUE(same_bits(targets[i].second, before.tensors[i].second)) << targets[i].first;
    }
    EXPECT_EQ(after.tensors.size(), targets.size());
}

TEST_F(CheckpointTest, OfARunThatHasNotBegunIsEmpty) {
    words::write_checkpoint(path(), {});
    const Checkpoint after = words::read_checkpoint(path());
    EXPECT_EQ(after.place, Place{});
    EXPECT_TRUE(after.settings.empty());
    EXPECT_TRUE(after.tensors.empty());
}

TEST_F(CheckpointTest, GivesALearnerItsWholeMemoryBack) {
    const words::LearnerOptions options{.model = {.rows = 20, .width = 4, .hidden = 8}, .batch = 2};
    const words::Examples examples{.ngrams = at::tensor({1, 2, 3}, at::kInt),
                                   .offsets = at::tensor({0, 2, 3}, at::kInt),
                                   .weights = at::tensor({0.5f, 0.5f, 1.0f}),
                                   .labels = at::tensor({0, 3}, at::kLong),
                                   .records = 2};
    words::Learner first(options, kHost);
    for (int step = 0; step < 3; ++step) first.step(examples);
    words::write_checkpoint(path(), {{}, {.learner_steps = first.steps()}, first.tensors()});
    words::Learner second(options, kHost);
    second.step(examples);
    const Checkpoint checkpoint = words::read_checkpoint(path());
    words::restore(checkpoint, second.tensors());
    second.set_steps(checkpoint.place.learner_steps);
    EXPECT_EQ(words::hash_of(second.tensors()), words::hash_of(first.tensors()));
    // Adam's averages and its count of steps decide the next one.
    first.step(examples);
    second.step(examples);
    EXPECT_EQ(words::hash_of(second.tensors()), words::hash_of(first.tensors()));
    EXPECT_EQ(second.steps(), 4);
}

TEST_F(CheckpointTest, RefusesAForeignOrABrokenFile) {
    words_test::write_file(path(), "no checkpoint");
    EXPECT_TRUE(contains(refusal(), "checkpoint " + path().string() + ": found a foreign file"));
    words::write_checkpoint(path(), sample());
    std::string bytes = words_test::read_file(path());
    words_test::write_file(path(), bytes.substr(0, bytes.size() / 2));
    EXPECT_TRUE(contains(refusal(), "or the beginning of one"));
    bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] + 1);
    words_test::write_file(path(), bytes);
    EXPECT_TRUE(contains(refusal(), "one that has changed since it was written"));
    EXPECT_TRUE(contains(refusal(), "remove it to start from the beginning"));
}

TEST_F(CheckpointTest, RefusesAnArchiveOfSomethingElse) {
    torch::serialize::OutputArchive archive;
    archive.write("weights", at::zeros({3}));
    std::string bytes;
    archive.save_to([&bytes](const void* data, std::size_t size) {
        bytes.append(static_cast<const char*>(data), size);
        return size;
    });
    words::write_sealed(path(), bytes);
    EXPECT_TRUE(contains(refusal(), "checkpoint " + path().string() + ": LibTorch cannot read it"));
    EXPECT_TRUE(contains(refusal(), "was it written by another version of this program?"));
}

TEST_F(CheckpointTest, RefusesToGoOnAsAnotherRun) {
    const Checkpoint checkpoint = sample();
    words::expect_settings(checkpoint, {{"--rate", "0.01"}, {"--seed", "7"}});
    EXPECT_EQ(error_text<std::runtime_error>([&] {
                  words::expect_settings(checkpoint, {{"--seed", "8"}});
              }),
              "the checkpoint is of a run with --seed 7, this one has 8; resume it with the same, "
              "or start another run");
    EXPECT_TRUE(contains(error_text<std::runtime_error>([&] {
                             words::expect_settings(checkpoint, {{"--batch", "8"}});
                         }),
                         "--batch unknown"));
}

TEST_F(CheckpointTest, RefusesTensorsOfAnotherShape) {
    const Checkpoint checkpoint = sample();
    const auto refusal_of = [&](const std::string& name, const at::Tensor& target) {
        return error_text<std::runtime_error>([&] {
            words::restore(checkpoint, {{name, target}});
        });
    };
    EXPECT_EQ(refusal_of("weights", at::zeros({4})),
              "the checkpoint's tensor weights: found Float[3], wanted Float[4]");
    EXPECT_EQ(refusal_of("weights", at::zeros({3}, at::kDouble)),
              "the checkpoint's tensor weights: found Float[3], wanted Double[3]");
    EXPECT_EQ(refusal_of("bias", at::zeros({1})),
              "the checkpoint's tensor bias: found none, wanted Float[1]");
}

}  // namespace
