// cuda_loop: a whole training loop with kernels of its own and no framework. Producer processes
// make records, the loader brings them to a GPU (or, where there is none, to the host device), and
// the trainer learns from them there. See README.md beside this file.
#include <chrono>
#include <cmath>
#include <cstdio>
#include <exception>
#include <memory>
#include <numbers>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>

#include "headrace/loader.hpp"
#include "headrace/ring.hpp"
#include "launch/processes.hpp"
#include "options.hpp"
#include "record.hpp"
#include "trainer.hpp"

namespace {

using Clock = std::chrono::steady_clock;
using Longs = unsigned long long;  // what printf knows of 64 bits

// After the last epoch no work is left, and a producer ends as soon as it is told.
constexpr std::chrono::seconds kProducersGrace{2};
// What the order of the recordings is drawn from.
constexpr std::uint64_t kSeed = 7;

// How soon a producer's death is noticed.
constexpr std::chrono::milliseconds kBetweenLooks{100};

// Each hole is a message, and there may be thousands.
constexpr int kMostMessages = 8;

struct EpochResult {
    std::uint64_t records = 0;
    std::uint64_t holes = 0;
    double loss = 0;   // a record's
    double right = 0;  // share of the records
};

headrace::Ring make_ring(const cuda_loop::Options& options) {
    headrace::RingOptions ring;
    ring.name = options.ring;
    ring.schema = cuda_loop::record_schema();
    ring.slots = 4 * options.batch;
    ring.epoch_records = options.records;
    ring.epochs = options.epochs;
    ring.shuffle_seed = kSeed;
    ring.on_message = [said = 0](const headrace::Message& message) mutable {
        if (message.severity == headrace::Severity::info || said > kMostMessages) return;
        const bool last = said++ == kMostMessages;
        std::fprintf(stderr, "cuda_loop: %s\n", last ? "and so on" : message.text.c_str());
    };
    return headrace::Ring::create(ring);
}

headrace::Device find_device(const std::string& wanted) {
    auto device = headrace::Device::parse(wanted);
    if (wanted == "best" && device.name() == "host") {
        std::printf("%s: the same loop runs on the host\n", headrace::Device::has_cuda()
                                                                ? "found no GPU that CUDA can use"
                                                                : "this build has no CUDA");
    }
    return device;
}

std::unique_ptr<cuda_loop::Trainer> make_trainer(const headrace::Device& device,
                                                 const cuda_loop::Options& options) {
    if (device.name() == "host") return cuda_loop::make_host_trainer(options.batch, options.rate);
    return cuda_loop::make_cuda_trainer(device.name(), options.batch, options.rate);
}

EpochResult run_epoch(headrace::Loader& loader, cuda_loop::Trainer& trainer) {
    EpochResult result;
    for (const headrace::Batch& batch : loader.epoch(trainer.stream())) {
        // Known here without asking the device. Then record r's label is the r-th.
        if (batch.total(cuda_loop::kLabel) != static_cast<std::int64_t>(batch.size())) {
            throw std::runtime_error("a record without a label: a producer of another program");
        }
        trainer.step(batch);
        result.records += batch.size();
        result.holes += batch.holes().size();
    }  // a batch goes back before its step has run: the loader waits for that, by an event
    const cuda_loop::Totals totals = trainer.end_epoch();
    if (result.records == 0) throw std::runtime_error("an epoch without a record to learn from");
    result.loss = totals.loss / static_cast<double>(result.records);
    result.right = totals.right / static_cast<double>(result.records);
    return result;
}

void print(std::uint32_t epoch, const EpochResult& result) {
    std::printf("epoch %u: loss %.6f  right %.2f %%  %llu records", epoch, result.loss,
                100 * result.right, static_cast<Longs>(result.records));
    if (result.holes > 0) std::printf("  %llu unreadable", static_cast<Longs>(result.holes));
    std::printf("\n");
    std::fflush(stdout);
}

// Whether the loss fell: below that of the first epoch, and of a guess.
bool train(headrace::Loader& loader, cuda_loop::Trainer& trainer,
           const cuda_loop::Options& options) {
    const auto start = Clock::now();
    double before = std::numbers::ln2;  // what weights of zero give
    double after = before;
    std::uint64_t records = 0;
    for (std::uint32_t epoch = 0; epoch < options.epochs; ++epoch) {
        const EpochResult result = run_epoch(loader, trainer);
        print(epoch + 1, result);
        if (result.records + result.holes != options.records) {
            throw std::runtime_error("found " + std::to_string(result.records + result.holes) +
                                     " records in an epoch, wanted " +
                                     std::to_string(options.records));
        }
        if (epoch == 0 && options.epochs > 1) before = std::fmin(before, result.loss);
        after = result.loss;
        records += result.records;
    }
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    std::printf("loss %.6f -> %.6f in %.2f s, %.0f records/s\n", before, after, seconds,
                static_cast<double>(records) / seconds);
    std::printf("%s\n", loader.stats().verdict().c_str());
    return after < before;
}

headrace::LoaderOptions loader_options(const cuda_loop::Options& options) {
    headrace::LoaderOptions loader;
    loader.batch = options.batch;
    loader.device = find_device(options.device);
    loader.transfer = headrace::parse_transfer(options.transfer);
    return loader;
}

// And with the ring whatever waits for it: the training loop is not to look after producers.
void end_ring_when_one_dies(headrace::Ring& ring, samples::Processes& producers,
                            const std::stop_token& over) {
    try {
        while (!over.stop_requested()) {
            producers.look_after();
            std::this_thread::sleep_for(kBetweenLooks);
        }
    } catch (const std::runtime_error& death) {
        ring.abort(death.what());
    }
}

int run(const cuda_loop::Options& options) {
    const headrace::LoaderOptions wanted = loader_options(options);
    headrace::Ring ring = make_ring(options);
    // They work while the GPU gets ready. None is replaced.
    samples::Processes producers({samples::program_beside_this("cuda_loop_producer"), ring.name(),
                                  std::to_string(options.unreadable)},
                                 options.producers, nullptr, 0);
    std::jthread watch(
        [&](const std::stop_token& over) { end_ring_when_one_dies(ring, producers, over); });
    const auto trainer = make_trainer(wanted.device, options);
    headrace::Loader loader(ring, wanted);
    std::printf("%s: %llu records of %u to %u values, batches of %u, %u producers\n",
                wanted.device.name().c_str(), static_cast<Longs>(options.records),
                cuda_loop::kShortest, cuda_loop::kLongest, options.batch, options.producers);
    const bool fell = train(loader, *trainer, options);
    if (!fell) std::fprintf(stderr, "cuda_loop: the loss did not fall\n");
    watch = {};
    producers.end_within(kProducersGrace);
    return fell ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
    return samples::run_main("cuda_loop", [&] {
        const auto options = cuda_loop::parse_options(argc, argv);
        return options ? run(*options) : 0;
    });
}
