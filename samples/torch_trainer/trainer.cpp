// torch_trainer: learns to tell which of five languages a word is of, from word lists that producer
// processes read, turn into n-grams and write into a ring. See README.md beside this file.
#include <torch/version.h>
#include <unistd.h>

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "curve.hpp"
#include "headrace/device.hpp"
#include "headrace/loader.hpp"
#include "headrace/ring.hpp"
#include "launch/processes.hpp"
#include "launch/progress.hpp"
#include "launch/session.hpp"
#include "launch/stop.hpp"
#include "launch/text.hpp"
#include "launch/torch_device.hpp"
#include "options.hpp"
#include "producer_command.hpp"
#include "record.hpp"
#include "results.hpp"
#include "training_run.hpp"
#include "word_lists.hpp"

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kTrain = 0;  // places of the rings in the session
constexpr std::size_t kHeldOut = 1;

double seconds_since(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
}

headrace::Device find_device(const std::string& name, samples::Progress& progress) {
    headrace::Device device = samples::find_torch_device(name);
    if (name == "best" && device.name() == "host") {
        progress.line("found no GPU that LibTorch can use: training on the host");
    }
    return device;
}

headrace::RingOptions ring_options(const words::Options& options, const std::string& purpose,
                                   std::size_t records, samples::Progress& progress) {
    headrace::RingOptions ring;
    ring.name = "words-" + std::to_string(getpid()) + "-" + purpose;
    ring.schema = words::record_schema();
    ring.slots = options.slots;
    ring.epoch_records = records;
    ring.epochs = options.epochs;
    ring.directory = options.directory;
    ring.on_message = samples::say_messages(progress);
    return ring;
}

// The words held out are asked for after each epoch, so both rings have as many.
std::vector<headrace::Ring> make_rings(const words::Options& options, const words::WordLists& lists,
                                       const words::TrainingRun& run, samples::Progress& progress) {
    auto train = ring_options(options, "train", lists.train.size(), progress);
    train.shuffle_seed = options.seed;
    auto held_out = ring_options(options, "held-out", lists.held_out.size(), progress);
    if (run.is_resumed()) {
        train.resume = run.place().train;
        held_out.resume = run.place().held_out;
    }
    std::vector<headrace::Ring> rings;
    rings.push_back(headrace::Ring::create(train));
    rings.push_back(headrace::Ring::create(held_out));
    return rings;
}

std::vector<std::string> producer_command(const words::Options& options,
                                          const words::WordLists& lists,
                                          const std::vector<headrace::Ring>& rings) {
    return words::producer_command(samples::program_beside_this("words_producer"), lists,
                                   {.folder = options.lists,
                                    .limit = options.words,
                                    .directory = options.directory,
                                    .train = rings[kTrain].name(),
                                    .held_out = rings[kHeldOut].name()});
}

headrace::LoaderOptions loader_options(const words::Options& options,
                                       const headrace::Device& device) {
    headrace::LoaderOptions loader;
    loader.batch = options.batch;
    loader.layout = options.owned ? headrace::Layout::rows : headrace::Layout::packed;
    loader.device = device;
    loader.depth = options.depth;
    return loader;
}

// Trains, and enters what the rings' statistics tell.
void train(const words::Options& options, const words::WordLists& lists,
           const headrace::Device& device, words::TrainingRun& run, samples::Progress& progress,
           samples::Stop& stop, words::Results& results) {
    auto rings = make_rings(options, lists, run, progress);
    auto command = producer_command(options, lists, rings);
    samples::Session session(std::move(rings), std::move(command), options.producers, progress,
                             stop);
    headrace::Loader loader(session.ring(kTrain), loader_options(options, device));
    headrace::Loader held_out(session.ring(kHeldOut), loader_options(options, device));
    run.run(loader, held_out, [&session] { session.look_after(); });
    const headrace::Stats stats = loader.stats();
    const auto all = static_cast<double>(stats.payload_bytes + stats.padding_bytes);
    results.padding_share = all > 0 ? static_cast<double>(stats.padding_bytes) / all : 0;
    results.verdict = stats.verdict();
    results.replaced = session.replaced();
}

void enter(words::Results& results, const words::TrainingRun& run) {
    results.libtorch = TORCH_VERSION;
    results.epochs = run.place().epoch;
    results.steps = run.place().epoch * run.steps_of_epoch() + run.place().step;
    results.exam = run.place().exam;
    results.model_hash = words::hash_of(run.learner().tensors());
    results.records = run.records();
    results.train_seconds = run.train_seconds();
    results.lost = run.lost();
}

void report(const words::Results& results, const words::Curve& curve, samples::Progress& progress) {
    const words::Options& options = results.options;
    progress.line("\n" + words::to_table(results));
    if (!options.results.empty()) samples::write_text(options.results, words::to_json(results));
    if (options.curve.empty()) return;
    if (const auto why_not = words::draw(curve, options.curve)) progress.say(*why_not);
}

int run(const words::Options& options, Clock::time_point start) {
    samples::Stop stop;
    samples::Progress progress("torch_trainer", options.quiet);
    const words::WordLists lists = words::read_word_lists(options.lists, options.words);
    const headrace::Device device = find_device(options.device, progress);
    words::TrainingRun run(options, lists, device, progress);
    progress.line(device.name() + ": " + std::to_string(lists.train.size()) +
                  " words to train on, " + std::to_string(lists.held_out.size()) + " held out, " +
                  std::to_string(options.producers) + " producers");
    if (options.resume) run.resume();
    words::Results results;
    results.options = options;
    results.device = device.name();
    results.train_words = lists.train.size();
    results.held_out_words = lists.held_out.size();
    results.verdict = "nothing was left to train";
    try {
        if (!run.is_over()) train(options, lists, device, run, progress, stop, results);
    } catch (const samples::Stopped&) {
        progress.end();
        progress.say("stopped by signal " + std::to_string(samples::Stop::exit_status() - 128));
        return samples::Stop::exit_status();
    }
    enter(results, run);
    results.seconds = seconds_since(start);
    report(results, run.place().curve, progress);
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    const auto start = Clock::now();
    return samples::run_main("torch_trainer", [&] {
        const auto options = words::parse_options(argc, argv);
        return options ? run(*options, start) : 0;
    });
}
