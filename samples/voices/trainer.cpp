// voices: learns to tell five languages apart from recordings that producer processes read, turn
// into log-mel frames and write into a ring. See README.md beside this file.
#include <unistd.h>

#include <chrono>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "headrace/loader.hpp"
#include "headrace/ring.hpp"
#include "launch/processes.hpp"
#include "launch/progress.hpp"
#include "launch/session.hpp"
#include "launch/stop.hpp"
#include "launch/text.hpp"
#include "ledger.hpp"
#include "options.hpp"
#include "record.hpp"
#include "recordings.hpp"
#include "report.hpp"
#include "training.hpp"

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
}

headrace::RingOptions ring_options(const voices::Options& options, const std::string& purpose,
                                   std::size_t records, samples::Progress& progress) {
    headrace::RingOptions ring;
    ring.name = "voices-" + std::to_string(getpid()) + "-" + purpose;
    ring.schema = voices::record_schema(options.capacity_frames());
    ring.slots = options.slots;
    ring.epoch_records = records;
    ring.epochs = 1;
    ring.directory = options.directory;
    ring.on_message = samples::say_messages(progress);
    return ring;
}

constexpr std::size_t kTrain = 0;  // places of the rings in the session
constexpr std::size_t kHeldOut = 1;

std::vector<headrace::Ring> make_rings(const voices::Options& options,
                                       const voices::Recordings& recordings,
                                       samples::Progress& progress) {
    auto train = ring_options(options, "train", recordings.train.size(), progress);
    train.epochs = options.epochs;
    train.shuffle_seed = options.seed;
    std::vector<headrace::Ring> rings;
    rings.push_back(headrace::Ring::create(train));
    rings.push_back(headrace::Ring::create(
        ring_options(options, "held-out", recordings.held_out.size(), progress)));
    return rings;
}

std::vector<std::string> producer_command(const voices::Options& options,
                                          const std::vector<headrace::Ring>& rings) {
    return {samples::program_beside_this("voices_producer"),
            "--train",
            rings[kTrain].name(),
            "--held-out",
            rings[kHeldOut].name(),
            "--data",
            options.data,
            "--limit",
            std::to_string(options.limit),
            "--directory",
            options.directory};
}

void expect_both_sides(const voices::Recordings& recordings) {
    if (!recordings.train.empty() && !recordings.held_out.empty()) return;
    throw std::runtime_error("found " + std::to_string(recordings.train.size()) +
                             " recordings to train on and " +
                             std::to_string(recordings.held_out.size()) +
                             " held out, wanted some of both: raise --limit");
}

headrace::LoaderOptions loader_options(const voices::Options& options) {
    headrace::LoaderOptions loader;
    loader.batch = options.batch;
    loader.layout = headrace::Layout::packed;
    loader.device = headrace::Device::host();
    return loader;
}

void add(voices::Results& results, const voices::Ledger& ledger) {
    results.cut += ledger.cut();
    results.lost += ledger.lost();
    for (const auto& [what, times] : ledger.losses()) results.losses[what] += times;
}

// What the ring's statistics tell of the time and of the padding.
void add(voices::Results& results, const headrace::Stats& stats) {
    const auto all = static_cast<double>(stats.payload_bytes + stats.padding_bytes);
    results.padding_share = all > 0 ? static_cast<double>(stats.padding_bytes) / all : 0;
    results.verdict = stats.verdict();
}

voices::Results train_and_evaluate(const voices::Options& options,
                                   const voices::Recordings& recordings,
                                   samples::Progress& progress, samples::Stop& stop) {
    voices::Results results;
    results.epochs = options.epochs;
    results.producers = options.producers;
    results.batch = options.batch;
    results.seed = options.seed;
    results.train_recordings = recordings.train.size();
    results.held_out_recordings = recordings.held_out.size();
    // The processes first: they work while LibTorch gets ready.
    auto rings = make_rings(options, recordings, progress);
    auto command = producer_command(options, rings);
    samples::Session session(std::move(rings), std::move(command), options.producers, progress,
                             stop);
    voices::Training training(options, progress, [&session] { session.look_after(); });
    voices::Ledger train_ledger(recordings.train);
    voices::Ledger held_out_ledger(recordings.held_out);
    {
        headrace::Loader loader(session.ring(kTrain), loader_options(options));
        const auto start = Clock::now();
        training.train(loader, train_ledger, recordings.train.size());
        results.train_seconds = seconds_since(start);
        add(results, loader.stats());
    }
    {
        headrace::Loader loader(session.ring(kHeldOut), loader_options(options));
        results.confusion = training.evaluate(loader, held_out_ledger);
    }
    results.records = train_ledger.records();
    add(results, train_ledger);
    add(results, held_out_ledger);
    const std::uint64_t both[] = {train_ledger.order_hash(), held_out_ledger.order_hash()};
    results.order_hash = voices::fnv1a({reinterpret_cast<const char*>(both), sizeof both});
    results.replaced = session.replaced();
    return results;
}

int run(const voices::Options& options, Clock::time_point start) {
    samples::Stop stop;
    samples::Progress progress("voices", options.quiet);
    const voices::Recordings recordings = voices::list_recordings(options.data, options.limit);
    expect_both_sides(recordings);
    progress.line(std::to_string(recordings.train.size()) + " recordings to train on, " +
                  std::to_string(recordings.held_out.size()) + " held out, " +
                  std::to_string(options.producers) + " producers");
    try {
        voices::Results results = train_and_evaluate(options, recordings, progress, stop);
        results.seconds = seconds_since(start);
        progress.line("\n" + voices::to_table(results));
        if (!options.json.empty()) samples::write_text(options.json, voices::to_json(results));
        return 0;
    } catch (const samples::Stopped&) {
        progress.end();
        progress.say("stopped by signal " + std::to_string(samples::Stop::exit_status() - 128));
        return samples::Stop::exit_status();
    }
}

}  // namespace

int main(int argc, char** argv) {
    const auto start = Clock::now();
    return samples::run_main("voices", [&] {
        const auto options = voices::parse_options(argc, argv);
        return options ? run(*options, start) : 0;
    });
}
