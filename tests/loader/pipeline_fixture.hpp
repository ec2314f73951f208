// The loader over a simulated device, steered by hand or left to its seed.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <memory>

#include "device/simulated_backend.hpp"
#include "gtest/seed.hpp"
#include "loader/loader_fixture.hpp"

namespace headrace {

class PipelineFixture : public LoaderFixture {
  protected:
    using Fault = device::SimulatedBackend::Fault;

    LoaderOptions late(std::uint32_t batch, std::uint32_t depth = 2) const {
        return {.batch = batch, .device = Device::custom(device_), .depth = depth};
    }
    bool enqueues(std::uint64_t batches) const {
        return eventually([&] { return device_->seen().enqueued == batches; });
    }
    // Work on `stream` that reads and writes a batch.
    static void use(device::SimulatedStream& stream, const Batch& batch,
                    std::function<void()> work = {}) {
        const auto run = [work = std::move(work)](std::size_t) {
            if (work) work();
        };
        const auto bytes = static_cast<std::size_t>(batch.total("floats")) * sizeof(float);
        stream.enqueue({.run = run, .touches = {{batch.values<float>("floats"), bytes, true}}});
    }
    void expect_no_mistakes() const {
        const Simulator::Mistakes mistakes = device_->simulator()->mistakes();
        EXPECT_EQ(device_->seen().plans_changed, 0u) << "a plan stays until `moved` is complete";
        EXPECT_EQ(mistakes.out_of_order, 0u) << "a batch waits for the streams that used it";
        EXPECT_EQ(mistakes.unregistered_early, 0u) << "the ring stays until all copies are done";
        EXPECT_EQ(mistakes.freed_early, 0u) << "memory stays until all streams have passed";
        EXPECT_EQ(device_->mistakes(), 0u);
    }

    std::uint64_t seed_ = test_seed();
    testing::ScopedTrace trace_{__FILE__, __LINE__, seed_note(seed_)};
    // Streams die before the device, after rings and loaders.
    std::shared_ptr<device::SimulatedBackend> device_ =
        std::make_shared<device::SimulatedBackend>(seed_);
    device::SimulatedStream stream_{device_->simulator()};
    device::SimulatedStream other_stream_{device_->simulator()};
};

}  // namespace headrace
