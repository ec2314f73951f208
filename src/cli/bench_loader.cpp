// Question: how many records a second go from producer processes through ring and loader into
// batches, when every value, offset and padded tail is verified? On a GPU every batch is copied
// back to be verified, which is inside the timer.
#include "cli/batch_check.hpp"
#include "cli/batch_reader.hpp"
#include "cli/bench_session.hpp"
#include "headrace/loader.hpp"

namespace headrace::cli {

namespace {

LoaderOptions loader_options(const BenchOptions& options) {
    LoaderOptions loader;
    loader.batch = options.batch;
    loader.layout = options.layout;
    loader.device = Device::parse(options.device);
    loader.transfer = options.transfer;
    loader.pad_values = {{"floats", kFloatPad}, {"ints", kIntPad}};
    loader.first_timeout = BenchSession::kStall;
    loader.stall_timeout = BenchSession::kStall;
    return loader;
}

// What stands where a training loop would: a stream where the device has any, and a reader.
struct Trainer {
    Trainer(const LoaderOptions& loader, const RecordShape& shape) {
        if (loader.device.name() == "host") return;
        backend = loader.device.backend();
        ceilings = device::make_ceilings(loader.device.name());
        stream = ceilings->make_step_stream(0);
        reader = BatchReader(*backend, *stream, shape, loader.batch);
    }
    StreamRef ref() const { return stream ? stream->ref() : StreamRef(); }

    std::shared_ptr<device::Backend> backend;
    std::unique_ptr<device::Ceilings> ceilings;
    std::unique_ptr<device::StepStream> stream;
    BatchReader reader;
};

void take_all(Loader& loader, Trainer& trainer, RecordCheck& check) {
    std::uint64_t next = 0;
    while (true) {
        const Result<Batch> batch = loader.next(trainer.ref());
        if (batch.outcome() == Outcome::end_of_epoch) continue;
        if (batch.outcome() == Outcome::end) return;
        if (batch.outcome() == Outcome::timed_out) {
            check.fail("no batch for " + std::to_string(BenchSession::kStall.count()) + " ms");
            return;
        }
        if (!check_batch(*batch, trainer.reader.read(*batch), next, check)) return;
    }
}

}  // namespace

int bench_loader(const BenchOptions& options) {
    const LoaderOptions wanted = loader_options(options);
    Interrupt interrupt;
    BenchSession session(options, interrupt);
    Trainer trainer(wanted, options.shape);
    Loader loader(session.ring(), wanted);
    RecordCheck check(options.shape);
    session.start();
    take_all(loader, trainer, check);
    session.stop();
    const Stats stats = loader.stats();
    BenchReport report = session.report(check, &stats);
    if (interrupt.raised()) return kInterrupted;
    report.benchmark = "loader";
    report.layout = name_of(options.layout);
    report.device = loader.device().name();
    report.transfer = name_of(options.transfer);
    return tell(report, options.json);
}

}  // namespace headrace::cli
