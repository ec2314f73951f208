#include "training_run.hpp"

#include <ATen/Parallel.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

#include "headrace/torch.hpp"
#include "launch/stop.hpp"
#include "launch/text.hpp"

namespace words {
namespace {

using samples::format;

using Clock = std::chrono::steady_clock;

// How long a wait for a batch may keep us from looking around.
constexpr std::chrono::milliseconds kPatience{100};
// Letting go of a batch is a matter of microseconds, on whichever thread it happens.
constexpr std::chrono::seconds kMostToGiveBack{10};

double seconds_since(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
}

std::uint64_t batches_of(std::size_t records, std::uint32_t batch) {
    return (records + batch - 1) / batch;
}

// LibTorch's threads are set before its first work, and the seed before the first weights.
Learner make_learner(const Options& options, const headrace::Device& device) {
    at::set_num_threads(static_cast<int>(options.threads));
    return Learner({.rate = options.rate, .seed = options.seed, .batch = options.batch},
                   headrace::torch::device_of(device));
}

// The position that a checkpoint may keep: when everything learned from has been given back.
headrace::State state_behind(const headrace::Loader& loader, std::uint64_t index) {
    const auto deadline = Clock::now() + kMostToGiveBack;
    while (true) {
        const headrace::State state = loader.state();
        if (state.index == index) return state;
        if (Clock::now() > deadline) {
            throw std::logic_error("a batch before " + std::to_string(index) +
                                   " is still held, found the loader at " +
                                   std::to_string(state.index));
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
}

}  // namespace

struct TrainingRun::Loaders {
    headrace::Loader& train;
    headrace::Loader& held_out;
    const std::function<void()>& look_around;
    // Indices behind the last batch that was taken from each.
    std::uint64_t learned;
    std::uint64_t examined;
};

TrainingRun::TrainingRun(const Options& options, const WordLists& lists,
                         const headrace::Device& device, samples::Progress& progress)
    : options_(options),
      lists_(lists),
      progress_(progress),
      steps_of_epoch_(batches_of(lists.train.size(), options.batch)),
      learner_(make_learner(options, device)),
      log_(steps_of_epoch_, headrace::torch::device_of(device)) {
    if (lists.train.empty() || lists.held_out.empty()) {
        throw std::runtime_error("found " + std::to_string(lists.train.size()) +
                                 " words to train on and " + std::to_string(lists.held_out.size()) +
                                 " held out, wanted some of both: raise --words");
    }
}

// The options that decide what is learned, in which order.
Settings TrainingRun::settings() const {
    return {{"--words", std::to_string(options_.words)},
            {"--batch", std::to_string(options_.batch)},
            {"--seed", std::to_string(options_.seed)},
            {"--rate", format("%.17g", options_.rate)},
            {"word lists of the fingerprint", std::to_string(lists_.fingerprint)}};
}

void TrainingRun::resume() {
    if (!std::filesystem::exists(options_.checkpoint)) {
        progress_.line("no checkpoint " + options_.checkpoint + " yet: from the beginning");
        return;
    }
    const Checkpoint checkpoint = read_checkpoint(options_.checkpoint);
    expect_settings(checkpoint, settings());
    auto targets = learner_.tensors();
    for (auto& tensor : log_.tensors()) targets.push_back(std::move(tensor));
    restore(checkpoint, targets);
    place_ = checkpoint.place;
    learner_.set_steps(place_.learner_steps);
    is_resumed_ = true;
    progress_.line("going on after step " +
                   std::to_string(place_.epoch * steps_of_epoch_ + place_.step));
}

void TrainingRun::run(headrace::Loader& train, headrace::Loader& held_out,
                      const std::function<void()>& look_around) {
    Loaders loaders{train, held_out, look_around, train.state().index, held_out.state().index};
    while (!is_over()) {
        try {
            train_epoch(loaders);
        } catch (const samples::Stopped&) {
            save(loaders);
            throw;
        }
        if (place_.step == steps_of_epoch_) take_exam(loaders);
        save(loaders);
        if (is_enough()) return;
    }
}

void TrainingRun::train_epoch(Loaders& loaders) {
    learner_.set_epoch(place_.epoch);
    progress_.begin(
        "epoch " + std::to_string(place_.epoch + 1) + "/" + std::to_string(options_.epochs),
        (steps_of_epoch_ - place_.step) * options_.batch);
    const auto start = Clock::now();
    while (place_.step < steps_of_epoch_ && !is_enough()) {
        take_step(loaders);
        progress_.advance(options_.batch);
        // Behind an epoch's last step comes the exam, and behind that a checkpoint anyway.
        if (options_.every > 0 && place_.step < steps_of_epoch_ &&
            (place_.epoch * steps_of_epoch_ + place_.step) % options_.every == 0) {
            save(loaders);
        }
    }
    const StepLog::Sums sums = log_.sums(place_.step);  // waits for the device: the time is right
    const double seconds = seconds_since(start);
    seconds_ += seconds;
    progress_.end();
    report(sums);
}

// Nothing here waits for a GPU. The batch is given back when this returns.
void TrainingRun::take_step(Loaders& loaders) {
    const headrace::torch::BatchTensors batch = next(loaders.train, loaders.look_around);
    const Examples examples = to_examples(batch);
    log_.enter(place_.step, learner_.step(examples), examples.records);
    loaders.learned = batch.last_index;
    ++place_.step;
    ++steps_;
    records_ += batch.size();
}

void TrainingRun::take_exam(Loaders& loaders) {
    for (std::uint64_t left = batches_of(lists_.held_out.size(), options_.batch); left > 0;
         --left) {
        const headrace::torch::BatchTensors batch = next(loaders.held_out, loaders.look_around);
        learner_.examine(to_examples(batch));
        loaders.examined = batch.last_index;
    }
    place_.exam = learner_.end_exam();
    Curve points = log_.points(place_.epoch * steps_of_epoch_);
    points.back().held_out_loss = place_.exam.mean_loss();
    points.back().held_out_right = place_.exam.accuracy();
    place_.curve.insert(place_.curve.end(), points.begin(), points.end());
    ++place_.epoch;
    place_.step = 0;
    progress_.line(format("held out  loss %.3f  right %.1f %%  of ", place_.exam.mean_loss(),
                          100 * place_.exam.accuracy()) +
                   std::to_string(place_.exam.words()) + " words");
}

// A batch comes for each range of indices, also for one of nothing but holes, so the number of
// steps is known, and where epochs end need not be told.
headrace::torch::BatchTensors TrainingRun::next(headrace::Loader& loader,
                                                const std::function<void()>& look_around) {
    while (true) {
        look_around();
        auto result = loader.next_for(kPatience, headrace::torch::current_stream(loader.device()));
        if (result.outcome() == headrace::Outcome::ready) {
            lost_ += result->holes().size();
            return options_.owned ? headrace::torch::to_owned_tensors(std::move(*result))
                                  : headrace::torch::to_tensors(std::move(*result));
        }
        if (result.outcome() == headrace::Outcome::end) {
            throw std::runtime_error("the data ended before the last epoch did");
        }
    }
}

void TrainingRun::save(const Loaders& loaders) {
    if (options_.checkpoint.empty()) return;
    place_.learner_steps = learner_.steps();
    place_.train = state_behind(loaders.train, loaders.learned);
    place_.held_out = state_behind(loaders.held_out, loaders.examined);
    auto tensors = learner_.tensors();
    for (auto& tensor : log_.tensors()) tensors.push_back(std::move(tensor));
    write_checkpoint(options_.checkpoint, {settings(), place_, std::move(tensors)});
}

void TrainingRun::report(const StepLog::Sums& sums) const {
    const auto records = static_cast<double>(std::max<std::uint64_t>(sums.records, 1));
    progress_.line("epoch " + std::to_string(place_.epoch + 1) + "/" +
                   std::to_string(options_.epochs) + "  step " + std::to_string(place_.step) + "/" +
                   std::to_string(steps_of_epoch_) +
                   format("  loss %.3f  right %.1f %%  %.0f words/s", sums.loss / records,
                          100 * static_cast<double>(sums.right) / records,
                          seconds_ > 0 ? static_cast<double>(records_) / seconds_ : 0.0));
}

}  // namespace words
