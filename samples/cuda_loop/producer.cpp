// cuda_loop_producer: makes recordings and writes them into the trainer's ring. The trainer starts
// some; more may be started by hand, at any time. It knows nothing of GPUs.
// Usage: cuda_loop_producer [RING [UNREADABLE]]; every UNREADABLE-th recording is skipped.
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>

#include "headrace/producer.hpp"
#include "record.hpp"
#include "vibration.hpp"

namespace {

// The trainer makes its ring before it starts a producer; by hand it may be the other way round.
constexpr std::chrono::seconds kAttachTimeout{10};

}  // namespace

int main(int argc, char** argv) try {
    const char* const ring = argc > 1 ? argv[1] : "cuda_loop";
    const std::uint64_t unreadable = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 0;
    auto producer = headrace::Producer::attach(ring, kAttachTimeout);
    while (auto record = producer.claim()) {  // empty: no work is left, nor can come back
        const std::uint64_t item = record->item();
        if (unreadable > 0 && item % unreadable == unreadable - 1) {
            record->skip("unreadable");
            continue;
        }
        const auto made =
            cuda_loop::write_vibration(item, record->field<float>(cuda_loop::kSignal));
        record->field<std::int32_t>(cuda_loop::kLabel)[0] = made.worn;
        record->publish(made.samples, 1);
    }
} catch (const std::exception& error) {
    std::fprintf(stderr, "cuda_loop_producer: %s\n", error.what());
    return 1;
}
