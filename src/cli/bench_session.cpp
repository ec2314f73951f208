#include "cli/bench_session.hpp"

#include <unistd.h>

#include <iostream>

#include "cli/cpu_time.hpp"
#include "cli/text.hpp"

namespace headrace::cli {

namespace {

RingOptions ring_options(const BenchOptions& options) {
    RingOptions ring;
    ring.name = options.name;
    ring.schema = Schema::float_int(options.shape.floats, options.shape.ints);
    ring.slots = options.slots;
    ring.epoch_records = options.records;
    ring.epochs = 1;
    ring.directory = options.directory;
    // Nobody replaces a producer of a benchmark: waiting longer would only hide its death.
    ring.linger = std::chrono::seconds(1);
    ring.on_message = [](const Message& message) {
        if (message.severity == Severity::info) return;
        std::cerr << "headrace: " + printable(message.text) + "\n";
    };
    return ring;
}

BenchProducerOptions producer_options(const BenchOptions& options) {
    return {options.name, options.shape.fill, ::getpid(), options.directory};
}

}  // namespace

BenchSession::BenchSession(const BenchOptions& options, Interrupt& interrupt)
    : options_(options),
      interrupt_(interrupt),
      ring_(Ring::create(ring_options(options))),
      producers_(options.producers, bench_producer_arguments(producer_options(options))) {
    producers_.wait_ready(kStall);
    interrupt_.on_signal([this] { ring_.close(); });
}

BenchSession::~BenchSession() {
    interrupt_.on_signal({});
}

void BenchSession::start() {
    cpu_s_before_ = cpu_seconds();
    started_ = std::chrono::steady_clock::now();
    producers_.open_gate();
}

std::string BenchSession::end() {
    ring_.close();
    return producers_.wait_ended(std::chrono::seconds(10));
}

BenchReport BenchSession::report(RecordCheck& check, const Stats* stats) {
    // A producer has nothing left to do by now, or the check has failed and it need not go on.
    const std::string faults = end();
    if (!faults.empty()) check.fail(faults);
    if (check.records() != options_.records) {
        check.fail(std::to_string(check.records()) + " records verified, " +
                   std::to_string(options_.records) + " wanted");
    }
    BenchReport report;
    report.shape = options_.shape;
    report.producers = options_.producers;
    report.slots = options_.slots;
    report.batch = options_.batch;
    report.records = check.records();
    report.payload_bytes = check.payload_bytes();
    report.seconds = std::chrono::duration<double>(stopped_ - started_).count();
    report.cpu_s = cpu_seconds() - cpu_s_before_;
    report.fault = check.mismatch();
    report.stats = stats != nullptr ? *stats : ring_.stats();
    report.machine = this_machine();
    report.date = utc_now();
    report.version = HEADRACE_VERSION;
    return report;
}

}  // namespace headrace::cli
