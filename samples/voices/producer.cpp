// voices_producer: reads recordings, computes their log-mel frames, and writes them to the
// trainer's rings, first the one for training, then the one with what is held out. The trainer
// starts it; it may also be started by hand or in another container, at any time, beside those that
// run, and ended at any time.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "headrace/error.hpp"
#include "headrace/producer.hpp"
#include "launch/options.hpp"
#include "launch/stop.hpp"
#include "launch/text.hpp"
#include "log_mel.hpp"
#include "producer_options.hpp"
#include "record.hpp"
#include "recordings.hpp"
#include "ring_names.hpp"

namespace {

using Clock = std::chrono::steady_clock;

// How long a wait, for the trainer or for a place in its ring, may keep us from seeing a signal.
constexpr std::chrono::milliseconds kPatience{100};

const voices::Recording& recording_of(const std::vector<voices::Recording>& recordings,
                                      std::uint64_t item, const std::string& ring) {
    if (item < recordings.size()) return recordings[item];
    throw std::runtime_error("ring \"" + ring + "\" asks for recording " + std::to_string(item) +
                             ", the folder holds " + std::to_string(recordings.size()) +
                             ": it has changed, or --data and --limit are not the trainer's");
}

// Nothing when a signal asked for the end.
std::optional<headrace::Producer> attach(const std::string& ring,
                                         const voices::ProducerOptions& options,
                                         Clock::time_point start) {
    const auto deadline = start + samples::milliseconds_of(options.wait_s);
    while (!samples::Stop::requested()) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
        try {
            return headrace::Producer::attach(
                ring, {.timeout = std::clamp(left, std::chrono::milliseconds(0), kPatience),
                       .directory = options.directory});
        } catch (const headrace::TimeoutError& error) {
            if (Clock::now() < deadline) continue;
            throw std::runtime_error(
                samples::format("waited %g s (--wait); the last look: ", options.wait_s) +
                error.what());
        }
    }
    return std::nullopt;
}

// Writes recordings until none is left to write, by anybody, or a signal asks for the end: then
// other producers take the rest. Either way this one has finished, and is missed by nobody.
void serve(headrace::Producer& producer, const std::string& ring,
           const std::vector<voices::Recording>& recordings, voices::LogMel& log_mel) {
    const std::size_t mel = producer.schema().index_of(voices::kMelField, headrace::f32);
    const std::size_t text = producer.schema().index_of(voices::kTextField, headrace::i32);
    while (!samples::Stop::requested()) {
        auto record = producer.claim_for(kPatience);
        if (record.outcome() == headrace::Outcome::end) break;
        if (!record) continue;
        const voices::Recording& recording = recording_of(recordings, record->item(), ring);
        const voices::Reading reading =
            log_mel.read(recording.path, record->field<float>(mel));  // written in place
        if (!reading.error.empty()) {
            record->skip(recording.path.filename().string() + ": " + reading.error);
            continue;
        }
        const std::size_t text_length =
            voices::write_text(recording, reading.cut, record->field<std::int32_t>(text));
        record->publish(reading.frames * voices::kBands, text_length);
    }
    producer.finish();
}

void serve_both(const voices::ProducerOptions& options, Clock::time_point start) {
    const voices::Recordings recordings = voices::list_recordings(options.data, options.limit);
    voices::LogMel log_mel;
    const std::string train_name = voices::train_ring(options.name);
    const std::string held_out_name = voices::held_out_ring(options.name);
    // To both at once: when the trainer ends both early, attaching to the second would be refused.
    auto train = attach(train_name, options, start);
    if (!train) return;
    auto held_out = attach(held_out_name, options, start);
    if (!held_out) return;
    serve(*train, train_name, recordings.train, log_mel);
    serve(*held_out, held_out_name, recordings.held_out, log_mel);
}

int run(const voices::ProducerOptions& options) {
    const auto start = Clock::now();
    samples::Stop stop;
    serve_both(options, start);
    if (!samples::Stop::requested()) return 0;
    std::fprintf(stderr, "voices_producer: stopped by signal %d\n",
                 samples::Stop::exit_status() - 128);
    return samples::Stop::exit_status();
}

}  // namespace

int main(int argc, char** argv) {
    return samples::run_main("voices_producer", [&] {
        const auto options = voices::parse_producer_options(argc, argv);
        return options ? run(*options) : 0;
    });
}
