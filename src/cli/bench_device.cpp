#include "cli/bench_device.hpp"

#include <chrono>

#include "cli/bench_session.hpp"
#include "headrace/error.hpp"

namespace headrace::cli {

namespace {

BenchOptions session_options(const DeviceBenchOptions& options, const DeviceSizes& sizes) {
    BenchOptions session;
    session.kind = BenchKind::loader;
    session.name = options.name;
    session.producers = options.producers;
    session.shape = sizes.step_shape;
    session.records = step_records(sizes);
    session.slots = sizes.step_slots;
    session.batch = sizes.step_batch;
    session.directory = options.directory;
    return session;
}

void measure_fed_steps(DeviceBench& bench, const DeviceBenchOptions& options, const Device& device,
                       Interrupt& interrupt) {
    const DeviceSizes& sizes = bench.sizes;
    BenchSession session(session_options(options, sizes), interrupt);
    const auto stream = bench.ceilings.make_step_stream(most_steps(sizes));
    BatchReader reader(bench.backend, *stream, sizes.step_shape, sizes.step_batch);
    LoaderOptions wanted;
    wanted.batch = sizes.step_batch;
    wanted.device = device;
    wanted.transfer = options.transfer;
    wanted.first_timeout = BenchSession::kStall;
    wanted.stall_timeout = BenchSession::kStall;
    Loader loader(session.ring(), wanted);
    session.start();
    measure_steps(bench, loader, *stream, reader);
    const std::string faults = session.end();
    if (!faults.empty()) bench.report.fail("steps: " + faults);
}

void measure(DeviceBench& bench, const DeviceBenchOptions& options, const Device& device,
             Interrupt& interrupt) {
    const auto is_asked = [&](DeviceQuestion question) {
        return !options.only || *options.only == question;
    };
    if (is_asked(DeviceQuestion::link)) measure_link(bench);
    if (is_asked(DeviceQuestion::strip)) measure_strip(bench);
    if (is_asked(DeviceQuestion::step)) measure_fed_steps(bench, options, device, interrupt);
}

}  // namespace

DeviceSizes DeviceSizes::quick() {
    DeviceSizes sizes;
    sizes.turns = 3;
    sizes.batches_per_turn = 12;
    sizes.steps_per_turn = 100;
    return sizes;
}

int bench_device(const DeviceBenchOptions& options) {
    const auto started = std::chrono::steady_clock::now();
    const Device device = Device::parse(options.device);
    Interrupt interrupt;  // before CUDA's threads
    const auto backend = device.backend();
    const auto ceilings = device::make_ceilings(device.name());
    DeviceReport report;
    report.device = device.name();
    report.quick = options.quick;
    report.about = ceilings->describe();
    DeviceBench bench{*backend, *ceilings, options.quick ? DeviceSizes::quick() : DeviceSizes(),
                      report, [&] { return interrupt.raised(); }};
    try {
        measure(bench, options, device, interrupt);
    } catch (const DeviceBench::Interrupted&) {
        return kInterrupted;
    }
    report.seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
    report.machine = this_machine();
    report.date = utc_now();
    report.version = HEADRACE_VERSION;
    return tell(report, options.json);
}

}  // namespace headrace::cli
