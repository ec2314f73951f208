// voices_producer: reads recordings, computes their log-mel frames, and writes them to the
// trainer's rings, first the one for training, then the one with what is held out. The trainer
// starts it; it may also be started by hand, at any time, beside those that run.
#include <chrono>
#include <cxxopts.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "headrace/error.hpp"
#include "headrace/producer.hpp"
#include "launch/options.hpp"
#include "log_mel.hpp"
#include "record.hpp"
#include "recordings.hpp"

namespace {

// The trainer makes its rings before it starts a producer: one that is not there yet never will be.
constexpr std::chrono::seconds kAttachTimeout{10};

const voices::Recording& recording_of(const std::vector<voices::Recording>& recordings,
                                      std::uint64_t item, const std::string& ring) {
    if (item < recordings.size()) return recordings[item];
    throw std::runtime_error("ring \"" + ring + "\" asks for recording " + std::to_string(item) +
                             ", the folder holds " + std::to_string(recordings.size()) +
                             ": it has changed, or --data and --limit are not the trainer's");
}

headrace::Producer attach(const std::string& ring, const std::string& directory) {
    return headrace::Producer::attach(
        ring, {.timeout = kAttachTimeout, .directory = directory, .identity = "voices_producer"});
}

// Writes recordings until none is left to write, by anybody.
void serve(headrace::Producer& producer, const std::string& ring,
           const std::vector<voices::Recording>& recordings, voices::LogMel& log_mel) {
    const std::size_t mel = producer.schema().index_of(voices::kMelField, headrace::f32);
    const std::size_t text = producer.schema().index_of(voices::kTextField, headrace::i32);
    while (auto record = producer.claim()) {
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

int run(int argc, char** argv) {
    cxxopts::Options options("voices_producer", "Writes recordings to the rings of `voices`.");
    auto add = options.add_options();
    add("train", "Name of the ring for training", cxxopts::value<std::string>());
    add("held-out", "Name of the ring for what is held out", cxxopts::value<std::string>());
    add("data", "Folder of the recordings", cxxopts::value<std::string>());
    add("limit", "Recordings to use, 0: all", cxxopts::value<std::size_t>()->default_value("0"));
    add("directory", "Where the rings' sockets lie",
        cxxopts::value<std::string>()->default_value(""));
    add("h,help", "This text");
    std::string train, held_out, data, directory;
    std::size_t limit = 0;
    const auto take = [&](const cxxopts::ParseResult& given) {
        train = given["train"].as<std::string>();
        held_out = given["held-out"].as<std::string>();
        data = given["data"].as<std::string>();
        limit = given["limit"].as<std::size_t>();
        directory = given["directory"].as<std::string>();
    };
    if (!samples::parse(options, argc, argv, take)) return 0;
    const voices::Recordings recordings = voices::list_recordings(data, limit);
    voices::LogMel log_mel;
    // To both at once: when the trainer ends both early, attaching to the second would be refused.
    headrace::Producer train_producer = attach(train, directory);
    headrace::Producer held_out_producer = attach(held_out, directory);
    serve(train_producer, train, recordings.train, log_mel);
    serve(held_out_producer, held_out, recordings.held_out, log_mel);
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    return samples::run_main("voices_producer", [&] { return run(argc, argv); });
}
