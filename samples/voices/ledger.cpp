#include "ledger.hpp"

#include <algorithm>
#include <array>
#include <span>
#include <stdexcept>
#include <string_view>

#include "log_mel.hpp"
#include "record.hpp"

namespace voices {
namespace {

template <class T>
std::uint64_t hash(std::span<const T> values, std::uint64_t state) {
    const auto bytes = std::as_bytes(values);
    return fnv1a({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, state);
}

// The last two parts of a path, which name the recording to a reader: `it_IT_m_Carlo/vm-and.wav`.
std::string short_name(const Recording& recording) {
    return (recording.path.parent_path().filename() / recording.path.filename()).string();
}

// Of the two that tell which recording it is, as a reader would say it. They may be anything.
std::string described(Ledger::Ints ints) {
    const auto language = static_cast<std::size_t>(ints[kLanguageAt]);
    std::string text = language < kLanguages.size() ? std::string(kLanguages[language].code)
                                                    : std::to_string(ints[kLanguageAt]);
    text += " \"";
    for (const std::int32_t byte : ints.subspan(kNameAt)) {
        text += byte >= 0x20 && byte < 0x7f ? static_cast<char>(byte) : '?';
    }
    return text + '"';
}

void expect_recording(Ledger::Ints ints, const Recording& wanted) {
    std::array<std::int32_t, kTextCapacity> written;
    const auto right = Ledger::Ints(written).first(write_text(wanted, ints[kCutAt] != 0, written));
    if (ints[kLanguageAt] == right[kLanguageAt] &&
        std::ranges::equal(ints.subspan(kNameAt), right.subspan(kNameAt))) {
        return;
    }
    throw std::runtime_error("record of " + short_name(wanted) + ": found " + described(ints) +
                             ", wanted " + described(right) +
                             ": trainer and producers have different recordings; give them the "
                             "same --data and --limit, and install the same packages");
}

}  // namespace

Ledger::Ledger(const std::vector<Recording>& recordings)
    : recordings_(recordings), was_cut_(recordings.size(), false) {}

void Ledger::enter(const headrace::Batch& batch, std::optional<Ints> ints) {
    const std::uint64_t place[] = {batch.epoch(), batch.first_index(), batch.last_index()};
    order_hash_ = hash(std::span<const std::uint64_t>(place), order_hash_);
    order_hash_ = hash(batch.indices(), order_hash_);
    order_hash_ = hash(batch.items(), order_hash_);
    order_hash_ = hash(batch.host_offsets(kMelField), order_hash_);
    order_hash_ = hash(batch.host_offsets(kTextField), order_hash_);
    for (const headrace::Hole& hole : batch.holes()) {
        ++lost_;
        ++losses_[std::string(name_of(hole.kind)) + ": " + short_name(recordings_.at(hole.item)) +
                  (hole.reason.empty() ? "" : " (" + hole.reason + ")")];
    }
    for (std::size_t record = 0; record < batch.size(); ++record) {
        enter_record(batch, record, ints);
    }
    records_ += batch.size();
}

void Ledger::enter_record(const headrace::Batch& batch, std::size_t record,
                          std::optional<Ints> ints) {
    const std::uint64_t item = batch.items()[record];
    const Recording& recording = recordings_.at(item);
    const auto fail = [&](const std::string& found, const std::string& wanted) {
        throw std::runtime_error("record of " + short_name(recording) + ": found " + found +
                                 ", wanted " + wanted + "; is the producer of this version?");
    };
    const auto mel = batch.host_offsets(kMelField);
    const auto text = batch.host_offsets(kTextField);
    const auto mel_length = static_cast<std::size_t>(mel[record + 1] - mel[record]);
    const auto text_length = static_cast<std::size_t>(text[record + 1] - text[record]);
    if (mel_length % kBands != 0) {
        fail(std::to_string(mel_length) + " floats", "a multiple of " + std::to_string(kBands));
    }
    if (text_length < kNameAt) {
        fail(std::to_string(text_length) + " ints", std::to_string(kNameAt) + " or more");
    }
    if (!ints) return;
    const Ints own = ints->subspan(static_cast<std::size_t>(text[record]), text_length);
    expect_recording(own, recording);
    if (own[kCutAt] != 0) was_cut_[item] = true;
}

std::uint64_t Ledger::cut() const noexcept {
    return static_cast<std::uint64_t>(std::count(was_cut_.begin(), was_cut_.end(), true));
}

}  // namespace voices
