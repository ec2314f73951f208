#include "report.hpp"

#include <string_view>

#include "launch/text.hpp"

namespace voices {
namespace {

using samples::format;

std::string json_string(std::string_view text) {
    std::string out = "\"";
    for (const char character : text) {
        const auto code = static_cast<unsigned char>(character);
        if (character == '"' || character == '\\') {
            out += '\\';
            out += character;
        } else if (code < 0x20) {
            out += format("\\u%04x", static_cast<unsigned>(code));
        } else {
            out += character;
        }
    }
    return out + '"';
}

std::uint64_t row_sum(const Confusion& confusion, std::size_t row) {
    std::uint64_t sum = 0;
    for (const std::uint64_t count : confusion[row]) sum += count;
    return sum;
}

double share(std::uint64_t part, std::uint64_t whole) {
    return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

std::string confusion_table(const Confusion& confusion) {
    std::string text = format("%-22s %8s  taken for", "held out", "right");
    for (const Language& language : kLanguages) {
        text += format(" %4.*s", static_cast<int>(language.code.size()), language.code.data());
    }
    for (std::size_t row = 0; row < confusion.size(); ++row) {
        const std::string_view name = kLanguages[row].name;
        text += format("\n%-22.*s %6.1f %%           ", static_cast<int>(name.size()), name.data(),
                       100 * share(confusion[row][row], row_sum(confusion, row)));
        for (const std::uint64_t count : confusion[row]) {
            text += format(" %4llu", static_cast<unsigned long long>(count));
        }
    }
    return text;
}

using Longs = unsigned long long;  // what printf knows of 64 bits

std::string producers_of(const Results& results) {
    if (results.producers > 0) {
        return format("%u", results.producers) +
               (results.replaced == 0 ? "" : format(", %zu replaced", results.replaced));
    }
    return format("%zu from elsewhere", results.attached) +
           (results.died == 0 ? "" : format(", %llu died", static_cast<Longs>(results.died)));
}

}  // namespace

double Results::accuracy() const {
    std::uint64_t right = 0;
    std::uint64_t all = 0;
    for (std::size_t row = 0; row < confusion.size(); ++row) {
        right += confusion[row][row];
        all += row_sum(confusion, row);
    }
    return share(right, all);
}

double Results::records_per_s() const {
    return train_seconds > 0 ? static_cast<double>(records) / train_seconds : 0;
}

std::string to_table(const Results& results) {
    std::string text = confusion_table(results.confusion) + "\n\n";
    const auto row = [&text](const char* name, const std::string& value) {
        text += format("%-20s ", name) + value + "\n";
    };
    row("accuracy", format("%.1f %% of %zu recordings of prompts never trained on",
                           100 * results.accuracy(), results.held_out_recordings));
    row("", "five languages, four speakers (English and Spanish are one person's voice):");
    row("", "so partly it is the speaker that is recognised, and not the language");
    row("records/s", format("%.0f  (%llu records in %.1f s, %u epochs; %.1f s in all)",
                            results.records_per_s(), static_cast<Longs>(results.records),
                            results.train_seconds, results.epochs, results.seconds));
    row("padding never moved", format("%.1f %% of the slots", 100 * results.padding_share));
    row("cut",
        format("%llu of %zu recordings were longer than a record", static_cast<Longs>(results.cut),
               results.train_recordings + results.held_out_recordings));
    row("lost", format("%llu records", static_cast<Longs>(results.lost)));
    for (const auto& [what, times] : results.losses) {
        row("", what + format(", %llu x", static_cast<Longs>(times)));
    }
    row("producers", producers_of(results));
    row("order", format("%016llx  (seed %llu)", static_cast<Longs>(results.order_hash),
                        static_cast<Longs>(results.seed)));
    text += format("%-20s ", "verdict") + results.verdict;
    return text;
}

std::string to_json(const Results& results) {
    std::string text = "{\n";
    const auto key = [&text](const char* name, const std::string& value, bool last = false) {
        text += "  " + json_string(name) + ": " + value + (last ? "\n}\n" : ",\n");
    };
    const auto whole = [](std::uint64_t number) { return std::to_string(number); };
    key("accuracy", format("%.6f", results.accuracy()));
    key("records_per_s", format("%.3f", results.records_per_s()));
    key("seconds", format("%.3f", results.seconds));
    key("train_seconds", format("%.3f", results.train_seconds));
    key("records", whole(results.records));
    key("cut", whole(results.cut));
    key("lost", whole(results.lost));
    std::string losses;
    for (const auto& [what, times] : results.losses) {
        losses += (losses.empty() ? "" : ", ") + json_string(what) + ": " + whole(times);
    }
    key("losses", "{" + losses + "}");
    key("padding_share", format("%.6f", results.padding_share));
    key("verdict", json_string(results.verdict));
    key("device", json_string(results.device));
    key("epochs", whole(results.epochs));
    key("producers", whole(results.producers));
    key("batch", whole(results.batch));
    key("seed", whole(results.seed));
    key("order_hash", json_string(format("%016llx", static_cast<Longs>(results.order_hash))));
    key("recordings", whole(results.train_recordings));
    key("held_out", whole(results.held_out_recordings));
    key("attached_producers", whole(results.attached));
    key("died_producers", whole(results.died));
    key("replaced_producers", whole(results.replaced));
    std::string classes;
    std::string rows;
    for (std::size_t i = 0; i < kLanguages.size(); ++i) {
        classes += (i == 0 ? "" : ", ") + json_string(kLanguages[i].name);
        std::string counts;
        for (const std::uint64_t count : results.confusion[i]) {
            counts += (counts.empty() ? "" : ", ") + whole(count);
        }
        rows += (i == 0 ? "[" : ", [") + counts + "]";
    }
    key("classes", "[" + classes + "]");
    key("confusion", "[" + rows + "]", true);
    return text;
}

}  // namespace voices
