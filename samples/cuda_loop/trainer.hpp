// The seam between the loop and the places where it computes.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "headrace/batch.hpp"
#include "headrace/device.hpp"

namespace cuda_loop {

/// Sums over the records of an epoch, each taken before the step that its batch led to.
struct Totals {
    double loss = 0;
    double right = 0;
};

/// Owns the weights, which start at zero. One thread calls it.
class Trainer {
  public:
    virtual ~Trainer() = default;

    /// For Loader::epoch(). Everything that step() does is enqueued there.
    virtual headrace::StreamRef stream() const = 0;
    /// One step of gradient descent. A batch without records changes nothing. May return before it
    /// is done; the batch may be given back at once all the same.
    virtual void step(const headrace::Batch& batch) = 0;
    /// Waits until all steps are done. Returns the sums since the last call.
    virtual Totals end_epoch() = 0;
};

/// `batch`: records of a batch at the most. `rate`: times the gradient of a batch, divided by that
/// number and not by its own: the few records of a short last batch do not weigh as much as a whole
/// one.
std::unique_ptr<Trainer> make_host_trainer(std::uint32_t batch, float rate);
/// `device`: the name of a CUDA device, `cuda:0`. Throws std::runtime_error where a call of CUDA
/// fails, as do the trainer's own functions, and in a build without CUDA.
std::unique_ptr<Trainer> make_cuda_trainer(const std::string& device, std::uint32_t batch,
                                           float rate);

}  // namespace cuda_loop
