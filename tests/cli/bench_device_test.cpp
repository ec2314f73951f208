// What `headrace bench device` asks, of a device that is the host with a clock.
#include "cli/bench_device.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <thread>

#include "clocked_device.hpp"
#include "headrace/error.hpp"
#include "headrace/producer.hpp"
#include "ring/ring_fixture.hpp"

namespace headrace::cli {
namespace {

using device::Packing;

DeviceSizes small_sizes() {
    DeviceSizes sizes;
    sizes.turns = 3;
    sizes.batch_bytes = 16'384;
    sizes.batches_per_turn = 8;
    sizes.large_record_bytes = 8'192;
    sizes.record_bytes = {4'096, 1'024};
    sizes.mapped_read_blocks = {1, 2};
    sizes.strip_payload_bytes = 20'000;
    sizes.strip_record_bytes = {1'024, 4'096};
    sizes.strip_turn_s = 1e-5;
    sizes.step_s = 2e-4;
    sizes.steps_per_turn = 10;
    sizes.step_shape = {100, 7, 0.5};
    sizes.step_batch = 8;
    sizes.step_slots = 32;
    sizes.checked_batches = 3;
    return sizes;
}

class BenchDeviceTest : public RingFixture {
  protected:
    const Finding& finding(const std::string& question, const std::string& load = "") const {
        const auto found = std::ranges::find_if(report_.findings, [&](const Finding& one) {
            return one.question == question && one.load.find(load) != std::string::npos;
        });
        if (found != report_.findings.end()) return *found;
        ADD_FAILURE() << "no \"" << question << "\" with \"" << load << "\" in\n"
                      << device_table(report_);
        static const Finding kNone{};
        return kNone;
    }
    std::size_t count(const std::string& question) const {
        const auto is_it = [&](const Finding& one) { return one.question == question; };
        return static_cast<std::size_t>(std::ranges::count_if(report_.findings, is_it));
    }
    // Every figure has its turns, and a ceiling that was measured.
    void expect_measured() const {
        for (const Finding& one : report_.findings) {
            SCOPED_TRACE(one.question + ", " + one.load);
            if (one.unit == Unit::bytes_per_s) {
                EXPECT_GT(one.figure, 0);
                EXPECT_EQ(one.turns.size(), 3u);
                EXPECT_GT(one.ceiling_figure, 0);
                EXPECT_FALSE(one.ceiling.empty());
            }
        }
    }
    // Records as the benchmarks' producers write them, until the ring ends.
    static void write_records(Ring& ring, const RecordShape& shape) {
        Producer producer = ring.producer();
        const RecordCheck expected(shape);
        while (Result<ClaimedRecord> record = producer.claim()) {
            const std::uint64_t index = record->index();
            const std::uint32_t floats = expected.floats_of(index);
            const std::uint32_t ints = expected.ints_of(index);
            write_pattern(record->field<float>(kFloats).first(floats),
                          pattern_base(index, kFloats));
            write_pattern(record->field<std::int32_t>(kInts).first(ints),
                          pattern_base(index, kInts));
            record->publish(floats, ints);
        }
        producer.finish();
    }
    // Steps fed by a loader; a record that `writer_shape` makes other than the benchmark expects is
    // wrong.
    void measure_fed_steps(const RecordShape& writer_shape) {
        const DeviceSizes& sizes = bench_.sizes;
        RingOptions wanted = options(step_records(sizes), sizes.step_slots);
        wanted.schema = Schema::float_int(sizes.step_shape.floats, sizes.step_shape.ints);
        Ring ring = Ring::create(wanted);
        std::thread producer([&] { write_records(ring, writer_shape); });
        struct Join {  // whatever happens in between
            Ring& ring;
            std::thread& thread;
            ~Join() {
                ring.close();
                thread.join();
            }
        } const join{ring, producer};
        const auto stream = ceilings_.make_step_stream(most_steps(sizes));
        BatchReader reader(*backend_, *stream, sizes.step_shape, sizes.step_batch);
        LoaderOptions loader_options;
        loader_options.batch = sizes.step_batch;
        loader_options.device = Device::custom(backend_);
        Loader loader(ring, loader_options);
        measure_steps(bench_, loader, *stream, reader);
    }

