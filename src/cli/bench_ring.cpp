// Question: how many records a second go from producer processes through the ring to one consumer
// when every byte is written in place, and read and verified in place?
#include "cli/bench_session.hpp"
#include "headrace/consumer.hpp"

namespace headrace::cli {

namespace {

// False when something was wrong; the check says what.
bool check_lease(const RecordLease& lease, std::uint64_t& next, RecordCheck& check) {
    for (std::size_t record = 0; record < lease.size(); ++record, ++next) {
        if (lease.index(record) != next) {
            return check.fail("record " + std::to_string(lease.index(record)) + " found, record " +
                              std::to_string(next) + " wanted");
        }
        if (!check.check(next, lease.field<float>(kFloats, record),
                         lease.field<std::int32_t>(kInts, record))) {
            return false;
        }
    }
    return true;
}

void take_all(Consumer& consumer, const BenchOptions& options, RecordCheck& check) {
    std::uint64_t next = 0;
    while (true) {
        const Result<RecordLease> lease = consumer.take(options.batch);
        if (lease.outcome() == Outcome::end_of_epoch) continue;
        if (lease.outcome() == Outcome::end) return;
        if (lease.outcome() == Outcome::timed_out) {
            check.fail("no record for " + std::to_string(BenchSession::kStall.count()) + " ms");
            return;
        }
        if (!check_lease(*lease, next, check)) return;
    }
}

}  // namespace

int bench_ring(const BenchOptions& options) {
    Interrupt interrupt;
    BenchSession session(options, interrupt);
    ConsumerOptions waits;
    waits.first_timeout = BenchSession::kStall;
    waits.stall_timeout = BenchSession::kStall;
    Consumer consumer = session.ring().consumer(waits);
    RecordCheck check(options.shape);
    session.start();
    take_all(consumer, options, check);
    session.stop();
    BenchReport report = session.report(check);
    if (interrupt.raised()) return kInterrupted;
    report.benchmark = "ring";
    return tell(report, options.json);
}

}  // namespace headrace::cli
