// voices: learns to tell five languages apart from recordings that producer processes read, turn
// into log-mel frames and write into a ring. See README.md beside this file.
#include <chrono>
#include <exception>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "headrace/device.hpp"
#include "headrace/loader.hpp"
#include "headrace/ring.hpp"
#include "launch/arrivals.hpp"
#include "launch/processes.hpp"
#include "launch/progress.hpp"
#include "launch/session.hpp"
#include "launch/stop.hpp"
#include "launch/text.hpp"
#include "launch/torch_device.hpp"
#include "ledger.hpp"
#include "options.hpp"
#include "producer_options.hpp"
#include "record.hpp"
#include "recordings.hpp"
#include "report.hpp"
#include "ring_names.hpp"
#include "training.hpp"

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
}

headrace::RingOptions ring_options(const voices::Options& options, const std::string& name,
                                   std::size_t records, samples::Progress& progress) {
    headrace::RingOptions ring;
    ring.name = name;
    ring.schema = voices::record_schema(options.capacity_frames());
    ring.slots = options.slots;
    ring.epoch_records = records;
    ring.epochs = 1;
    ring.directory = options.directory;
    ring.linger = samples::milliseconds_of(options.linger_s);
    ring.on_message = samples::say_messages(progress);
    return ring;
}

// Seconds. The rings are made before a producer is started: one that is not there never will be.
constexpr double kOwnProducersWait = 10;

constexpr std::size_t kTrain = 0;  // places of the rings in the session
constexpr std::size_t kHeldOut = 1;

std::vector<headrace::Ring> make_rings(const voices::Options& options,
                                       const voices::Recordings& recordings,
                                       samples::Progress& progress) {
    auto train =
        ring_options(options, voices::train_ring(options.name), recordings.train.size(), progress);
    train.epochs = options.epochs;
    train.shuffle_seed = options.seed;
    std::vector<headrace::Ring> rings;
    rings.push_back(headrace::Ring::create(train));
    rings.push_back(headrace::Ring::create(ring_options(
        options, voices::held_out_ring(options.name), recordings.held_out.size(), progress)));
    return rings;
}

voices::ProducerOptions producer_options(const voices::Options& options) {
    return {.name = options.name,
            .data = options.data,
            .limit = options.limit,
            .directory = options.directory};
}

std::vector<std::string> producer_command(const voices::Options& options) {
    voices::ProducerOptions own = producer_options(options);
    own.wait_s = kOwnProducersWait;
    std::vector<std::string> command{samples::program_beside_this("voices_producer")};
    for (std::string& word : voices::to_arguments(own)) command.push_back(std::move(word));
    return command;
}

// How somebody else starts a producer.
std::string invitation(const voices::Options& options) {
    return voices::to_shell("voices_producer", voices::to_arguments(producer_options(options)));
}

void say_where_to_come_to(const voices::Options& options, const headrace::Ring& train,
                          const headrace::Ring& held_out, samples::Progress& progress) {
    const std::filesystem::path socket = train.socket_path();
    progress.line("waiting for producers: rings " + train.name() + " and " + held_out.name() +
                  " in " + socket.parent_path().string() +
                  "; start them with: " + invitation(options));
}

void expect_both_sides(const voices::Recordings& recordings) {
    if (!recordings.train.empty() && !recordings.held_out.empty()) return;
    throw std::runtime_error("found " + std::to_string(recordings.train.size()) +
                             " recordings to train on and " +
                             std::to_string(recordings.held_out.size()) +
                             " held out, wanted some of both: raise --limit");
}

headrace::LoaderOptions loader_options(const voices::Options& options,
                                       const headrace::Device& device) {
    headrace::LoaderOptions loader;
    loader.batch = options.batch;
    loader.layout = headrace::Layout::packed;
    loader.device = device;
    return loader;
}

void add(voices::Results& results, const voices::Ledger& ledger) {
    results.cut += ledger.cut();
    results.lost += ledger.lost();
    for (const auto& [what, times] : ledger.losses()) results.losses[what] += times;
}

