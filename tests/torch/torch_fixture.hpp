// A ring of this process, which the test itself writes and reads: records of `a` f32[8] and `b`
// i32[4]; and what tensors are compared with.
#pragma once

#include <ATen/core/Tensor.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "gtest/error_text.hpp"
#include "gtest/seed.hpp"
#include "headrace/headrace.hpp"
#include "headrace/torch.hpp"
#include "ring/ring_fixture.hpp"

namespace headrace {

template <class T>
std::vector<T> to_vector(const at::Tensor& tensor) {
    const at::Tensor flat = tensor.contiguous().flatten();
    return {flat.data_ptr<T>(), flat.data_ptr<T>() + flat.numel()};
}

class TorchFixture : public RingFixture {
  protected:
    // One epoch of so many records; what else there is to say of ring and loader by `change`.
    void make(std::uint64_t records, std::uint32_t batch, const LoaderOptions& given = {}) {
        producer_.reset();
        loader_.reset();
        ring_.reset();
        RingOptions ring = options(records);
        ring.schema = {{"a", f32, 8}, {"b", i32, 4}};
        ring_.emplace(Ring::create(ring));
        LoaderOptions loader = given;
        loader.batch = batch;
        loader.pad_values = {{"a", -1.0}};
        loader_.emplace(*ring_, loader);
        producer_.emplace(ring_->producer());
    }
    // Publishes the next record: `a` is 10 i, 10 i + 1 and so on, `b` is i as often as asked.
    void put(std::uint32_t floats, std::int32_t ints) {
        auto record = producer_->claim();
        ASSERT_TRUE(record);
        const auto a = record->field<float>("a");
        const auto b = record->field<std::int32_t>("b");
        const std::uint64_t index = record->index();
        for (std::size_t i = 0; i < floats; ++i) a[i] = static_cast<float>(10 * index + i);
        for (std::int32_t i = 0; i < ints; ++i) {
            b[static_cast<std::size_t>(i)] = static_cast<std::int32_t>(index);
        }
        record->publish(floats, ints);
    }
    Batch take() {
        auto batch = loader_->next_for(std::chrono::seconds(30), StreamRef{});
        if (!batch) throw std::runtime_error("no batch: " + std::string(name_of(batch.outcome())));
        return std::move(*batch);
    }
    std::uint64_t position() const { return loader_->state().index; }
    // Everything before `index`, as soon as that is so.
    bool is_given_back(std::uint64_t index) {
        return eventually([&] { return position() == index; });
    }

    std::optional<Ring> ring_;
    std::optional<Loader> loader_;
    std::optional<Producer> producer_;
};

}  // namespace headrace
