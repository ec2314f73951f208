// Questions: how near do batches out of a ring's memory come to a plain copy of pinned memory, in
// each of the ways over the link? How much sooner is payload there when padding stays behind?
//
// Inside the timer: from an event before the first copy of the first batch to one behind the last
// kernel of the last, on the GPU's clock. Batches follow one another as a loader that is never
// waited for enqueues them; their plans are made beforehand.
#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <utility>

#include "cli/bench_device.hpp"
#include "cli/bench_device_batches.hpp"
#include "cli/quantity.hpp"
#include "headrace/error.hpp"

namespace headrace::cli {

namespace {

constexpr std::uint32_t kLabelInts = 4;

constexpr std::size_t kVectorBytes = 16;  // what a mapped read takes at a time

constexpr double kCopyAim = 0.97;
// What is left to gain at these paddings is 2 and 10.
constexpr std::pair<double, double> kSpeedupAims[] = {{0.5, 1.8}, {0.9, 6.0}};
// Records below this are too small for copies of their own: reading them is a kernel's work, and
// the rate of such reads bounds what can be gained.
constexpr std::uint32_t kSmallRecordBytes = 64u << 10;

std::string padding_text(double padding) {
    if (padding <= 0) return "full";
    return std::to_string(static_cast<int>(100 * padding + 0.5)) + " % padding";
}

// One way over the link, and what its turns came to.
struct Way {
    Transfer transfer;
    std::unique_ptr<device::CopyStream> stream;
    std::vector<double> rates = {};
    double link_bytes_per_payload_byte = 0;
};

class LinkQuestion {
  public:
    LinkQuestion(DeviceBench& bench, std::uint32_t record_bytes)
        : bench_(bench),
          record_bytes_(record_bytes),
          batch_(batch_of(bench.sizes, record_bytes)),
          rows_(record_bytes / sizeof(float), kLabelInts, batch_ * bench.sizes.batches),
          registration_(bench.backend.register_host(rows_.memory())),
          pinned_(bench.backend.allocate_host(pinned_bytes())) {
        std::memcpy(pinned_->data(), rows_.rows(kFloats), pinned_bytes());
        if (!registration_) return;
        DeviceReport& report = bench_.report;
        report.refusal = registration_->refusal();
        report.host_memory = report.refusal.empty() ? "pinned" : "bounced";
    }

    void ask_copy();
    void ask_padding(double padding, double mapped_read_bytes_per_s);
    // Bytes a second that the best of some grids reaches; 0 where the GPU cannot read the ring.
    double ask_mapped_read();

  private:
    static std::uint32_t batch_of(const DeviceSizes& sizes, std::uint32_t record_bytes) {
        const std::uint64_t records = sizes.batch_bytes / record_bytes;
        return static_cast<std::uint32_t>(std::max<std::uint64_t>(1, records));
    }
    std::size_t pinned_bytes() const {
        return static_cast<std::size_t>(rows_.row_bytes(kFloats)) * rows_.slots();
    }
    std::span<const std::byte> pinned() const { return {pinned_->data(), pinned_bytes()}; }
    std::span<const std::byte> ring() const { return {rows_.rows(kFloats), pinned_bytes()}; }
    unsigned rounds() const {
        return std::max(1u, bench_.sizes.batches_per_turn / bench_.sizes.batches);
    }
    // Plain copies of as many bytes as a turn of full batches has.
    double copy_rate(std::span<const std::byte> memory) {
        return static_cast<double>(memory.size()) / bench_.ceilings.copy_s(memory, rounds());
    }
    bool is_pinned() const { return registration_ && registration_->refusal().empty(); }
    std::string load(double padding) const {
        return count_text(batch_) + " records of " +
               bytes_text(static_cast<double>(record_bytes_)) + ", " + padding_text(padding);
    }
    std::optional<Way> make_way(const CarriedBatches& batches, Transfer transfer);
    void take_turn(CarriedBatches& batches, Way& way);
    void check(CarriedBatches& batches, Way& way, double padding);
    Finding finding(const Way& way, double padding, const std::vector<double>& plain) const;

