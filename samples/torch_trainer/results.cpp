#include "results.hpp"

#include <nlohmann/json.hpp>

#include "launch/text.hpp"
#include "word_lists.hpp"

namespace words {
namespace {

using samples::format;

using Longs = unsigned long long;  // what printf knows of 64 bits

std::string confusion_table(const Confusion& confusion) {
    std::string text = format("%-12s %8s  taken for", "held out", "right");
    for (const Language& language : kLanguages) text += format(" %8s", language.name.data());
    for (std::size_t row = 0; row < confusion.size(); ++row) {
        std::uint64_t all = 0;
        for (const std::uint64_t count : confusion[row]) all += count;
        const double share =
            all == 0 ? 0 : static_cast<double>(confusion[row][row]) / static_cast<double>(all);
        text += format("\n%-12s %6.1f %%           ", kLanguages[row].name.data(), 100 * share);
        for (const std::uint64_t count : confusion[row]) {
            text += format(" %8llu", static_cast<Longs>(count));
        }
    }
    return text;
}

std::string hexadecimal(std::uint64_t number) {
    return format("%016llx", static_cast<Longs>(number));
}

}  // namespace

double Results::records_per_s() const noexcept {
    return train_seconds > 0 ? static_cast<double>(records) / train_seconds : 0;
}

std::string to_table(const Results& results) {
    const bool has_exam = results.exam.words() > 0;  // not before the first epoch's end
    std::string text = has_exam ? confusion_table(results.exam.confusion) + "\n\n" : "";
    const auto row = [&text](const char* name, const std::string& value) {
        text += format("%-20s ", name) + value + "\n";
    };
    if (has_exam) {
        row("accuracy",
            format("%.1f %% of %llu words never trained on", 100 * results.exam.accuracy(),
                   static_cast<Longs>(results.exam.words())));
    }
    row("trained", format("%llu steps, %llu epochs, on %s, LibTorch %s",
                          static_cast<Longs>(results.steps), static_cast<Longs>(results.epochs),
                          results.device.c_str(), results.libtorch.c_str()));
    row("words/s",
        format("%.0f  (%llu in %.1f s; %.1f s in all)", results.records_per_s(),
               static_cast<Longs>(results.records), results.train_seconds, results.seconds));
    row("padding never moved", format("%.1f %% of the slots", 100 * results.padding_share));
    row("lost", format("%llu records", static_cast<Longs>(results.lost)));
    row("model", hexadecimal(results.model_hash));
    text += format("%-20s ", "verdict") + results.verdict;
    return text;
}

std::string to_json(const Results& results) {
    nlohmann::ordered_json json;
    json["accuracy"] = results.exam.accuracy();
    json["held_out_loss"] = results.exam.mean_loss();
    json["records_per_s"] = results.records_per_s();
    json["seconds"] = results.seconds;
    json["train_seconds"] = results.train_seconds;
    json["records"] = results.records;
    json["lost"] = results.lost;
    json["padding_share"] = results.padding_share;
    json["verdict"] = results.verdict;
    json["epochs"] = results.epochs;
    json["steps"] = results.steps;
    json["model_hash"] = hexadecimal(results.model_hash);
    json["train_words"] = results.train_words;
    json["held_out_words"] = results.held_out_words;
    json["replaced_producers"] = results.replaced;
    json["device"] = results.device;
    json["libtorch"] = results.libtorch;
    json["layout"] = results.options.owned ? "rows, to_owned_tensors" : "packed, to_tensors";
    json["batch"] = results.options.batch;
    json["slots"] = results.options.slots;
    json["depth"] = results.options.depth;
    json["producers"] = results.options.producers;
    json["threads"] = results.options.threads;
    json["words"] = results.options.words;
    json["seed"] = results.options.seed;
    auto classes = nlohmann::ordered_json::array();
    for (const Language& language : kLanguages) classes.push_back(language.name);
    json["classes"] = classes;
    json["confusion"] = results.exam.confusion;
    std::string text;  // a key a line: dump() would give each number of the table one
    for (const auto& [key, value] : json.items()) {
        text +=
            (text.empty() ? "{\n  " : ",\n  ") + nlohmann::json(key).dump() + ": " + value.dump();
    }
    return text + "\n}\n";
}

}  // namespace words
