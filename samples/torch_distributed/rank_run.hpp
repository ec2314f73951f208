// The training run of one rank: its share of the words, and gradients that all ranks add up.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "checkpoint.hpp"
#include "headrace/loader.hpp"
#include "headrace/rank.hpp"
#include "headrace/ring.hpp"
#include "launch/progress.hpp"
#include "learner.hpp"
#include "ledger.hpp"
#include "options.hpp"
#include "process_group.hpp"
#include "word_lists.hpp"

namespace distributed {

/// One thread. Every rank makes the same calls, and each takes as many steps as the others.
class RankRun {
  public:
    RankRun(const Options& options, const headrace::Rank& rank, const words::WordLists& lists,
            const headrace::Device& device, ProcessGroup& group, samples::Progress& progress);

    /// Goes on from options.checkpoint, whatever the number of ranks was. Throws
    /// std::runtime_error for one of another run.
    void resume();
    bool is_resumed() const noexcept { return is_resumed_; }
    const headrace::State& state() const noexcept { return place_.train; }

    /// Learns until the data ends, or as many steps as options.steps says. `look_around` as in
    /// words::TrainingRun.
    void run(headrace::Loader& loader, const headrace::Sampler& sampler,
             const std::function<void()>& look_around);

    /// Asks for every word held out; on one rank.
    words::Exam examine(headrace::Loader& loader, const std::function<void()>& look_around);

    const words::Learner& learner() const noexcept { return learner_; }
    std::uint64_t steps() const noexcept { return steps_; }      ///< of run() alone
    std::uint64_t records() const noexcept { return records_; }  ///< of all ranks, in run()
    double train_seconds() const noexcept { return seconds_; }

  private:
    words::Learner::Reduce sum_over_ranks();
    words::Settings settings() const;
    std::optional<headrace::Batch> next(headrace::Loader& loader,
                                        const std::function<void()>& look_around, bool& epoch_over);
    void save(const headrace::Loader& loader, std::uint64_t index);
    void report(std::uint64_t epoch);

    const Options options_;
    const headrace::Rank rank_;
    const words::WordLists& lists_;
    ProcessGroup& group_;
    samples::Progress& progress_;
    words::Learner learner_;
    Ledger ledger_;
    words::Place place_;
    at::Tensor sums_;  // double[3]: loss, right answers and records of this epoch, on this rank
    bool is_resumed_ = false;
    std::uint64_t steps_ = 0;
    std::uint64_t records_ = 0;
    double seconds_ = 0;
};

}  // namespace distributed
