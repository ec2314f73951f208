// Training and evaluation over ragged batches.
#pragma once

#include <torch/optim/adam.h>
#include <torch/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>

#include "confusion.hpp"
#include "headrace/device.hpp"
#include "headrace/loader.hpp"
#include "launch/progress.hpp"
#include "ledger.hpp"
#include "model.hpp"
#include "options.hpp"

namespace voices {

/// Learns from one loader, is examined on another. One thread. On a GPU no step waits for it, but
/// for those of the first epoch, in which the ledger looks at every record.
class Training {
  public:
    /// `device` is that of the loaders. `look_around` is called between two batches and ten times a
    /// second while none is there; what it throws ends the training. Sets LibTorch's seed and
    /// number of threads.
    Training(const Options& options, const headrace::Device& device, samples::Progress& progress,
             std::function<void()> look_around);

    /// Takes every batch of `loader`, epoch after epoch; the learning rate falls to zero over
    /// `epoch_records` times the epochs asked for.
    void train(headrace::Loader& loader, Ledger& ledger, std::uint64_t epoch_records);

    /// Takes every batch of `loader` and learns nothing from it.
    Confusion evaluate(headrace::Loader& loader, Ledger& ledger);

  private:
    using Clock = std::chrono::steady_clock;
    // Of an epoch. The tensors stay on the device, where nobody waits for them.
    struct Sums {
        explicit Sums(const torch::Device& device);
        std::uint64_t records = 0;
        torch::Tensor loss;   // double[], of all records together
        torch::Tensor right;  // int64[], records
        // Of a record; waits for the device.
        double mean_loss() const;
    };
    struct Examples;
    void enter(const headrace::Batch& batch, Ledger& ledger) const;
    std::optional<headrace::Batch> next(headrace::Loader& loader, bool& epoch_over);
    void step(const Examples& examples, Sums& sums);
    void set_learning_rate(double part_done);
    void report_epoch(std::uint64_t epoch, const Sums& sums, Clock::time_point start);

    const Options options_;
    const torch::Device device_;
    samples::Progress& progress_;
    const std::function<void()> look_around_;
    Model model_;
    torch::optim::Adam optimizer_;
};

}  // namespace voices
