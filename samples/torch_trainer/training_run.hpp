// A run of training from its beginning, or from a checkpoint, to its end: steps, exams and
// checkpoints.
#pragma once

#include <cstdint>
#include <functional>

#include "checkpoint.hpp"
#include "headrace/device.hpp"
#include "headrace/loader.hpp"
#include "launch/progress.hpp"
#include "learner.hpp"
#include "options.hpp"
#include "step_log.hpp"
#include "word_lists.hpp"

namespace words {

/// One thread.
class TrainingRun {
  public:
    /// `device` is that of the loaders; what is told goes through `progress`, which must outlive
    /// this. Sets LibTorch's seed and its number of threads. Throws std::runtime_error for lists
    /// from which nothing can be learned, or nothing asked.
    TrainingRun(const Options& options, const WordLists& lists, const headrace::Device& device,
                samples::Progress& progress);

    /// Goes on from options.checkpoint; where there is none yet, from the beginning. Throws as
    /// read_checkpoint(), expect_settings() and restore(). Before run().
    void resume();
    /// Where the run stands, for the rings to go on from: its states mean nothing before the first
    /// checkpoint.
    const Place& place() const noexcept { return place_; }
    bool is_resumed() const noexcept { return is_resumed_; }
    /// Whether every epoch is over.
    bool is_over() const noexcept { return place_.epoch >= options_.epochs; }

    /// Trains to the last epoch's end, or as many steps as options.steps says. Writes checkpoints
    /// on the way, and one at the end. `look_around` is called between two batches and ten times a
    /// second while none is there; what it throws ends the run, and between two steps of training
    /// leaves a checkpoint behind.
    void run(headrace::Loader& train, headrace::Loader& held_out,
             const std::function<void()>& look_around);

    const Learner& learner() const noexcept { return learner_; }
    std::uint64_t steps_of_epoch() const noexcept { return steps_of_epoch_; }
    // Of run() alone, not of what the checkpoint had behind it.
    std::uint64_t steps() const noexcept { return steps_; }
    std::uint64_t records() const noexcept { return records_; }
    std::uint64_t lost() const noexcept { return lost_; }       ///< holes, of both rings
    double train_seconds() const noexcept { return seconds_; }  ///< without exams

  private:
    struct Loaders;
    Settings settings() const;
    void train_epoch(Loaders& loaders);
    void take_step(Loaders& loaders);
    void take_exam(Loaders& loaders);
    headrace::torch::BatchTensors next(headrace::Loader& loader,
                                       const std::function<void()>& look_around);
    void save(const Loaders& loaders);
    void report(const StepLog::Sums& sums) const;
    bool is_enough() const noexcept { return options_.steps > 0 && steps_ >= options_.steps; }

    const Options options_;
    const WordLists& lists_;
    samples::Progress& progress_;
    const std::uint64_t steps_of_epoch_;
    Learner learner_;
    StepLog log_;
    Place place_;
    bool is_resumed_ = false;
    std::uint64_t steps_ = 0;
    std::uint64_t records_ = 0;
    std::uint64_t lost_ = 0;
    double seconds_ = 0;
};

}  // namespace words