    std::shared_ptr<device::ClockedBackend> backend_ = std::make_shared<device::ClockedBackend>();
    device::ClockedCeilings ceilings_;
    DeviceReport report_;
    DeviceBench bench_{*backend_, ceilings_, small_sizes(), report_, [] { return false; }};
};

TEST_F(BenchDeviceTest, MeasuresEachWayOverTheLinkAgainstAPinnedCopy) {
    measure_link(bench_);
    EXPECT_EQ(report_.fault, "");
    expect_measured();
    EXPECT_EQ(report_.host_memory, "pinned");
    EXPECT_EQ(count("plain copy of the ring's memory"), 1u);
    EXPECT_EQ(count("mapped read"), 2u);
    const Aim share = finding("transfer copy", "2 records of 8.19 kB, full").aim.value();
    EXPECT_EQ(share.unit, Unit::share);
    EXPECT_EQ(share.wanted, 0.97);
    EXPECT_TRUE(share.is_least);
    EXPECT_EQ(count("transfer copy"), 5u) << "full, and two sizes at two paddings";
    for (const char* way : {"automatic", "trim", "direct", "gather"}) {
        EXPECT_EQ(count("transfer " + std::string(way)), 4u) << way;
    }
    const Finding& automatic = finding("transfer automatic", "16 records of 1.02 kB, 50 % padding");
    ASSERT_TRUE(automatic.aim);
    EXPECT_EQ(automatic.aim->unit, Unit::times);
    EXPECT_LE(automatic.aim->wanted, 1.8) << "or what reads of the ring allow";
    EXPECT_GE(automatic.link_bytes_per_payload_byte.value(), 1.0);
    EXPECT_FALSE(finding("transfer trim").aim);
}

TEST_F(BenchDeviceTest, NoticesAWrongValueOfEachWay) {
    for (const Transfer transfer : {Transfer::copy, Transfer::automatic, Transfer::trim,
                                    Transfer::direct, Transfer::gather}) {
        SCOPED_TRACE(std::string(name_of(transfer)));
        backend_->broken = transfer;
        report_ = {};
        measure_link(bench_);
        EXPECT_NE(report_.fault.find("transfer " + std::string(name_of(transfer))),
                  std::string::npos)
            << report_.fault;
        EXPECT_NE(report_.fault.find("wanted 0x"), std::string::npos) << report_.fault;
    }
}

TEST_F(BenchDeviceTest, SaysWhichWayIsLeftOut) {
    backend_->refused = Transfer::gather;
    measure_link(bench_);
    EXPECT_EQ(count("transfer gather"), 0u);
    EXPECT_EQ(count("transfer direct"), 4u);
    ASSERT_FALSE(report_.notes.empty());
    EXPECT_EQ(report_.notes.front(), "left out: gather: this way is not there");
}

TEST_F(BenchDeviceTest, RefusesADeviceWithoutAClock) {
    backend_->has_clock = false;
    EXPECT_THROW(measure_link(bench_), DeviceError);
}

TEST_F(BenchDeviceTest, MeasuresTheStripKernelAgainstACopyAndItsRivals) {
    measure_strip(bench_);
    EXPECT_EQ(report_.fault, "");
    expect_measured();
    for (const char* way : {"strip", "cub::DeviceMemcpy::Batched", "thrust::gather"}) {
        EXPECT_EQ(count(way), 2u) << way;
    }
    const Finding& strip = finding("strip", "records of 4.10 kB");
    EXPECT_EQ(strip.ceiling, "copy on the device");
    EXPECT_EQ(strip.aim.value().wanted, 0.85);
    const Aim against = finding("thrust::gather").aim.value();
    EXPECT_EQ(against.of, "strip over this");
    EXPECT_TRUE(against.wanted == 1.0 || against.wanted == 0.98) << against.wanted;
}

TEST_F(BenchDeviceTest, NoticesAWrongByteOfEachPacking) {
    for (const Packing way : {Packing::copy, Packing::strip, Packing::cub, Packing::thrust}) {
        ceilings_.broken = way;
        report_ = {};
        measure_strip(bench_);
        EXPECT_FALSE(report_.verified()) << static_cast<int>(way);
    }
}

TEST_F(BenchDeviceTest, MeasuresStepsThatALoaderFeeds) {
    measure_fed_steps(bench_.sizes.step_shape);
    EXPECT_EQ(report_.fault, "");
    expect_measured();
    const Finding& step = finding("step with the loader");
    EXPECT_GE(step.figure, 2e-4) << "a step is never shorter than it is";
    EXPECT_EQ(step.turns.size(), 3u);
    for (const char* by : {"the loader's statistics", "events of the GPU"}) {
        const Aim aim = finding("exposed wait, by " + std::string(by)).aim.value();
        EXPECT_EQ(aim.wanted, 0.01);
        EXPECT_FALSE(aim.is_least);
    }
    const double median_s = finding("host blocked in the loader, median").figure;
    EXPECT_GT(median_s, 0);
    EXPECT_GE(finding("host blocked in the loader, 99 of 100").figure, median_s);
    EXPECT_EQ(finding("host blocked in the loader, median").aim.value().wanted, 20e-6);
    ASSERT_EQ(report_.notes.size(), 1u);
    EXPECT_EQ(report_.notes.front().find("steps: 48 records copied back"), 0u)
        << report_.notes.front();
}

TEST_F(BenchDeviceTest, NoticesRecordsThatAreNotAsExpected) {
    measure_fed_steps({bench_.sizes.step_shape.floats, bench_.sizes.step_shape.ints, 1.0});
    EXPECT_EQ(report_.fault.find("steps: record 0, field \"floats\""), 0u) << report_.fault;
}

TEST_F(BenchDeviceTest, StopsWhenItIsInterrupted) {
    bench_.is_interrupted = [] { return true; };
    EXPECT_THROW(measure_link(bench_), DeviceBench::Interrupted);
    EXPECT_THROW(measure_strip(bench_), DeviceBench::Interrupted);
    EXPECT_THROW(measure_fed_steps(bench_.sizes.step_shape), DeviceBench::Interrupted);
}

TEST_F(BenchDeviceTest, IsQuickerOnRequest) {
    EXPECT_LT(DeviceSizes::quick().turns, DeviceSizes().turns);
    EXPECT_EQ(DeviceSizes::quick().strip_payload_bytes, DeviceSizes().strip_payload_bytes);
}

}  // namespace
}  // namespace headrace::cli
