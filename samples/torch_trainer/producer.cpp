// words_producer: turns words into n-grams and writes them to a trainer's rings. It knows nothing
// of LibTorch or of GPUs. The trainer starts it; it may also be started by hand, at any time,
// beside those that run.
#include <chrono>
#include <cxxopts.hpp>
#include <functional>
#include <future>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "headrace/producer.hpp"
#include "launch/options.hpp"
#include "record.hpp"
#include "word_lists.hpp"

namespace {

// The trainer makes its rings before it starts a producer: one that is not there yet never will be.
constexpr std::chrono::seconds kAttachTimeout{10};

headrace::Producer attach(const std::string& ring, const std::string& directory) {
    return headrace::Producer::attach(
        ring, {.timeout = kAttachTimeout, .directory = directory, .identity = "words_producer"});
}

// Writes words until none is left to write, by anybody.
void serve(headrace::Producer producer, const std::vector<words::Word>& list) {
    while (auto record = producer.claim()) {
        if (record->item() >= list.size()) {
            throw std::runtime_error("asked for word " + std::to_string(record->item()) + " of " +
                                     std::to_string(list.size()) +
                                     ": --lists and --words are not the trainer's");
        }
        words::publish_word(*record, list[record->item()]);
    }
    producer.finish();
}

// Both sides must mean the same word by the same number.
void expect_fingerprint(const words::WordLists& lists, const std::string& wanted) {
    if (wanted.empty() || std::to_string(lists.fingerprint) == wanted) return;
    throw std::runtime_error("found word lists with the fingerprint " +
                             std::to_string(lists.fingerprint) + ", wanted " + wanted +
                             ": they have changed, or --lists and --words are not the trainer's");
}

int run(int argc, char** argv) {
    cxxopts::Options options("words_producer", "Writes words to the rings of `torch_trainer`.");
    const auto text = [](const char* value) {
        return cxxopts::value<std::string>()->default_value(value);
    };
    auto add = options.add_options();
    add("train", "Name of the ring for training", cxxopts::value<std::string>());
    add("held-out", "Name of the ring for what is held out; empty: there is none", text(""));
    add("lists", "Folder of the word lists", text(words::kDebianLists));
    add("words", "Words to use of each list, 0: all",
        cxxopts::value<std::size_t>()->default_value("0"));
    add("fingerprint", "What the lists must come to; empty: anything", text(""));
    add("directory", "Where the rings' sockets lie", text(""));
    add("h,help", "This text");
    std::string train_ring, held_out, folder, fingerprint, directory;
    std::size_t limit = 0;
    const auto take = [&](const cxxopts::ParseResult& given) {
        train_ring = given["train"].as<std::string>();
        held_out = given["held-out"].as<std::string>();
        folder = given["lists"].as<std::string>();
        limit = given["words"].as<std::size_t>();
        fingerprint = given["fingerprint"].as<std::string>();
        directory = given["directory"].as<std::string>();
    };
    if (!samples::parse(options, argc, argv, take)) return 0;
    const words::WordLists lists = words::read_word_lists(folder, limit);
    expect_fingerprint(lists, fingerprint);
    headrace::Producer train = attach(train_ring, directory);
    // The trainer wants words of the one ring, then of the other, and again: a thread for each,
    // which sleeps while its ring is full.
    std::future<void> other;
    if (!held_out.empty()) {
        other = std::async(std::launch::async, serve, attach(held_out, directory),
                           std::cref(lists.held_out));
    }
    serve(std::move(train), lists.train);
    if (other.valid()) other.get();
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    return samples::run_main("words_producer", [&] { return run(argc, argv); });
}
