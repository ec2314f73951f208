// What the steps of one epoch came to, kept on the device: nobody waits for it before the epoch is
// over.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "curve.hpp"
#include "learner.hpp"

namespace words {

/// One thread.
class StepLog {
  public:
    /// Points of the curve that an epoch is worth, where it has as many steps.
    static constexpr std::uint64_t kPoints = 20;

    /// For epochs of so many steps.
    StepLog(std::uint64_t steps, const at::Device& device);

    /// Enters step number `at` of the epoch, of so many records. Waits for nothing.
    void enter(std::uint64_t at, const Step& step, std::int64_t records);

    struct Sums {
        double loss = 0;
        std::uint64_t right = 0;
        std::uint64_t records = 0;
    };
    /// Of the epoch's first `steps`. Waits for the device.
    Sums sums(std::uint64_t steps) const;
    /// The epoch's points; `before` are the steps of the epochs before it. Waits for the device.
    Curve points(std::uint64_t before) const;

    /// All that enter() writes. They may be written to.
    NamedTensors tensors() const;

  private:
    std::uint64_t steps_;
    at::Tensor losses_;   // float[steps]
    at::Tensor rights_;   // int64[steps]
    at::Tensor records_;  // int64[steps], on the host
};

}  // namespace words
