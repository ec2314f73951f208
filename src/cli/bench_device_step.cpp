// Questions: how long does a training step of a fixed length wait for its batch when producers and
// loader can keep up? How long is the trainer's thread blocked in the loader?
//
// Steps spin on the GPU. Turns of steps that are fed by the loader alternate with turns of the same
// steps alone, which are the ceiling. The thread enqueues a step, gives the batch back, and waits
// for the step before the previous one, so that it runs ahead of the GPU by two steps and no more.
// Its blocked time is next() and giving back, on the host's clock; the wait of the GPU is told by
// the loader's own statistics, and by events around the steps. Batches are copied back and verified
// before the first turn and after the last.
#include <algorithm>
#include <chrono>
#include <string>

#include "cli/batch_check.hpp"
#include "cli/bench_device.hpp"
#include "cli/quantity.hpp"
#include "headrace/error.hpp"

namespace headrace::cli {

namespace {

using Clock = std::chrono::steady_clock;

constexpr double kWaitAim = 0.01;  // of the step
constexpr double kBlockedAim_s = 20e-6;

double seconds(Clock::duration duration) {
    return std::chrono::duration<double>(duration).count();
}

// A trainer that has nothing to learn.
class SteppingTrainer {
  public:
    SteppingTrainer(DeviceBench& bench, Loader& loader, device::StepStream& stream,
                    BatchReader& reader)
        : bench_(bench),
          loader_(loader),
          stream_(stream),
          reader_(reader),
          check_(bench.sizes.step_shape) {}

    void verify(unsigned batches);
    void take_turns();
    void tell() const;

  private:
    // Of one turn, for each step.
    struct Turn {
        double length_s = 0;  // from the begin of the first to the end of the last
        double gap_s = 0;     // between two
    };
    Batch next();
    void run_step();
    Turn run_turn(const std::function<void()>& step);
    void feed_step();
    Finding wait_finding(const std::string& by, const std::vector<double>& waits) const;
    Finding blocked_finding(const std::string& which, double rank) const;
    std::string load() const;

