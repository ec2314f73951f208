// What DESIGN.md promises in figures: how long a ring stands still when a producer dies, and what
// it costs while everybody sleeps.
//
//   proof [--json FILE] [--deaths N] [--idle-seconds S] [--producers P]
//
// Death. A producer process is killed while it holds the record that the consumer sleeps for, with
// another producer asleep. Inside the timer: from just before kill() to Consumer::get() returning
// with that record, published by the other. Beside it, turn by turn, what the kernel alone takes of
// it: kill() until a pidfd tells, and two futex wake-ups, to another process and back. Outside:
// starting processes, and their falling asleep. Aim: 5 ms for 99 of 100 deaths.
//
// Idle. Voluntary context switches and processor time of each sleeping thread over S seconds, of
// rings at which all sleep (proof_idle.hpp says which). Aim: at most 2 wake-ups a second and
// sleeper.
//
// Both are of the scheduler as much as of the ring: on a machine that has other things to do, the
// two bare futex wake-ups tell what it makes anybody wait (`chrt --rr 10 proof` goes before them).
//
// Ends with 0 when all records were verified; a missed aim is told, not an error.
#include <sched.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iostream>

#include "cli/bench_report.hpp"
#include "cli/option_value.hpp"
#include "cli/report_json.hpp"
#include "cli/table.hpp"
#include "headrace/error.hpp"
#include "proof_death.hpp"
#include "proof_idle.hpp"
#include "proof_part.hpp"

namespace headrace::bench {
namespace {

constexpr double kAimUs = 5'000;
constexpr double kAimWakeups = 2;

struct ProofOptions {
    std::string json;
    std::uint64_t deaths = 1'000;
    double idle_seconds = 10;
    unsigned producers = 4;
};

ProofOptions parse(const std::vector<std::string>& words) {
    ProofOptions options;
    for (std::size_t i = 0; i + 1 < words.size(); i += 2) {
        const std::string &option = words[i], &value = words[i + 1];
        if (option == "--json") {
            options.json = value;
        } else if (option == "--deaths") {
            options.deaths = cli::parse_count(option, value, 1, 1'000'000);
        } else if (option == "--idle-seconds") {
            options.idle_seconds = cli::parse_number(option, value, 1, 3600);
        } else if (option == "--producers") {
            options.producers = static_cast<unsigned>(cli::parse_count(option, value, 1, 200));
        } else {
            throw UsageError("unknown option " + option);
        }
    }
    if (words.size() % 2 != 0) throw UsageError(words.back() + ": no option, or without a value");
    return options;
}

// A folder for the sockets, gone with what is in it.
class Folder {
  public:
    Folder() : path_((std::filesystem::temp_directory_path() / "proof-XXXXXX").string()) {
        if (::mkdtemp(path_.data()) == nullptr) throw SystemError("no folder " + path_);
    }
    ~Folder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    const std::string& path() const { return path_; }

  private:
    std::string path_;
};

// The least value that a share of all does not pass.
double quantile(const std::vector<double>& sorted, double share) {
    const auto place = std::ceil(share * static_cast<double>(sorted.size()));
    return sorted[static_cast<std::size_t>(std::max(1.0, place)) - 1];
}

cli::Json times_json(std::vector<double> times) {
    if (times.empty()) return nullptr;
    std::ranges::sort(times);
    return {{"times", times.size()},
            {"min", times.front()},
            {"p50", quantile(times, 0.5)},
            {"p99", quantile(times, 0.99)},
            {"max", times.back()}};
}

cli::Json idle_json(const IdleRing& idle) {
    cli::Json sleepers = cli::Json::array();
    for (const Sleeper& sleeper : idle.sleepers) {
        sleepers.push_back({{"what", sleeper.what},
                            {"wakeups_per_s", sleeper.wakeups_per_s},
                            {"cpu_us_per_s", sleeper.cpu_us_per_s}});
    }
    return {{"ring", idle.what}, {"seconds", idle.seconds}, {"sleepers", std::move(sleepers)}};
}

// What else the machine does moves the times, unless these processes go before it.
std::string scheduling() {
    switch (::sched_getscheduler(0)) {
        case SCHED_OTHER: return "ordinary";
        case SCHED_FIFO: return "first in, first out";
        case SCHED_RR: return "round robin";
        default: return "unknown";
    }
}

std::string number(double value) {
    char text[32];
    std::snprintf(text, sizeof text, "%.1f", value);
    return text;
}

std::string table_of(const cli::Json& report) {
    std::vector<cli::Row> times{{"us", "p50", "p99", "max"}};
    for (const char* what : {"death_to_progress_us", "death_to_pidfd_us", "two_futex_hops_us"}) {
        const cli::Json& figures = report[what];
        if (figures.is_null()) continue;
        times.push_back(
            {what, number(figures["p50"]), number(figures["p99"]), number(figures["max"])});
    }
    std::vector<cli::Row> idle{{"ring", "sleeper", "wake-ups/s", "CPU us/s"}};
    for (const cli::Json& ring : report["idle"]) {
        for (const cli::Json& sleeper : ring["sleepers"]) {
            idle.push_back({ring["ring"], sleeper["what"], number(sleeper["wakeups_per_s"]),
                            number(sleeper["cpu_us_per_s"])});
        }
    }
    return cli::aligned(times, {0}) + cli::aligned(idle, {0, 1});
}

int run(const ProofOptions& options) {
    const Folder folder;
    double load_before = 0;
    if (::getloadavg(&load_before, 1) != 1) load_before = -1;
    const DeathTimes deaths = measure_deaths(folder.path(), options.deaths);
    const std::vector<IdleRing> rings =
        measure_idle(folder.path(), options.producers, options.idle_seconds);
    double most_wakeups = 0;
    cli::Json idle = cli::Json::array();
    for (const IdleRing& ring : rings) {
        idle.push_back(idle_json(ring));
        for (const Sleeper& sleeper : ring.sleepers) {
            most_wakeups = std::max(most_wakeups, sleeper.wakeups_per_s);
        }
    }
    const cli::Json report{{"benchmark", "proof"},
                           {"verified", deaths.fault.empty()},
                           {"fault", cli::text_or_null(deaths.fault)},
                           {"death_to_progress_us", times_json(deaths.to_progress)},
                           {"death_to_pidfd_us", times_json(deaths.to_pidfd)},
                           {"two_futex_hops_us", times_json(deaths.two_hops)},
                           {"aim_p99_us", kAimUs},
                           {"alarms", deaths.alarms},
                           {"idle", std::move(idle)},
                           {"producers", options.producers},
                           {"most_wakeups_per_s", most_wakeups},
                           {"aim_wakeups_per_s", kAimWakeups},
                           {"load_before", load_before},
                           {"scheduling", scheduling()},
                           {"machine", cli::machine_json(cli::this_machine())},
                           {"date", cli::utc_now()},
                           {"version", HEADRACE_VERSION}};
    cli::tell_as(table_of(report), report.dump(2), options.json);
    if (!deaths.fault.empty()) std::cerr << "proof: NOT VERIFIED: " << deaths.fault << '\n';
    return deaths.fault.empty() ? 0 : 1;
}

}  // namespace
}  // namespace headrace::bench

int main(int argc, char** argv) {
    using namespace headrace;
    const std::vector<std::string> words(argv + 1, argv + argc);
    if (const auto status = bench::play(words)) return *status;
    try {
        return bench::run(bench::parse(words));
    } catch (const UsageError& error) {
        std::cerr << "proof: " << error.what() << '\n';
        return 2;
    } catch (const std::exception& error) {
        std::cerr << "proof: " << error.what() << '\n';
        return 1;
    }
}
