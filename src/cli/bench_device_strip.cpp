// Questions: how much of the memory's speed does the kernel that strips padding use? Is it faster
// than what CUB and Thrust have for the same work?
//
// Inside the timer: the kernels of one packing after another, on the GPU's clock; rows, offsets and
// CUB's temporary memory are there already. Each byte of payload is read once and written once, and
// both count; the ceiling is a copy of as many bytes on the device.
#include <algorithm>
#include <array>
#include <cstring>
#include <memory>

#include "cli/bench_device.hpp"
#include "cli/quantity.hpp"

namespace headrace::cli {

namespace {

constexpr double kFill = 0.5;
constexpr double kStripAim = 0.85;
// Where both are as near to the ceiling as this, within so much of each other is a tie, and
// allowed.
constexpr double kAtCeiling = 0.95;
constexpr double kTie = 0.98;

using device::Packing;
constexpr std::array kPackings{Packing::copy, Packing::strip, Packing::cub, Packing::thrust};

std::string name_of(Packing way) {
    switch (way) {
        case Packing::copy: return "copy on the device";
        case Packing::strip: return "strip";
        case Packing::cub: return "cub::DeviceMemcpy::Batched";
        case Packing::thrust: return "thrust::gather";
    }
    return "?";
}

// Ragged rows that hold the pattern of their records, half full on average.
class PaddedRows {
  public:
    PaddedRows(std::uint32_t record_bytes, std::uint64_t payload_bytes)
        : row_words_(record_bytes / sizeof(std::uint32_t)) {
        const RaggedLength length(static_cast<std::uint32_t>(row_words_), kFill);
        std::uint64_t words = 0;
        for (std::uint64_t record = 0; words * sizeof(std::uint32_t) < payload_bytes; ++record) {
            lengths_.push_back(length.of(record, kFloats));
            words += lengths_.back();
        }
        // Not set to zero first, as a vector would be: it is half a gigabyte.
        words_ = std::unique_ptr<std::uint32_t[]>(new std::uint32_t[row_words_ * lengths_.size()]);
        for (std::size_t record = 0; record < lengths_.size(); ++record) {
            write_pattern(std::span(words_.get() + record * row_words_, row_words_),
                          pattern_base(record, kFloats));
        }
    }

    std::span<const std::byte> bytes() const {
        return std::as_bytes(std::span(words_.get(), row_words_ * lengths_.size()));
    }
    std::uint64_t row_bytes() const { return row_words_ * sizeof(std::uint32_t); }
    std::span<const std::uint32_t> lengths() const { return lengths_; }

    // What is wrong with what a way has made of them.
    std::string fault_of(Packing way, std::span<const std::uint32_t> packed) const {
        if (way == Packing::copy) {
            const bool same = std::memcmp(packed.data(), words_.get(), packed.size_bytes()) == 0;
            return same ? "" : "what arrived is not what was sent";
        }
        std::size_t at = 0;
        for (std::size_t record = 0; record < lengths_.size(); ++record) {
            const auto row = packed.subspan(at, lengths_[record]);
            if (!matches_pattern(row, pattern_base(record, kFloats))) {
                return "record " + std::to_string(record) + " is wrong";
            }
            at += row.size();
        }
        return {};
    }

  private:
    std::size_t row_words_;
    std::vector<std::uint32_t> lengths_;
    std::unique_ptr<std::uint32_t[]> words_;
};

// One way, and what its turns came to.
struct Contender {
    Packing way;
    unsigned times = 1;
    std::vector<double> rates = {};
    double rate() const { return median(rates); }
};

void check(DeviceBench& bench, const PaddedRows& rows, device::PackingCase& packing, Packing way,
           const std::string& load) {
    const std::size_t words = packing.payload_bytes() / sizeof(std::uint32_t);
    const std::unique_ptr<std::uint32_t[]> packed(new std::uint32_t[words]);
    packing.run(way, std::as_writable_bytes(std::span(packed.get(), words)));
    const std::string fault = rows.fault_of(way, {packed.get(), words});
    if (!fault.empty()) bench.report.fail(name_of(way) + ", " + load + ": " + fault);
}

// By how much the kernel beats another way; a tie counts where there is nothing left to win.
Aim aim_against(const Contender& strip, const Contender& other, double ceiling) {
    std::vector<double> ratios;
    for (std::size_t i = 0; i < strip.rates.size(); ++i) {
        ratios.push_back(strip.rates[i] / other.rates[i]);
    }
    const bool tie = std::min(strip.rate(), other.rate()) >= kAtCeiling * ceiling;
    return {"strip over this", Unit::times, median(ratios), true, tie ? kTie : 1.0};
}

void measure_records(DeviceBench& bench, std::uint32_t record_bytes) {
    const PaddedRows rows(record_bytes, bench.sizes.strip_payload_bytes);
    const auto packing = bench.ceilings.make_packing(rows.bytes(), rows.row_bytes(),  //
                                                     rows.lengths());
    const auto payload = static_cast<double>(packing->payload_bytes());
    const std::string load = count_text(rows.lengths().size()) + " records of " +
                             bytes_text(record_bytes) + ", payload " + bytes_text(payload);
    std::array<Contender, kPackings.size()> contenders;
    for (std::size_t i = 0; i < kPackings.size(); ++i) {
        contenders[i].way = kPackings[i];
        check(bench, rows, *packing, kPackings[i], load);
        const double one_s = std::max(1e-7, packing->seconds(kPackings[i], 1));
        contenders[i].times =
            static_cast<unsigned>(std::clamp(bench.sizes.strip_turn_s / one_s, 2.0, 100.0));
    }
    for (unsigned turn = 0; turn < bench.sizes.turns; ++turn) {
        bench.go_on();
        for (Contender& contender : contenders) {
            const double one_s = packing->seconds(contender.way, contender.times);
            contender.rates.push_back(2 * payload / one_s);
        }
    }
    const auto& [copy, strip, cub, thrust] = contenders;
    for (const Contender* contender : {&strip, &cub, &thrust}) {
        Finding found{.question = name_of(contender->way),
                      .load = load,
                      .unit = Unit::bytes_per_s,
                      .figure = contender->rate(),
                      .turns = contender->rates,
                      .ceiling = "copy on the device",
                      .ceiling_figure = copy.rate()};
        found.aim = contender == &strip
                        ? Aim{"of a copy", Unit::share, found.share(), true, kStripAim}
                        : aim_against(strip, *contender, copy.rate());
        bench.report.findings.push_back(std::move(found));
    }
}

}  // namespace

void measure_strip(DeviceBench& bench) {
    for (const std::uint32_t record_bytes : bench.sizes.strip_record_bytes) {
        measure_records(bench, record_bytes);
    }
}

}  // namespace headrace::cli
