// A trainer: makes the ring and takes batches from it. Usage: minimal_trainer [RING]
#include <cstdint>
#include <cstdio>
#include <exception>

#include <headrace/headrace.hpp>

int main(int argc, char** argv) try {
    auto ring = headrace::Ring::create(
        {.name = argc > 1 ? argv[1] : "minimal",
         .schema = {{"wave", headrace::f32, 1'000}, {"label", headrace::i32, 1}},
         .slots = 256,
         .epoch_records = 2850,
         .epochs = 2,
         .shuffle_seed = 7});
    headrace::Loader loader(ring, {.batch = 32, .layout = headrace::Layout::packed});
    for (int epoch = 0; epoch < 2; ++epoch) {
        double energy = 0;
        std::size_t records = 0;
        for (const headrace::Batch& batch : loader.epoch()) {
            const float* wave = batch.values<float>("wave");  // payload end to end, no padding
            for (std::int64_t i = 0; i < batch.total("wave"); ++i) energy += wave[i] * wave[i];
            records += batch.size();
        }
        std::printf("epoch %d: %zu records, energy %.6g\n", epoch, records, energy);
    }
    std::printf("%s\n", loader.stats().verdict().c_str());
} catch (const std::exception& error) {
    std::fprintf(stderr, "trainer: %s\n", error.what());
    return 1;
}
