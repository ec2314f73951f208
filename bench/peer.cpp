#include "peer.hpp"

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <exception>
#include <iostream>
#include <limits>
#include <string>

#include "cli/cpu_time.hpp"
#include "cli/option_value.hpp"
#include "headrace/error.hpp"

namespace headrace::bench {

namespace {

// Producers as forks of this process. They wait at a pipe until its other end is closed.
class Producers {
  public:
    Producers(std::uint32_t count, const Produce& produce) {
        if (::pipe(gate_) != 0) throw SystemError("no pipe for the gate");
        for (std::uint32_t producer = 0; producer < count; ++producer) {
            const pid_t pid = ::fork();
            if (pid < 0) throw SystemError("no process for a producer");
            if (pid == 0) work(producer, produce);
            pids_.push_back(pid);
        }
    }
    ~Producers() {
        for (const pid_t pid : pids_) {
            ::kill(pid, SIGKILL);  // one that ended by itself is a zombie until it is waited for
            ::waitpid(pid, nullptr, 0);
        }
        ::close(gate_[0]);
    }
    Producers(const Producers&) = delete;
    Producers& operator=(const Producers&) = delete;
    void open_gate() { ::close(gate_[1]); }

  private:
    [[noreturn]] void work(std::uint32_t producer, const Produce& produce) const {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        ::close(gate_[1]);
        char byte = 0;
        while (::read(gate_[0], &byte, 1) > 0) {
        }
        produce(producer);
        ::_exit(0);
    }

    int gate_[2] = {-1, -1};
    std::vector<pid_t> pids_;
};

PeerOptions parse(int argc, char** argv) {
    using cli::parse_count;
    if (argc != 7) throw UsageError("usage: FLOATS INTS FILL SLOTS PRODUCERS RECORDS");
    constexpr std::uint64_t kMost = std::numeric_limits<std::int32_t>::max();
    PeerOptions options;
    options.shape.floats = static_cast<std::uint32_t>(parse_count("FLOATS", argv[1], 1, kMost));
    options.shape.ints = static_cast<std::uint32_t>(parse_count("INTS", argv[2], 1, kMost));
    options.shape.fill = cli::parse_number("FILL", argv[3], 0, 1);
    options.slots = static_cast<std::uint32_t>(parse_count("SLOTS", argv[4], 1, 1u << 20));
    options.producers = static_cast<std::uint32_t>(parse_count("PRODUCERS", argv[5], 1, 255));
    options.records = parse_count("RECORDS", argv[6], 1, std::uint64_t{1} << 40);
    return options;
}

}  // namespace

cli::BenchReport measure(const PeerOptions& options, const Produce& produce,
                         const Consume& consume) {
    cli::RecordCheck check(options.shape);
    cli::BenchReport report;
    const double cpu_before = cli::cpu_seconds();
    {
        Producers producers(options.producers, produce);
        const auto started = std::chrono::steady_clock::now();
        producers.open_gate();
        consume(check);
        const auto stopped = std::chrono::steady_clock::now();
        report.seconds = std::chrono::duration<double>(stopped - started).count();
    }
    report.cpu_s = cli::cpu_seconds() - cpu_before;
    report.shape = options.shape;
    report.producers = options.producers;
    report.slots = options.slots;
    report.records = check.records();
    report.payload_bytes = check.payload_bytes();
    if (check.records() != options.records) check.fail("records are missing");
    report.fault = check.mismatch();
    report.machine = cli::this_machine();
    report.date = cli::utc_now();
    return report;
}

int peer_main(int argc, char** argv, const char* name,
              const std::function<cli::BenchReport(const PeerOptions&)>& run) {
    try {
        return cli::tell(run(parse(argc, argv)), "-");
    } catch (const UsageError& error) {
        std::cerr << name << ": " << error.what() << '\n';
        return 2;
    } catch (const std::exception& error) {
        std::cerr << name << ": " << error.what() << '\n';
        return 1;
    }
}

}  // namespace headrace::bench
