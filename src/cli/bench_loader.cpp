// Question: how many records a second go from producer processes through ring and loader into
// batches, when every value, offset and padded tail is verified?
#include "cli/batch_check.hpp"
#include "cli/bench_session.hpp"
#include "headrace/error.hpp"
#include "headrace/loader.hpp"

namespace headrace::cli {

namespace {

LoaderOptions loader_options(const BenchOptions& options) {
    LoaderOptions loader;
    loader.batch = options.batch;
    loader.layout = options.layout;
    loader.device = Device::parse(options.device);
    if (loader.device.name() != "host") {
        throw UsageError("--device: found \"" + loader.device.name() +
                         "\", wanted host: values are verified in the host's memory");
    }
    loader.pad_values = {{"floats", kFloatPad}, {"ints", kIntPad}};
    loader.first_timeout = BenchSession::kStall;
    loader.stall_timeout = BenchSession::kStall;
    return loader;
}

void take_all(Loader& loader, RecordCheck& check) {
    std::uint64_t next = 0;
    while (true) {
        const Result<Batch> batch = loader.next();
        if (batch.outcome() == Outcome::end_of_epoch) continue;
        if (batch.outcome() == Outcome::end) return;
        if (batch.outcome() == Outcome::timed_out) {
            check.fail("no batch for " + std::to_string(BenchSession::kStall.count()) + " ms");
            return;
        }
        if (!check_batch(*batch, next, check)) return;
    }
}

}  // namespace

int bench_loader(const BenchOptions& options) {
    const LoaderOptions wanted = loader_options(options);
    Interrupt interrupt;
    BenchSession session(options, interrupt);
    Loader loader(session.ring(), wanted);
    RecordCheck check(options.shape);
    session.start();
    take_all(loader, check);
    session.stop();
    const Stats stats = loader.stats();
    BenchReport report = session.report(check, &stats);
    if (interrupt.raised()) return kInterrupted;
    report.benchmark = "loader";
    report.layout = name_of(options.layout);
    report.device = loader.device().name();
    return tell(report, options.json);
}

}  // namespace headrace::cli
