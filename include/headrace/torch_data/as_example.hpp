// Two fields of a batch as what most loops over torch::data take.
#pragma once

#include <torch/data/example.h>
#include <torch/data/transforms/base.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "headrace/torch/batch_tensors.hpp"

namespace headrace::torch_data {

/// A transform for RingDataset::map(): a torch::data::Example of the values of two fields. A field
/// of capacity 1, such as a label, becomes [B], where each record has its element, in any layout.
/// Dtypes stay: losses that want int64 labels want an i64 field.
class AsExample final : public ::torch::data::transforms::BatchTransform<torch::BatchTensors,
                                                                         ::torch::data::Example<>> {
  public:
    /// Names of fields.
    AsExample(std::string data, std::string target)
        : data_(std::move(data)), target_(std::move(target)) {}

    /// Throws UsageError that lists the fields there are.
    ::torch::data::Example<> apply_batch(torch::BatchTensors batch) override {
        return {values_of(batch, data_), values_of(batch, target_)};
    }

  private:
    static at::Tensor values_of(const torch::BatchTensors& batch, const std::string& name) {
        const std::size_t field = batch.schema.index_of(name);
        const at::Tensor& values = batch.fields[field].values;
        const auto records = static_cast<std::int64_t>(batch.size());
        // One element in each record, neither more nor less.
        if (batch.schema[field].capacity != 1 || batch.fields[field].total != records) {
            return values;
        }
        if (batch.layout == Layout::packed || records == 0) return values.view({records});
        return values.select(1, 0);
    }

    std::string data_, target_;
};

}  // namespace headrace::torch_data
