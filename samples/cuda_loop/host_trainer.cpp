// The loop's arithmetic on the host: each loop here is a grid, a block or a warp of
// cuda_trainer.cu.
#include <array>
#include <cstddef>
#include <utility>
#include <vector>

#include "model.hpp"
#include "record.hpp"
#include "trainer.hpp"

namespace cuda_loop {
namespace {

class HostTrainer final : public Trainer {
  public:
    HostTrainer(std::uint32_t batch, float rate)
        : rate_(rate / static_cast<float>(batch)),
          rows_(static_cast<std::size_t>(batch) * kColumns) {}

    headrace::StreamRef stream() const override { return {}; }

    void step(const headrace::Batch& batch) override {
        if (batch.size() == 0) return;
        const float* const samples = batch.values<float>(kSignal);
        const std::int32_t* const offsets = batch.offsets(kSignal);
        const std::int32_t* const labels = batch.values<std::int32_t>(kLabel);
        for (std::size_t record = 0; record < batch.size(); ++record) {
            write_row(samples + offsets[record], offsets[record + 1] - offsets[record],
                      labels[record], &rows_[record * kColumns]);
        }
        learn(static_cast<int>(batch.size()));
    }

    Totals end_epoch() override { return std::exchange(totals_, {}); }

  private:
    void write_row(const float* samples, int count, std::int32_t label, float* row) const {
        std::array<float, kPhases> features;
        std::array<float, kPhases> products;
        for (int phase = 0; phase < kPhases; ++phase) {
            const auto at = static_cast<std::size_t>(phase);
            features[at] = phase_mean(samples, count, phase);
            products[at] = weights_[at] * features[at];
        }
        const float logit = weights_[kBiasColumn] + sum_of_halves(products.data());
        const float error = error_of(logit, label);
        for (std::size_t at = 0; at < features.size(); ++at) row[at] = error * features[at];
        write_outcome(row, logit, label);
    }

    void learn(int records) {
        std::array<float, kParts * kColumns> parts;
        for (int part = 0; part < kParts; ++part) {
            for (int column = 0; column < kColumns; ++column) {
                parts[static_cast<std::size_t>(part * kColumns + column)] =
                    sum_of_part(rows_.data(), records, column, part);
            }
        }
        for (int weight = 0; weight < kWeights; ++weight) {
            weights_[static_cast<std::size_t>(weight)] -=
                rate_ * sum_of_parts(parts.data(), weight);
        }
        totals_.loss += static_cast<double>(sum_of_parts(parts.data(), kLossColumn));
        totals_.right += static_cast<double>(sum_of_parts(parts.data(), kRightColumn));
    }

    const float rate_;  // times the sum of the gradients
    std::array<float, kWeights> weights_{};
    std::vector<float> rows_;
    Totals totals_;
};

}  // namespace

std::unique_ptr<Trainer> make_host_trainer(std::uint32_t batch, float rate) {
    return std::make_unique<HostTrainer>(batch, rate);
}

}  // namespace cuda_loop
