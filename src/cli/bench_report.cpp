#include "cli/bench_report.hpp"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iostream>

#include "cli/quantity.hpp"
#include "cli/report_json.hpp"
#include "cli/text.hpp"
#include "headrace/error.hpp"

namespace headrace::cli {

namespace {

double ratio(double part, double whole) {
    return whole > 0 ? part / whole : 0;
}

std::string title(const BenchReport& report) {
    std::string out = report.benchmark + ": " + count_text(report.records) + " records of " +
                      count_text(report.shape.floats) + " floats + " +
                      count_text(report.shape.ints) + " ints";
    if (report.shape.fill < 1) out += ", filled to " + share_text(report.shape.fill, 1);
    out += ", " + std::to_string(report.producers) +
           (report.producers == 1 ? " producer, " : " producers, ") + count_text(report.slots) +
           " slots";
    if (report.batch > 0) out += ", batch " + count_text(report.batch);
    if (!report.layout.empty()) out += ", " + report.layout + " on " + report.device;
    return out + "\n";
}

void add_stats(Json& json, const Stats& stats) {
    json["delivered"] = stats.delivered;
    json["lost"] = stats.lost;
    json["deaths"] = stats.deaths;
    json["alarms"] = stats.alarms;
    if (stats.device.empty()) return;
    json["batches"] = stats.batches;
    json["padding_bytes"] = stats.padding_bytes;
    json["link_bytes"] = stats.link_bytes;
    json["host_memory"] = valid_utf8(stats.host_memory);
    json["copying_s"] = stats.copying_s;
    json["stripping_s"] = stats.stripping_s;
    json["trainer_waited_s"] = stats.trainer_waited_s;
    json["verdict"] = valid_utf8(stats.verdict());
}

}  // namespace

double BenchReport::records_per_s() const noexcept {
    return ratio(static_cast<double>(records), seconds);
}

double BenchReport::payload_bytes_per_s() const noexcept {
    return ratio(static_cast<double>(payload_bytes), seconds);
}

double BenchReport::cpu_s_per_gb() const noexcept {
    return ratio(cpu_s, static_cast<double>(payload_bytes) / 1e9);
}

std::string bench_json(const BenchReport& report) {
    Json json{{"benchmark", report.benchmark},
              {"records_per_s", report.records_per_s()},
              {"payload_bytes_per_s", report.payload_bytes_per_s()},
              {"cpu_s_per_gb", report.cpu_s_per_gb()},
              {"verified", report.verified()},
              {"fault", text_or_null(report.fault)},
              {"seconds", report.seconds},
              {"cpu_s", report.cpu_s},
              {"records", report.records},
              {"payload_bytes", report.payload_bytes},
              {"producers", report.producers},
              {"floats", report.shape.floats},
              {"ints", report.shape.ints},
              {"fill", report.shape.fill},
              {"slots", report.slots},
              {"batch", report.batch},
              {"layout", text_or_null(report.layout)},
              {"device", text_or_null(report.device)},
              {"transfer", text_or_null(report.transfer)}};
    if (report.stats) add_stats(json, *report.stats);
    json["machine"] = machine_json(report.machine);
    json["date"] = report.date;
    json["version"] = report.version;
    return json.dump(2);
}

std::string bench_table(const BenchReport& report) {
    std::string out = title(report);
    out += "  " + si_text(report.records_per_s()) + " records/s, payload " +
           bytes_text(report.payload_bytes_per_s()) + "/s, " + seconds_text(report.seconds) + ", " +
           si_text(report.cpu_s_per_gb()) + " CPU-seconds per GB\n";
    out += report.verified() ? "  verified: every byte of every record\n"
                             : "  NOT VERIFIED: " + printable(report.fault) + "\n";
    if (report.stats && !report.stats->device.empty()) {
        const auto padding = static_cast<double>(report.stats->padding_bytes);
        out += "  padding of the slots: " + bytes_text(padding) + " (" +
               share_text(padding, padding + static_cast<double>(report.payload_bytes)) + ")\n";
        out += "  verdict: " + printable(report.stats->verdict()) + "\n";
    }
    return out;
}

void tell_as(const std::string& table, const std::string& object, const std::string& json) {
    if (json == "-") {
        std::cout << object << std::endl;
    } else {
        std::cout << table << std::flush;
    }
    if (json.empty() || json == "-") return;
    errno = 0;
    std::ofstream file(json);
    file << object << '\n';
    file.close();
    if (!file) {
        throw SystemError("--json " + printable(json) +
                          ": cannot be written: " + std::strerror(errno));
    }
}

int tell(const BenchReport& report, const std::string& json) {
    tell_as(bench_table(report), bench_json(report), json);
    return report.verified() ? 0 : 1;
}

}  // namespace headrace::cli
