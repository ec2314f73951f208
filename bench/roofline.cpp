// The ceiling of `headrace bench ring`: the same bytes, written in place by one process and
// verified in place by another, with next to nothing between them. Two counters, moved once per 256
// records, and spinning. No slot words, no lengths, no waits, no deaths: what is left is the
// memory. With one core for both it is no ceiling: they would spin against each other.
//
//   roofline FLOATS INTS FILL SLOTS PRODUCERS RECORDS     (one producer)
#include <sched.h>
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <new>
#include <span>
#include <string>

#include "cli/pattern.hpp"
#include "headrace/error.hpp"
#include "peer.hpp"

namespace headrace::bench {
namespace {

constexpr std::uint64_t kHandOver = 256;  // records

// Each side writes its own counter, on a line of its own.
struct Counters {
    alignas(64) std::atomic<std::uint64_t> written;
    alignas(64) std::atomic<std::uint64_t> verified;
};

// Laid out as the ring does it: field by field, rows of whole lines.
class Memory {
  public:
    explicit Memory(const PeerOptions& options)
        : slots_(options.slots),
          float_row_(lines(options.shape.floats)),
          int_row_(lines(options.shape.ints)),
          bytes_(sizeof(Counters) + slots_ * (float_row_ + int_row_)) {
        void* const place = ::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE,
                                   MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
        if (place == MAP_FAILED) throw SystemError("no memory for the roofline");
        base_ = static_cast<std::byte*>(place);
        counters_ = new (base_) Counters{};
    }
    ~Memory() { ::munmap(base_, bytes_); }
    Memory(const Memory&) = delete;
    Memory& operator=(const Memory&) = delete;

    Counters& counters() const { return *counters_; }
    std::span<float> floats(std::uint64_t index, std::size_t length) const {
        std::byte* row = base_ + sizeof(Counters) + index % slots_ * float_row_;
        return {reinterpret_cast<float*>(row), length};
    }
    std::span<std::int32_t> ints(std::uint64_t index, std::size_t length) const {
        std::byte* row = base_ + sizeof(Counters) + slots_ * float_row_ + index % slots_ * int_row_;
        return {reinterpret_cast<std::int32_t*>(row), length};
    }

  private:
    static std::size_t lines(std::size_t words) { return (words * 4 + 63) / 64 * 64; }

    std::size_t slots_;
    std::size_t float_row_;
    std::size_t int_row_;
    std::size_t bytes_;
    std::byte* base_ = nullptr;
    Counters* counters_ = nullptr;
};

// Spins until `counter` is at least `value`; lets others run now and then, for the machine may have
// other things to do.
void wait_for(const std::atomic<std::uint64_t>& counter, std::uint64_t value) {
    for (unsigned turn = 1; counter.load(std::memory_order_acquire) < value; ++turn) {
        if (turn % 1024 == 0) ::sched_yield();
    }
}

void produce(const Memory& memory, const PeerOptions& options) {
    const cli::RecordCheck expected(options.shape);
    Counters& counters = memory.counters();
    for (std::uint64_t index = 0; index < options.records;) {
        const std::uint64_t end = std::min(index + kHandOver, options.records);
        if (end > options.slots) wait_for(counters.verified, end - options.slots);
        for (; index < end; ++index) {
            cli::write_pattern(memory.floats(index, expected.floats_of(index)),
                               cli::pattern_base(index, cli::kFloats));
            cli::write_pattern(memory.ints(index, expected.ints_of(index)),
                               cli::pattern_base(index, cli::kInts));
        }
        counters.written.store(end, std::memory_order_release);
    }
}

void consume(const Memory& memory, const PeerOptions& options, cli::RecordCheck& check) {
    Counters& counters = memory.counters();
    for (std::uint64_t index = 0; index < options.records;) {
        const std::uint64_t end = std::min(index + kHandOver, options.records);
        wait_for(counters.written, end);
        for (; index < end; ++index) {
            const auto floats = memory.floats(index, check.floats_of(index));
            if (!check.check(index, floats, memory.ints(index, check.ints_of(index)))) return;
        }
        counters.verified.store(end, std::memory_order_release);
    }
}

cli::BenchReport run(const PeerOptions& options) {
    if (options.producers != 1) throw UsageError("PRODUCERS: wanted 1");
    if (options.slots < kHandOver) {
        throw UsageError("SLOTS: wanted at least " + std::to_string(kHandOver));
    }
    const Memory memory(options);
    cli::BenchReport report = measure(
        options, [&](std::uint32_t) { produce(memory, options); },
        [&](cli::RecordCheck& check) { consume(memory, options, check); });
    report.benchmark = "roofline";
    report.batch = kHandOver;
    report.version = HEADRACE_VERSION;
    return report;
}

}  // namespace
}  // namespace headrace::bench

int main(int argc, char** argv) {
    return headrace::bench::peer_main(argc, argv, "roofline", headrace::bench::run);
}