// What the ring's statistics tell of the time, of the padding and of the producers.
void add(voices::Results& results, const headrace::Stats& stats) {
    const auto all = static_cast<double>(stats.payload_bytes + stats.padding_bytes);
    results.padding_share = all > 0 ? static_cast<double>(stats.padding_bytes) / all : 0;
    results.verdict = stats.verdict();
    results.attached = stats.producers.size();
    results.died = stats.deaths;
}

// Trains and evaluates over the rings of the session, and enters what came of it.
void train_and_evaluate(const voices::Options& options, const voices::Recordings& recordings,
                        const headrace::Device& device, samples::Session& session,
                        voices::Training& training, voices::Results& results) {
    voices::Ledger train_ledger(recordings.train);
    voices::Ledger held_out_ledger(recordings.held_out);
    {
        headrace::Loader loader(session.ring(kTrain), loader_options(options, device));
        const auto start = Clock::now();
        training.train(loader, train_ledger, recordings.train.size());
        results.train_seconds = seconds_since(start);
        add(results, loader.stats());
    }
    {
        headrace::Loader loader(session.ring(kHeldOut), loader_options(options, device));
        results.confusion = training.evaluate(loader, held_out_ledger);
    }
    results.records = train_ledger.records();
    add(results, train_ledger);
    add(results, held_out_ledger);
    const std::uint64_t both[] = {train_ledger.order_hash(), held_out_ledger.order_hash()};
    results.order_hash = voices::fnv1a({reinterpret_cast<const char*>(both), sizeof both});
    results.replaced = session.replaced();
}

void run_session(const voices::Options& options, const voices::Recordings& recordings,
                 const headrace::Device& device, samples::Progress& progress, samples::Stop& stop,
                 voices::Results& results) {
    // The processes first: they work while LibTorch gets ready.
    samples::Session session(make_rings(options, recordings, progress), producer_command(options),
                             options.producers, progress, stop);
    headrace::Ring& train = session.ring(kTrain);
    headrace::Ring& held_out = session.ring(kHeldOut);
    const bool from_elsewhere = options.producers == 0;
    if (from_elsewhere) say_where_to_come_to(options, train, held_out, progress);
    samples::Arrivals arrivals("start one with: " + invitation(options), progress);
    try {
        voices::Training training(options, device, progress, [&] {
            session.look_after();
            if (from_elsewhere) arrivals.look(train);
        });
        train_and_evaluate(options, recordings, device, session, training, results);
    } catch (const std::exception& error) {
        // Nobody else tells producers in another container why it is over. One line of it:
        // LibTorch's errors have a whole stack below.
        const std::string text = error.what();
        const std::string reason = text.substr(0, text.find('\n'));
        if (from_elsewhere) {
            train.abort(reason);
            held_out.abort(reason);
        }
        throw;
    }
}

// What is known before anything has been done.
voices::Results results_of(const voices::Options& options, const voices::Recordings& recordings,
                           const headrace::Device& device) {
    voices::Results results;
    results.epochs = options.epochs;
    results.producers = options.producers;
    results.batch = options.batch;
    results.seed = options.seed;
    results.device = device.name();
    results.train_recordings = recordings.train.size();
    results.held_out_recordings = recordings.held_out.size();
    return results;
}

void announce(const voices::Options& options, const voices::Results& results,
              samples::Progress& progress) {
    const bool is_second_best = options.device == "best" && results.device == "host";
    progress.line(results.device +
                  (is_second_best ? " (found no GPU that LibTorch can use): " : ": ") +
                  std::to_string(results.train_recordings) + " recordings to train on, " +
                  std::to_string(results.held_out_recordings) + " held out, " +
                  (options.producers == 0 ? "producers from elsewhere"
                                          : std::to_string(options.producers) + " producers"));
}

int run(const voices::Options& options, Clock::time_point start) {
    samples::Stop stop;
    samples::Progress progress("voices", options.quiet);
    const headrace::Device device = samples::find_torch_device(options.device);
    const voices::Recordings recordings = voices::list_recordings(options.data, options.limit);
    expect_both_sides(recordings);
    voices::Results results = results_of(options, recordings, device);
    announce(options, results, progress);
    try {
        run_session(options, recordings, device, progress, stop, results);
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
