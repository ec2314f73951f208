#include "learner.hpp"

#include <ATen/ops/allclose.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "gtest/error_text.hpp"
#include "gtest/seed.hpp"
#include "headrace/loader.hpp"
#include "headrace/producer.hpp"
#include "headrace/ring.hpp"
#include "headrace/torch.hpp"
#include "record.hpp"
#include "step_log.hpp"

namespace {

using headrace::contains;
using words::Examples;
using words::Learner;
using words::LearnerOptions;

const at::Device kHost(at::kCPU);

// A table of few rows: a step over it takes microseconds.
const LearnerOptions kSmall{.model = {.rows = 50, .width = 4, .hidden = 8}, .batch = 8};

// `lengths`: n-grams of each word.
Examples random_examples(const std::vector<std::int64_t>& lengths, std::uint64_t seed) {
    std::mt19937_64 random(seed);
    std::vector<std::int32_t> ngrams;
    std::vector<std::int32_t> offsets{0};
    std::vector<float> weights;
    std::vector<std::int64_t> labels;
    for (const std::int64_t length : lengths) {
        labels.push_back(static_cast<std::int64_t>(random() % 5));
        for (std::int64_t i = 0; i < length; ++i) {
            ngrams.push_back(static_cast<std::int32_t>(random() % 50));
            weights.push_back(1.0f / static_cast<float>(length));
        }
        offsets.push_back(static_cast<std::int32_t>(ngrams.size()));
    }
    return {.ngrams = at::tensor(ngrams, at::kInt),
            .offsets = at::tensor(offsets, at::kInt),
            .weights = at::tensor(weights, at::kFloat),
            .labels = at::tensor(labels, at::kLong),
            .records = static_cast<std::int64_t>(lengths.size())};
}

// Words `first` to `last` of it.
Examples part_of(const Examples& all, std::int64_t first, std::int64_t last) {
    const auto begin = all.offsets[first].item<std::int64_t>();
    const auto end = all.offsets[last].item<std::int64_t>();
    return {.ngrams = all.ngrams.slice(0, begin, end),
            .offsets = all.offsets.slice(0, first, last + 1) - begin,
            .weights = all.weights.slice(0, begin, end),
            .labels = all.labels.slice(0, first, last),
            .records = last - first};
}

class LearnerTest : public testing::Test {
  protected:
    LearnerTest() { RecordProperty("seed", std::to_string(seed_)); }
    const std::uint64_t seed_ = headrace::test_seed();
    testing::ScopedTrace trace_{__FILE__, __LINE__, headrace::seed_note(seed_)};
};

TEST_F(LearnerTest, SumsEachWordsNgramsAndNoOthers) {
    torch::manual_seed(seed_);
    words::Model model(kSmall.model);
    const Examples all = random_examples({3, 0, 7, 1}, seed_);
    const at::Tensor scores = model->forward(all.ngrams, all.offsets, all.weights);
    ASSERT_EQ(scores.sizes(), (at::IntArrayRef{4, 5}));
    for (std::int64_t word = 0; word < 4; ++word) {
        const Examples one = part_of(all, word, word + 1);
        EXPECT_TRUE(
            at::allclose(model->forward(one.ngrams, one.offsets, one.weights)[0], scores[word]));
    }
    // A table's row times its weight, added up by hand.
    const at::Tensor table = model->named_parameters()["table.weight"];
    const Examples third = part_of(all, 2, 3);
    at::Tensor sum = at::zeros({1, kSmall.model.width});
    for (std::int64_t i = 0; i < 7; ++i) {
        sum = sum + table[third.ngrams[i].item<std::int64_t>()] * third.weights[i];
    }
    const at::Tensor one = at::zeros({1}, at::kInt);
    const at::Tensor offsets = at::arange(2, at::kInt);
    model->named_parameters()["table.weight"].data()[0].copy_(sum[0]);
    EXPECT_TRUE(
        at::allclose(model->forward(one, offsets, at::ones({1}))[0], scores[2], 1e-4, 1e-6));
}

TEST_F(LearnerTest, IsTheSameWithTheSameSeed) {
    LearnerOptions other = kSmall;
    other.seed = kSmall.seed + 1;
    Learner first(kSmall, kHost);
    Learner second(kSmall, kHost);
    EXPECT_NE(words::hash_of(Learner(other, kHost).tensors()), words::hash_of(first.tensors()));
    for (int step = 0; step < 5; ++step) {
        const Examples examples = random_examples({2, 5, 1}, seed_ + static_cast<unsigned>(step));
        first.step(examples);
        second.step(examples);
    }
    EXPECT_EQ(first.steps(), 5);
    EXPECT_EQ(words::hash_of(first.tensors()), words::hash_of(second.tensors()));
}

TEST_F(LearnerTest, LearnsWhatItIsShown) {
    Learner learner(kSmall, kHost);
    const Examples examples = random_examples(std::vector<std::int64_t>(8, 6), seed_);
    const double before = learner.step(examples).loss.item<double>();
    for (int step = 0; step < 300; ++step) learner.step(examples);
    const words::Step last = learner.step(examples);
    EXPECT_LT(last.loss.item<double>(), before / 10);
    EXPECT_EQ(last.right.item<std::int64_t>(), 8);
    learner.examine(examples);
    const words::Exam exam = learner.end_exam();
    EXPECT_EQ(exam.words(), 8u);
    EXPECT_EQ(exam.accuracy(), 1);
    EXPECT_NEAR(exam.loss, last.loss.item<double>(), 0.1);
    EXPECT_EQ(learner.end_exam(), words::Exam{});
}

TEST_F(LearnerTest, CountsWhatIsTakenForWhat) {
    Learner learner(kSmall, kHost);
    const Examples examples = random_examples({1, 2, 3, 4, 5, 6, 7, 8}, seed_);
    std::uint64_t of_language[5] = {};
    for (std::int64_t i = 0; i < 8; ++i) ++of_language[examples.labels[i].item<std::int64_t>()];
    const auto before = words::hash_of(learner.tensors());
    learner.examine(part_of(examples, 0, 3));
    learner.examine(part_of(examples, 3, 3));
    learner.examine(part_of(examples, 3, 8));
    const words::Exam exam = learner.end_exam();
    for (std::size_t language = 0; language < 5; ++language) {
        std::uint64_t sum = 0;
        for (const std::uint64_t count : exam.confusion[language]) sum += count;
        EXPECT_EQ(sum, of_language[language]);
    }
    EXPECT_EQ(exam.right(), static_cast<std::uint64_t>(
                                Learner(kSmall, kHost).step(examples).right.item<std::int64_t>()));
    EXPECT_EQ(words::hash_of(learner.tensors()), before);
}

TEST_F(LearnerTest, LearnsNothingFromABatchWithoutRecords) {
    Learner learner(kSmall, kHost);
    learner.step(random_examples({4, 4}, seed_));
    const auto before = words::hash_of(learner.tensors());
    const words::Step step = learner.step(random_examples({}, seed_));
    EXPECT_EQ(step.loss.item<double>(), 0);
    EXPECT_EQ(step.right.item<std::int64_t>(), 0);
    EXPECT_EQ(words::hash_of(learner.tensors()), before);
    EXPECT_EQ(learner.steps(), 1);
}

// Two ranks whose gradients are added up learn what one learns from both their batches; one of
// them has a batch without records.
TEST_F(LearnerTest, LearnsWithOthersWhatOneWouldAlone) {
    const Examples whole = random_examples({3, 1, 4, 1, 5, 9, 2, 6}, seed_);
    for (const std::int64_t split : {3, 8}) {
        Learner alone(kSmall, kHost);
        alone.step(whole);
        std::vector<at::Tensor> sum;
        Learner first(kSmall, kHost, [&](std::vector<at::Tensor>& gradients) {
            for (const at::Tensor& gradient : gradients) sum.push_back(gradient.clone());
        });
        first.step(part_of(whole, 0, split));
        Learner second(kSmall, kHost, [&](std::vector<at::Tensor>& gradients) {
            ASSERT_EQ(gradients.size(), sum.size());
            for (std::size_t i = 0; i < sum.size(); ++i) gradients[i].add_(sum[i]);
        });
        second.step(part_of(whole, split, 8));
        EXPECT_EQ(second.steps(), 1);
        const auto wanted = alone.tensors();
        const auto found = second.tensors();
        for (std::size_t i = 0; i < wanted.size(); ++i) {
            EXPECT_TRUE(at::allclose(found[i].second, wanted[i].second, 1e-3, 1e-5))
                << wanted[i].first;
        }
    }
}

TEST_F(LearnerTest, HalvesItsRateWithEachEpoch) {
    const Examples examples = random_examples({2, 2}, seed_);
    // The first step of Adam moves a weight by the rate, whatever the gradient.
    std::vector<double> moved;
    for (const std::uint64_t epoch : {0u, 1u, 3u}) {
        Learner learner(kSmall, kHost);
        at::Tensor bias;
        for (const auto& [name, tensor] : learner.tensors()) {
            if (name == "scores_bias") bias = tensor;
        }
        const at::Tensor start = bias.clone();
        learner.set_epoch(epoch);
        learner.step(examples);
        moved.push_back((bias - start).abs().max().item<double>());
    }
    EXPECT_NEAR(moved[0], kSmall.rate, kSmall.rate / 100);
    EXPECT_NEAR(moved[1], kSmall.rate / 2, kSmall.rate / 100);
    EXPECT_NEAR(moved[2], kSmall.rate / 8, kSmall.rate / 100);
}

TEST(StepLogTest, MakesPointsOfTheStepsOfAnEpoch) {
    constexpr std::uint64_t kSteps = 50;  // three to a point
    words::StepLog log(kSteps, kHost);
    for (std::uint64_t at = 0; at < kSteps; ++at) {
        log.enter(at, {at::full({}, 2.0 * static_cast<double>(at)), at::full({}, 1, at::kLong)},
                  at == kSteps - 1 ? 1 : 2);
    }
    EXPECT_EQ(log.sums(2).loss, 2);
    EXPECT_EQ(log.sums(kSteps).records, 99u);
    EXPECT_EQ(log.sums(kSteps).right, 50u);
    const words::Curve curve = log.points(100);
    ASSERT_EQ(curve.size(), 17u);
    EXPECT_EQ(curve[0], (words::CurvePoint{.step = 103, .loss = 1, .right = 0.5}));
    EXPECT_EQ(curve[1].loss, 4);
    EXPECT_EQ(curve[16].step, 150u);  // of two steps
    EXPECT_EQ(curve[16].loss, (96.0 + 98) / 3);
}

// A batch as a producer of this or of another program would make it.
class ExamplesTest : public testing::Test {
  protected:
    Examples examples_of(std::int64_t ngrams, std::int64_t weights, std::int64_t labels) {
        headrace::RingOptions options;
        options.name = "examples-" + std::to_string(getpid());
        options.schema = words::record_schema();
        options.slots = 4;
        options.epoch_records = 2;
        options.epochs = 1;
        auto ring = headrace::Ring::create(options);
        headrace::Loader loader(ring, {.batch = 2});
        auto producer = ring.producer();
        for (int word = 0; word < 2; ++word) {
            auto record = producer.claim();
            for (std::int32_t& row : record->field<std::int32_t>(words::kNgrams)) row = 10 + word;
            for (float& weight : record->field<float>(words::kWeights)) weight = 0.5f;
            record->field<std::int32_t>(words::kLabel)[0] = word;
            if (word == 0) record->publish(3, 3, 1);
            if (word == 1) record->publish(ngrams, weights, labels);
        }
        auto batch = loader.next_for(std::chrono::seconds(60));
        return words::to_examples(headrace::torch::to_tensors(std::move(*batch)));
    }
    std::string refusal(std::int64_t ngrams, std::int64_t weights, std::int64_t labels) {
        return headrace::error_text<std::runtime_error>(
            [&] { examples_of(ngrams, weights, labels); });
    }
};

TEST_F(ExamplesTest, AreThoseOfThePackedBatch) {
    const Examples examples = examples_of(2, 2, 1);
    EXPECT_EQ(examples.records, 2);
    EXPECT_TRUE(at::equal(examples.ngrams, at::tensor({10, 10, 10, 11, 11}, at::kInt)));
    EXPECT_TRUE(at::equal(examples.offsets, at::tensor({0, 3, 5}, at::kInt)));
    EXPECT_TRUE(at::equal(examples.weights, at::ones({5}) / 2));
    EXPECT_TRUE(at::equal(examples.labels, at::tensor({0, 1}, at::kLong)));
}

TEST_F(ExamplesTest, RefuseRecordsOfAnotherProgram) {
    EXPECT_TRUE(contains(refusal(2, 3, 1), "wanted one weight an n-gram"));
    EXPECT_TRUE(contains(refusal(2, 2, 0), "found 1 labels of 2 words, wanted one a word"));
}

}  // namespace
