#include <torch/types.h>

#include "torch_fixture.hpp"

namespace headrace {
namespace {

class WriteTest : public TorchFixture {
  protected:
    WriteTest() { make(2, 1); }
    ClaimedRecord claim() {
        auto record = producer_->claim();
        if (!record) throw std::runtime_error("no record");
        return std::move(*record);
    }
    std::string refusal(std::string_view field, const at::Tensor& values) {
        ClaimedRecord record = claim();
        return error_text<UsageError>([&] { torch::write(record, field, values); });
    }
    // What arrives of a record of these two tensors.
    std::pair<std::vector<float>, std::vector<std::int32_t>> pass_on(const at::Tensor& a,
                                                                     const at::Tensor& b) {
        ClaimedRecord record = claim();
        torch::publish(record, {a, b});
        const auto batch = torch::to_tensors(take());
        return {to_vector<float>(batch["a"].values), to_vector<std::int32_t>(batch["b"].values)};
    }
};

TEST_F(WriteTest, TakesTensorsOfAnyShape) {
    const auto [a, b] = pass_on(at::arange(6, at::kFloat).view({2, 3}),
                                at::scalar_tensor(7, at::TensorOptions(at::kInt)));
    EXPECT_EQ(a, (std::vector<float>{0, 1, 2, 3, 4, 5}));
    EXPECT_EQ(b, std::vector<std::int32_t>{7});
}

TEST_F(WriteTest, TakesTensorsOfAnyStrides) {
    const at::Tensor all = at::arange(8, at::kFloat).view({2, 4});
    const auto [a, b] = pass_on(all.t().slice(0, 0, 4, 2), at::ones({1}, at::kInt).expand({3}));
    EXPECT_EQ(a, (std::vector<float>{0, 4, 2, 6}));
    EXPECT_EQ(b, (std::vector<std::int32_t>{1, 1, 1}));
}

TEST_F(WriteTest, TakesTensorsThatAutogradKnows) {
    const at::Tensor weight = ::torch::ones({2, 2}, at::TensorOptions().requires_grad(true));
    EXPECT_EQ(pass_on((weight * 2).t(), at::empty({0}, at::kInt)).first,
              (std::vector<float>{2, 2, 2, 2}));
    EXPECT_EQ(pass_on(at::_neg_view(weight.detach()), at::empty({0}, at::kInt)).first,
              (std::vector<float>{-1, -1, -1, -1}));
}

TEST_F(WriteTest, TakesTensorsWithoutAnElement) {
    const auto [a, b] = pass_on(at::empty({0, 5}, at::kFloat), at::empty({0}, at::kInt));
    EXPECT_TRUE(a.empty());
    EXPECT_TRUE(b.empty());
}

TEST_F(WriteTest, ReturnsTheLengthForPublish) {
    ClaimedRecord record = claim();
    const std::int64_t floats = torch::write(record, "a", at::full({8}, 2.5, at::kFloat));
    const std::int64_t ints = torch::write(record, "b", at::full({2, 1}, 9, at::kInt));
    EXPECT_EQ(floats, 8);
    EXPECT_EQ(ints, 2);
    record.publish(floats, ints);
    const auto batch = torch::to_tensors(take());
    EXPECT_EQ(to_vector<float>(batch["a"].values), std::vector<float>(8, 2.5));
    EXPECT_EQ(to_vector<std::int32_t>(batch["b"].values), (std::vector<std::int32_t>{9, 9}));
}

TEST_F(WriteTest, ConvertsNothing) {
    const std::string text = refusal("a", at::ones({2, 3}, at::kDouble));
    EXPECT_TRUE(contains(text, "write: field \"a\": found a tensor of Double[2, 3]"));
    EXPECT_TRUE(contains(text, "wanted f32[8] at the most"));
}

TEST_F(WriteTest, RefusesMoreThanTheCapacity) {
    const std::string text = refusal("b", at::ones({5, 1}, at::kInt));
    EXPECT_TRUE(contains(text, "field \"b\": found 5 elements [5, 1], wanted i32[4] at the most"));
}

TEST_F(WriteTest, RefusesWhatIsNoPlainTensor) {
    EXPECT_TRUE(contains(refusal("a", at::Tensor()), "found an undefined tensor"));
    EXPECT_TRUE(
        contains(refusal("a", at::ones({2, 2}, at::kFloat).to_sparse()), "sparse or nested"));
    const auto meta = at::TensorOptions().dtype(at::kFloat).device(at::kMeta);
    EXPECT_TRUE(contains(refusal("a", at::empty({2}, meta)), "on the device meta"));
    EXPECT_TRUE(contains(refusal("c", at::ones({1}, at::kFloat)), "c"));
}

TEST_F(WriteTest, LeavesTheRecordClaimedWhenOneTensorIsWrong) {
    ClaimedRecord record = claim();
    const at::Tensor a = at::ones({2}, at::kFloat);
    EXPECT_TRUE(contains(error_text<UsageError>([&] { torch::publish(record, {a}); }),
                         "found 1 tensors, wanted one for each of the 2 fields: a f32[8], b "));
    EXPECT_THROW(torch::publish(record, {a, a}), UsageError);
    torch::publish(record, {a, at::ones({1}, at::kInt)});
    EXPECT_EQ(torch::to_tensors(take())["a"].total, 2);
}

}  // namespace
}  // namespace headrace
