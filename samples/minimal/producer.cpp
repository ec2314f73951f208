// A producer: as many of these as you like, each a process of its own, started before or after the
// trainer. Usage: minimal_producer [RING]
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <exception>

#include <headrace/headrace.hpp>

int main(int argc, char** argv) try {
    auto producer = headrace::Producer::attach(argc > 1 ? argv[1] : "minimal");
    while (auto record = producer.claim()) {  // empty: no work is left, nor can come back
        const std::uint64_t item = record->item();
        auto wave = record->field<float>("wave");  // the slot itself: written in place, no copy
        const std::size_t samples = 100 + item * 37 % 900;
        for (std::size_t i = 0; i < samples; ++i) {
            wave[i] = std::sin(0.01f * static_cast<float>(i * (item % 10)));
        }
        record->field<std::int32_t>("label")[0] = static_cast<std::int32_t>(item % 10);
        record->publish(samples, 1);
    }
} catch (const std::exception& error) {
    std::fprintf(stderr, "producer: %s\n", error.what());
    return 1;
}