    DeviceBench& bench_;
    std::uint32_t record_bytes_;
    std::uint32_t batch_;
    RingRows rows_;
    std::unique_ptr<device::Registration> registration_;
    std::unique_ptr<device::Buffer> pinned_;
};

std::optional<Way> LinkQuestion::make_way(const CarriedBatches& batches, Transfer transfer) {
    try {
        return Way{transfer,
                   bench_.backend.make_copy_stream(batches.form(transfer), registration_.get())};
    } catch (const UsageError& error) {  // a ring that the GPU cannot read cannot be gathered from
        bench_.report.notes.push_back("left out: " + std::string(name_of(transfer)) + ": " +
                                      error.what());
        return std::nullopt;
    }
}

void LinkQuestion::take_turn(CarriedBatches& batches, Way& way) {
    bench_.go_on();
    const CarriedBatches::Carried carried = batches.carry(*way.stream, rounds());
    const auto payload = static_cast<double>(carried.payload_bytes);
    way.rates.push_back(payload / carried.seconds);
    way.link_bytes_per_payload_byte = static_cast<double>(carried.link_bytes) / payload;
}

void LinkQuestion::check(CarriedBatches& batches, Way& way, double padding) {
    const std::string fault = batches.fault_of(*way.stream, bench_.ceilings);
    if (fault.empty()) return;
    bench_.report.fail("transfer " + std::string(name_of(way.transfer)) + ", " + load(padding) +
                       ": " + fault);
}

Finding LinkQuestion::finding(const Way& way, double padding,
                              const std::vector<double>& plain) const {
    Finding finding{.question = "transfer " + std::string(name_of(way.transfer)),
                    .load = load(padding),
                    .unit = Unit::bytes_per_s,
                    .figure = median(way.rates),
                    .turns = way.rates,
                    .ceiling = "pinned copy",
                    .ceiling_figure = median(plain)};
    finding.link_bytes_per_payload_byte = way.link_bytes_per_payload_byte;
    return finding;
}

void LinkQuestion::ask_copy() {
    CarriedBatches batches(bench_.backend, rows_, batch_, 1.0);
    Way way = make_way(batches, Transfer::copy).value();
    std::vector<double> plain, registered;
    copy_rate(pinned());  // what comes first is not counted
    if (is_pinned()) copy_rate(ring());
    check(batches, way, 0);
    for (unsigned turn = 0; turn < bench_.sizes.turns; ++turn) {
        plain.push_back(copy_rate(pinned()));
        if (is_pinned()) registered.push_back(copy_rate(ring()));
        take_turn(batches, way);
    }
    if (!registered.empty()) {
        bench_.report.findings.push_back({.question = "plain copy of the ring's memory",
                                          .load = bytes_text(static_cast<double>(pinned_bytes())),
                                          .unit = Unit::bytes_per_s,
                                          .figure = median(registered),
                                          .turns = registered,
                                          .ceiling = "pinned copy",
                                          .ceiling_figure = median(plain)});
    }
    Finding found = finding(way, 0, plain);
    found.aim = Aim{"of a pinned copy", Unit::share, found.share(), true, kCopyAim};
    bench_.report.findings.push_back(std::move(found));
}

double LinkQuestion::ask_mapped_read() {
    if (!is_pinned()) return 0;
    // All of it, from where it was registered.
    const std::span<const std::byte> mapped =
        rows_.memory().first(rows_.memory().size() / kVectorBytes * kVectorBytes);
    const std::vector<unsigned>& grids = bench_.sizes.mapped_read_blocks;
    const auto rate = [&](unsigned blocks) {
        bench_.go_on();
        return static_cast<double>(mapped.size()) /
               bench_.ceilings.mapped_read_s(mapped, blocks, 1);
    };
    std::vector<std::vector<double>> rates(grids.size());
    std::vector<double> plain;
    for (unsigned turn = 0; turn <= bench_.sizes.turns; ++turn) {
        const double copied = copy_rate(pinned());
        if (turn != 0) plain.push_back(copied);
        for (std::size_t i = 0; i < grids.size(); ++i) {
            const double read = rate(grids[i]);
            if (turn != 0) rates[i].push_back(read);
        }
    }
    double best = 0;
    for (std::size_t i = 0; i < grids.size(); ++i) {
        best = std::max(best, median(rates[i]));
        bench_.report.findings.push_back({.question = "mapped read",
                                          .load = std::to_string(grids[i]) + " blocks, in order",
                                          .unit = Unit::bytes_per_s,
                                          .figure = median(rates[i]),
                                          .turns = rates[i],
                                          .ceiling = "pinned copy",
                                          .ceiling_figure = median(plain)});
    }
    return best;
}

// How many times as much payload a second as by another way, turn by turn.
double times(const Way& way, const Way& other) {
    std::vector<double> ratios;
    for (std::size_t i = 0; i < way.rates.size(); ++i) {
        ratios.push_back(way.rates[i] / other.rates[i]);
    }
    return median(ratios);
}

void LinkQuestion::ask_padding(double padding, double mapped_read_bytes_per_s) {
    CarriedBatches batches(bench_.backend, rows_, batch_, 1 - padding);
    std::vector<Way> ways;
    for (const Transfer transfer : {Transfer::copy, Transfer::automatic, Transfer::trim,
                                    Transfer::direct, Transfer::gather}) {
        std::optional<Way> way = make_way(batches, transfer);
        if (!way) continue;
        check(batches, *way, padding);  // and what comes first is not counted
        ways.push_back(std::move(*way));
    }
    std::vector<double> plain;
    for (unsigned turn = 0; turn < bench_.sizes.turns; ++turn) {
        plain.push_back(copy_rate(pinned()));
        for (Way& way : ways) take_turn(batches, way);
    }
    const Way& copy = ways.front();
    for (const Way& way : ways) {
        Finding found = finding(way, padding, plain);
        for (const auto& [of, aim] : kSpeedupAims) {
            if (way.transfer != Transfer::automatic || of != padding) continue;
            double wanted = aim;
            if (record_bytes_ < kSmallRecordBytes && mapped_read_bytes_per_s > 0) {
                wanted = std::min(wanted, mapped_read_bytes_per_s / median(copy.rates));
            }
            found.aim = Aim{"the payload of copy", Unit::times, times(way, copy), true, wanted};
        }
        bench_.report.findings.push_back(std::move(found));
    }
}

}  // namespace

void measure_link(DeviceBench& bench) {
    double mapped_read_bytes_per_s = 0;
    {
        LinkQuestion large(bench, bench.sizes.large_record_bytes);
        large.ask_copy();
        mapped_read_bytes_per_s = large.ask_mapped_read();
    }
    for (const std::uint32_t record_bytes : bench.sizes.record_bytes) {
        LinkQuestion question(bench, record_bytes);
        for (const double padding : bench.sizes.paddings) {
            question.ask_padding(padding, mapped_read_bytes_per_s);
        }
    }
}

}  // namespace headrace::cli
