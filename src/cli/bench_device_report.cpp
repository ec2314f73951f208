#include "cli/bench_device_report.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "cli/bench_report.hpp"
#include "cli/quantity.hpp"
#include "cli/report_json.hpp"
#include "cli/text.hpp"

namespace headrace::cli {

namespace {

std::string fixed(double value, int decimals) {
    char text[64];
    std::snprintf(text, sizeof text, "%.*f", decimals, value);
    return text;
}

std::string name_of(Unit unit) {
    switch (unit) {
        case Unit::bytes_per_s: return "bytes_per_s";
        case Unit::seconds: return "seconds";
        case Unit::share: return "share";
        case Unit::times: return "times";
    }
    return "?";
}

// Signed, other than those of quantity.hpp: a wait that is a difference may come out below nothing.
std::string value_text(Unit unit, double value) {
    switch (unit) {
        case Unit::bytes_per_s: return bytes_text(value) + "/s";
        case Unit::share: return fixed(100 * value, 1) + " %";
        case Unit::times: return fixed(value, 2) + "x";
        case Unit::seconds: break;
    }
    return std::abs(value) < 1e-3 ? fixed(value * 1e6, 1) + " us" : fixed(value * 1e3, 3) + " ms";
}

Json aim_json(const Aim& aim) {
    return Json{{"of", aim.of},
                {"unit", name_of(aim.unit)},
                {"found", aim.found},
                {aim.is_least ? "at_least" : "at_most", aim.wanted},
                {"reached", aim.reached()}};
}

Json finding_json(const Finding& finding) {
    Json json{{"question", finding.question},
              {"load", finding.load},
              {"unit", name_of(finding.unit)},
              {"figure", finding.figure},
              {"turns", finding.turns}};
    if (!finding.ceiling.empty()) {
        json["ceiling"] = Json{{"name", finding.ceiling}, {"figure", finding.ceiling_figure}};
        json["share"] = finding.share();
    }
    if (finding.link_bytes_per_payload_byte) {
        json["link_bytes_per_payload_byte"] = *finding.link_bytes_per_payload_byte;
    }
    json["aim"] = finding.aim ? aim_json(*finding.aim) : Json(nullptr);
    return json;
}

Json about_json(const DeviceReport& report) {
    const device::DeviceDescription& about = report.about;
    return Json{{"device", report.device},
                {"name", valid_utf8(about.name)},
                {"uuid", about.uuid},
                {"driver", text_or_null(about.driver)},
                {"cuda_driver", about.cuda_driver},
                {"cuda_runtime", about.cuda_runtime},
                {"compute_capability", about.compute_capability},
                {"multiprocessors", about.multiprocessors},
                {"memory_bytes", about.memory_bytes},
                {"l2_bytes", about.l2_bytes},
                {"clock_hz", about.clock_hz},
                {"memory_clock_hz", about.memory_clock_hz}};
}

using Row = std::vector<std::string>;

Row row_of(const Finding& finding) {
    const bool has_ceiling = !finding.ceiling.empty();
    Row row{finding.question, finding.load, value_text(finding.unit, finding.figure),
            has_ceiling ? value_text(finding.unit, finding.ceiling_figure) + " " + finding.ceiling
                        : "-",
            has_ceiling ? value_text(Unit::share, finding.share()) : "-"};
    if (!finding.aim) {
        row.insert(row.end(), {"-", "-", "-"});
        return row;
    }
    const Aim& aim = *finding.aim;
    row.push_back(value_text(aim.unit, aim.found) + " " + aim.of);
    row.push_back((aim.is_least ? ">= " : "<= ") + value_text(aim.unit, aim.wanted));
    row.push_back(aim.reached() ? "yes" : "no");
    return row;
}

std::string aligned(const std::vector<Row>& rows) {
    std::vector<std::size_t> widths(rows.front().size());
    for (const Row& row : rows) {
        for (std::size_t i = 0; i < row.size(); ++i) {
            widths[i] = std::max(widths[i], width_of(row[i]));
        }
    }
    std::string out;
    for (const Row& row : rows) {
        std::string text;
        for (std::size_t i = 0; i < row.size(); ++i) {
            text += "  " + row[i] + std::string(widths[i] - width_of(row[i]), ' ');
        }
        text.erase(text.find_last_not_of(' ') + 1);
        out += text + "\n";
    }
    return out;
}

}  // namespace

void DeviceReport::fail(const std::string& what) {
    if (fault.empty()) fault = what;
}

double quantile(std::vector<double> values, double rank) {
    std::ranges::sort(values);
    const auto last = static_cast<double>(values.size() - 1);
    return values[static_cast<std::size_t>(std::ceil(std::clamp(rank, 0.0, 1.0) * last))];
}

double median(std::vector<double> values) {
    std::ranges::sort(values);
    const std::size_t half = values.size() / 2;
    return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

std::string device_json(const DeviceReport& report) {
    Json json{{"benchmark", "device"},
              {"verified", report.verified()},
              {"fault", text_or_null(report.fault)},
              {"quick", report.quick},
              {"seconds", report.seconds},
              {"gpu", about_json(report)},
              {"host_memory", text_or_null(report.host_memory)},
              {"refusal", text_or_null(report.refusal)}};
    json["findings"] = Json::array();
    for (const Finding& finding : report.findings) {
        json["findings"].push_back(finding_json(finding));
    }
    json["notes"] = Json::array();
    for (const std::string& note : report.notes) json["notes"].push_back(valid_utf8(note));
    json["machine"] = machine_json(report.machine);
    json["date"] = report.date;
    json["version"] = report.version;
    return json.dump(2);
}

std::string device_table(const DeviceReport& report) {
    const device::DeviceDescription& about = report.about;
    std::string out = report.device + ": " + printable(about.name) + ", driver " +
                      (about.driver.empty() ? "?" : about.driver) + ", CUDA " + about.cuda_runtime +
                      " on " + about.cuda_driver;
    if (!report.host_memory.empty()) out += ", ring memory " + report.host_memory;
    out += ", " + seconds_text(report.seconds) + "\n";
    if (!report.refusal.empty()) out += "  not pinned: " + printable(report.refusal) + "\n";
    if (!report.findings.empty()) {
        std::vector<Row> rows{
            {"question", "with", "figure", "ceiling", "share", "found", "aim", "reached"}};
        for (const Finding& finding : report.findings) rows.push_back(row_of(finding));
        out += aligned(rows);
    }
    for (const std::string& note : report.notes) out += "  " + printable(note) + "\n";
    return out + (report.verified() ? "  verified: what was moved is what was sent\n"
                                    : "  NOT VERIFIED: " + printable(report.fault) + "\n");
}

int tell(const DeviceReport& report, const std::string& json) {
    tell_as(device_table(report), device_json(report), json);
    return report.verified() ? 0 : 1;
}

}  // namespace headrace::cli