    DeviceBench& bench_;
    Loader& loader_;
    device::StepStream& stream_;
    BatchReader& reader_;
    RecordCheck check_;
    std::uint64_t next_ = 0;  // the record that the next batch begins with
    std::vector<double> alone_s_, fed_s_, waited_s_, gap_s_, blocked_s_;
};

Batch SteppingTrainer::next() {
    Result<Batch> batch = loader_.next(stream_.ref());
    if (batch) return std::move(*batch);
    bench_.go_on();
    throw SystemError("bench device: a loader that has more to give came to \"" +
                      std::string(name_of(batch.outcome())) + "\" at record " +
                      std::to_string(next_));
}

void SteppingTrainer::verify(unsigned batches) {
    for (unsigned i = 0; i < batches && check_.mismatch().empty(); ++i) {
        const Batch batch = next();
        check_batch(batch, reader_.read(batch), next_, check_);
    }
    if (!check_.mismatch().empty()) bench_.report.fail("steps: " + check_.mismatch());
}

void SteppingTrainer::run_step() {
    stream_.enqueue(bench_.sizes.step_s);
}

void SteppingTrainer::feed_step() {
    const Clock::time_point asked = Clock::now();
    Batch batch = next();
    const Clock::time_point had = Clock::now();
    next_ = batch.last_index();
    run_step();
    const Clock::time_point enqueued = Clock::now();
    batch.release();
    blocked_s_.push_back(seconds(had - asked + (Clock::now() - enqueued)));
}

SteppingTrainer::Turn SteppingTrainer::run_turn(const std::function<void()>& step) {
    const std::uint64_t first = stream_.steps();
    const unsigned steps = bench_.sizes.steps_per_turn;
    for (unsigned i = 0; i < steps; ++i) {
        step();
        if (i >= 2) stream_.wait(first + i - 2);
    }
    const std::uint64_t last = first + steps - 1;
    stream_.wait(last);
    Turn turn;
    turn.length_s = stream_.span_s(first, last) / steps;
    for (std::uint64_t i = first + 1; i <= last; ++i) turn.gap_s += stream_.gap_s(i);
    turn.gap_s /= std::max(1u, steps - 1);
    return turn;
}

void SteppingTrainer::take_turns() {
    run_turn([this] { run_step(); });  // what comes first is not counted
    for (unsigned i = 0; i < bench_.sizes.turns; ++i) {
        bench_.go_on();
        const Turn alone = run_turn([this] { run_step(); });
        const double waited_before_s = loader_.stats().trainer_waited_s;
        const Turn fed = run_turn([this] { feed_step(); });
        const double waited_s = loader_.stats().trainer_waited_s - waited_before_s;
        alone_s_.push_back(alone.length_s);
        fed_s_.push_back(fed.length_s);
        waited_s_.push_back(waited_s / bench_.sizes.steps_per_turn);
        gap_s_.push_back(fed.gap_s - alone.gap_s);
    }
}

std::string SteppingTrainer::load() const {
    const RecordShape& shape = bench_.sizes.step_shape;
    return std::to_string(bench_.sizes.step_batch) + " records of " +
           bytes_text(static_cast<double>(shape.capacity_bytes())) + ", half full";
}

Finding SteppingTrainer::wait_finding(const std::string& by,
                                      const std::vector<double>& waits) const {
    Finding finding{.question = "exposed wait, by " + by,
                    .load = load(),
                    .unit = Unit::seconds,
                    .figure = median(waits),
                    .turns = waits,
                    .ceiling = "a step",
                    .ceiling_figure = median(alone_s_)};
    finding.aim = Aim{"of the step", Unit::share, finding.share(), false, kWaitAim};
    return finding;
}

Finding SteppingTrainer::blocked_finding(const std::string& which, double rank) const {
    Finding finding{.question = "host blocked in the loader, " + which,
                    .load = load(),
                    .unit = Unit::seconds,
                    .figure = quantile(blocked_s_, rank),
                    .turns = {}};
    finding.aim = Aim{"a step", Unit::seconds, finding.figure, false, kBlockedAim_s};
    return finding;
}

void SteppingTrainer::tell() const {
    std::vector<Finding>& findings = bench_.report.findings;
    findings.push_back({.question = "step with the loader",
                        .load = load(),
                        .unit = Unit::seconds,
                        .figure = median(fed_s_),
                        .turns = fed_s_,
                        .ceiling = "alone",
                        .ceiling_figure = median(alone_s_)});
    findings.push_back(wait_finding("the loader's statistics", waited_s_));
    findings.push_back(wait_finding("events of the GPU", gap_s_));
    findings.push_back(blocked_finding("median", 0.5));
    findings.push_back(blocked_finding("99 of 100", 0.99));
    const Stats stats = loader_.stats();
    bench_.report.host_memory = stats.host_memory;
    bench_.report.notes.push_back("steps: " + count_text(check_.records()) +
                                  " records copied back and verified; " + stats.verdict());
}

}  // namespace

std::uint64_t most_steps(const DeviceSizes& sizes) noexcept {
    return std::uint64_t{sizes.steps_per_turn} * (2 * sizes.turns + 1);
}

std::uint64_t step_records(const DeviceSizes& sizes) noexcept {
    const std::uint64_t batches =
        2 * std::uint64_t{sizes.checked_batches} + sizes.steps_per_turn * sizes.turns;
    return batches * sizes.step_batch;
}

void measure_steps(DeviceBench& bench, Loader& loader, device::StepStream& stream,
                   BatchReader& reader) {
    SteppingTrainer trainer(bench, loader, stream, reader);
    trainer.verify(bench.sizes.checked_batches);
    trainer.take_turns();
    trainer.verify(bench.sizes.checked_batches);
    trainer.tell();
}

}  // namespace headrace::cli
