#include "step_log.hpp"

#include <ATen/ops/zeros.h>

#include <algorithm>

namespace words {
namespace {

// Sums in double precision, in the order of the steps.
StepLog::Sums sums_of(const at::Tensor& losses, const at::Tensor& rights, const at::Tensor& records,
                      std::uint64_t first, std::uint64_t last) {
    StepLog::Sums sums;
    for (std::uint64_t at = first; at < last; ++at) {
        sums.loss += static_cast<double>(losses.data_ptr<float>()[at]);
        sums.right += static_cast<std::uint64_t>(rights.data_ptr<std::int64_t>()[at]);
        sums.records += static_cast<std::uint64_t>(records.data_ptr<std::int64_t>()[at]);
    }
    return sums;
}

}  // namespace

StepLog::StepLog(std::uint64_t steps, const at::Device& device) : steps_(steps) {
    const auto count = static_cast<std::int64_t>(steps);
    const auto there = at::TensorOptions().device(device);
    losses_ = at::zeros({count}, there.dtype(at::kFloat));
    rights_ = at::zeros({count}, there.dtype(at::kLong));
    records_ = at::zeros({count}, at::kLong);
}

void StepLog::enter(std::uint64_t at, const Step& step, std::int64_t records) {
    const auto place = static_cast<std::int64_t>(at);
    losses_.select(0, place).copy_(step.loss, true);
    rights_.select(0, place).copy_(step.right, true);
    records_.data_ptr<std::int64_t>()[at] = records;
}

StepLog::Sums StepLog::sums(std::uint64_t steps) const {
    return sums_of(losses_.cpu(), rights_.cpu(), records_, 0, std::min(steps, steps_));
}

Curve StepLog::points(std::uint64_t before) const {
    const at::Tensor losses = losses_.cpu();
    const at::Tensor rights = rights_.cpu();
    const std::uint64_t window = (steps_ + kPoints - 1) / kPoints;
    Curve curve;
    for (std::uint64_t first = 0; first < steps_; first += window) {
        const std::uint64_t last = std::min(first + window, steps_);
        const Sums sums = sums_of(losses, rights, records_, first, last);
        const auto records = static_cast<double>(std::max<std::uint64_t>(sums.records, 1));
        curve.push_back({.step = before + last,
                         .loss = sums.loss / records,
                         .right = static_cast<double>(sums.right) / records});
    }
    return curve;
}

NamedTensors StepLog::tensors() const {
    return {{"log_losses", losses_}, {"log_rights", rights_}, {"log_records", records_}};
}

}  // namespace words
