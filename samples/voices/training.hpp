// Training and evaluation over ragged batches.
#pragma once

#include <torch/optim/adam.h>

#include <cstdint>
#include <functional>
#include <optional>

#include "confusion.hpp"
#include "headrace/loader.hpp"
#include "launch/progress.hpp"
#include "ledger.hpp"
#include "model.hpp"
#include "options.hpp"

namespace voices {

/// Learns from one loader, is examined on another. One thread.
class Training {
  public:
    /// `look_around` is called between two batches and ten times a second while none is there; what
    /// it throws ends the training. Sets LibTorch's seed and number of threads.
    Training(const Options& options, samples::Progress& progress,
             std::function<void()> look_around);

    /// Takes every batch of `loader`, epoch after epoch; the learning rate falls to zero over
    /// `epoch_records` times the epochs asked for.
    void train(headrace::Loader& loader, Ledger& ledger, std::uint64_t epoch_records);

    /// Takes every batch of `loader` and learns nothing from it.
    Confusion evaluate(headrace::Loader& loader, Ledger& ledger);

  private:
    struct Sums {
        std::uint64_t records = 0;
        std::uint64_t right = 0;
        double loss = 0;  // of all records together
    };
    struct Examples;
    std::optional<headrace::Batch> next(headrace::Loader& loader, bool& epoch_over);
    void step(const Examples& examples, Sums& sums);
    void set_learning_rate(double part_done);
    void report_epoch(std::uint64_t epoch, const Sums& sums, double seconds);

    const Options options_;
    samples::Progress& progress_;
    const std::function<void()> look_around_;
    Model model_;
    torch::optim::Adam optimizer_;
};

}  // namespace voices
