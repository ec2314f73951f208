// One producer of a benchmark, in a process of its own.
#include "cli/bench_session.hpp"
#include "headrace/error.hpp"
#include "headrace/producer.hpp"

namespace headrace::cli {

namespace {

RecordShape shape_of(const Schema& schema, double fill) {
    if (schema != Schema::float_int(schema[kFloats].capacity, schema[schema.size() - 1].capacity)) {
        throw UsageError("the ring holds " + schema.to_string() +
                         ", wanted the classic pair of a benchmark, floats f32 and ints i32");
    }
    return {schema[kFloats].capacity, schema[kInts].capacity, fill};
}

}  // namespace

int bench_producer(const BenchProducerOptions& options) {
    die_with(static_cast<pid_t>(options.parent));
    AttachOptions attach;
    attach.timeout = BenchSession::kStall;
    attach.directory = options.directory;
    attach.identity = "bench-producer";
    Producer producer = Producer::attach(options.name, attach);
    const RecordCheck expected(shape_of(producer.schema(), options.fill));
    wait_at_gate();
    while (Result<ClaimedRecord> record = producer.claim()) {
        const std::uint64_t index = record->index();
        const std::uint32_t floats = expected.floats_of(index);
        const std::uint32_t ints = expected.ints_of(index);
        write_pattern(record->field<float>(kFloats).first(floats), pattern_base(index, kFloats));
        write_pattern(record->field<std::int32_t>(kInts).first(ints), pattern_base(index, kInts));
        record->publish(floats, ints);
    }
    producer.finish();
    return 0;
}

}  // namespace headrace::cli
