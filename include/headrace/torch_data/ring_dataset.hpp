// A ring as a stateful dataset of torch::data.
#pragma once

#include <torch/csrc/utils/variadic.h>  // which map.h wants and does not include, in 1.13
#include <torch/data/datasets/map.h>
#include <torch/data/datasets/stateful.h>
#include <torch/serialize/input-archive.h>
#include <torch/serialize/output-archive.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "headrace/error.hpp"
#include "headrace/loader.hpp"
#include "headrace/ring.hpp"
#include "headrace/sampler.hpp"
#include "headrace/state.hpp"
#include "headrace/torch/batch_tensors.hpp"
#include "headrace/torch/device.hpp"
#include "headrace/torch/to_tensors.hpp"

namespace headrace::torch_data {

/// How a RingDataset goes about its loops.
struct RingDatasetOptions {
    /// The stream that batches are used on. By default LibTorch's current one: of the thread that
    /// asks for a batch, or, on a worker thread of torch::data, of the thread that began the loop.
    std::optional<StreamRef> stream = {};
    /// A loop that was left early has left part of an epoch. By default the next loop goes on with
    /// it, so that no record is lost; with this the rest is taken, thrown away and given back
    /// first, which waits for its producers. A stream ring has no epochs: there it means nothing.
    bool new_epoch_each_loop = false;
};

/// Batches of a ring. A cheap handle: copies, such as the one in a data loader, are the same
/// dataset, and the last one takes loader and ring with it. Each loop over the data loader is one
/// epoch of a ring with a sampler (what is left of one after load()), or all of a stream ring;
/// loops after the end of the data are empty.
///
/// The loader's own threads prefetch, so DataLoaderOptions::workers() is best left at 0. With
/// workers(1) torch::data holds batches besides, up to max_jobs() + 1, 3 by default:
/// LoaderOptions::depth must be as many. With more workers batches may come in another order. A
/// data loader that is left early with workers cannot be looped over again, which is a rule of
/// LibTorch's, and throws away what its workers had fetched, which then counts as given back.
///
/// Thread-safe, but reset() and load() belong to the thread that loops.
class RingDataset final
    : public ::torch::data::datasets::StatefulDataset<RingDataset, torch::BatchTensors> {
  public:
    /// LibTorch's.
    using Base = ::torch::data::datasets::StatefulDataset<RingDataset, torch::BatchTensors>;
    /// LibTorch's optional, which is std::optional since 2.1 or so.
    using Size = decltype(std::declval<const Base&>().size());

    /// Makes ring and loader at the first use, so that load() may come before: reset(), which is
    /// what the beginning of a loop calls, get_batch(), open(), ring() or loader(). LoaderOptions::
    /// depth is 2 at least: torch::data holds a batch until it has the next one. Throws UsageError.
    RingDataset(RingOptions ring, LoaderOptions loader, RingDatasetOptions options = {})
        : shared_(std::make_shared<Shared>(std::move(options))) {
        expect_depth(loader.depth);
        shared_->ring_options = std::move(ring);
        shared_->loader_options = std::move(loader);
    }
    /// Batches of a loader that is there already, and must outlive all copies of this. Loops begin
    /// where it stands. Throws UsageError.
    explicit RingDataset(Loader& loader, RingDatasetOptions options = {})
        : shared_(std::make_shared<Shared>(std::move(options))) {
        expect_depth(loader.options().depth);
        shared_->loader = &loader;
    }

    /// Makes ring and loader, if they are not there. Throws what Ring::create() and Loader throw.
    void open() { loader(); }
    /// The ring, which is made if it is not there. Throws UsageError for a dataset over a loader
    /// that was given.
    Ring& ring() {
        loader();
        if (!shared_->own_ring) {
            throw UsageError("ring dataset: made over a loader, which knows its ring alone");
        }
        return *shared_->own_ring;
    }
    /// The loader, which is made if it is not there.
    Loader& loader() { return shared_->open(); }

    /// The next batch of this epoch, or none at its end. `size` is what DataLoaderOptions say.
    /// Throws UsageError when it is not the loader's batch size, or on a worker thread for want of
    /// depth, TimeoutError, and what Loader::next() throws.
    BatchType get_batch(std::size_t size) override {
        Loader& from = loader();
        shared_->expect_request(from.options(), size);
        // One at a time, and nothing behind the end of an epoch before the next loop begins.
        const std::lock_guard lock(shared_->taking);
        if (shared_->is_over) return {};
        if (auto batch = shared_->next(from)) return torch::to_tensors(std::move(*batch));
        shared_->is_over = true;
        return {};
    }
    /// Begins an epoch, or goes on with the one that is not over; loops call it. Takes nothing from
    /// the ring.
    void reset() override {
        const Device& device = loader().device();
        const std::lock_guard lock(shared_->taking);
        shared_->trainer = std::this_thread::get_id();
        shared_->trainer_stream = torch::current_stream(device);
        shared_->was_left_early = shared_->is_inside;
        shared_->is_over = false;
    }
    /// Records of an epoch on this rank; none for a stream ring.
    Size size() const override {
        const State state = shared_->order();
        if (state.epoch_records == 0) return {};
        const Sampler sampler({.epoch_records = state.epoch_records,
                               .rank = state.rank,
                               .world_size = state.world_size,
                               .remainder = state.remainder});
        return static_cast<std::size_t>(sampler.shard_records());
    }

    /// The position of the batches given back, Loader::state(). The batch in a loop's hands does
    /// not count, nor do those that worker threads have fetched: a run that is resumed gets them
    /// again. After a loop is over nothing is left out. Before the first use what load() read;
    /// otherwise opens.
    State state() const { return shared_->state(); }
    /// Keeps state(), as one string.
    void save(::torch::serialize::OutputArchive& archive) const override {
        archive.write(kKey, c10::IValue(state().to_json()));
    }
    /// Goes on where save() was called: sets RingOptions::resume. Throws UsageError once ring and
    /// loader are there, and for an archive that holds no state.
    void load(::torch::serialize::InputArchive& archive) override {
        c10::IValue value;
        if (!archive.try_read(kKey, value) || !value.isString()) {
            throw UsageError("ring dataset: found an archive without a \"" + std::string(kKey) +
                             "\", wanted one that RingDataset::save() wrote");
        }
        shared_->resume(State::from_json(value.toStringRef()));
    }
    /// Ends the ring: a thread that waits for a batch gets none. Nothing for a loader that was
    /// given, whose ring is the caller's.
    void close() noexcept { shared_->close(); }

  private:
    static constexpr const char* kKey = "headrace_state";

    // What all copies are.
    struct Shared {
        explicit Shared(RingDatasetOptions given) : options(std::move(given)) {}

        Loader& open();
        State state();
        State order();
        void resume(const State& state);
        void close() noexcept;
        void expect_request(const LoaderOptions& loader_options, std::size_t size) const;
        std::optional<Batch> next(Loader& from);

        const RingDatasetOptions options;
        std::mutex opening;  // of what follows
        RingOptions ring_options;
        LoaderOptions loader_options;
        std::optional<Ring> own_ring;
        std::optional<Loader> own_loader;
        Loader* loader = nullptr;

        std::mutex taking;             // of what follows
        std::thread::id trainer = {};  // who began the loop
        StreamRef trainer_stream = {};
        bool is_over = false;         // the epoch of this loop
        bool is_inside = false;       // of an epoch: some of it has been taken
        bool was_left_early = false;  // so the loop before has left it, and nothing was taken since
    };

    static void expect_depth(std::uint32_t depth) {
        if (depth >= 2) return;
        throw UsageError("ring dataset: LoaderOptions::depth " + std::to_string(depth) +
                         ", wanted 2 at least: torch::data holds a batch until it has the next");
    }

    std::shared_ptr<Shared> shared_;
};

// ---- inside ------------------------------------------------------------------------------------

inline Loader& RingDataset::Shared::open() {
    const std::lock_guard lock(opening);
    if (loader != nullptr) return *loader;
    if (!own_ring) own_ring.emplace(Ring::create(ring_options));
    loader = &own_loader.emplace(*own_ring, loader_options);
    return *loader;
}

inline State RingDataset::Shared::state() {
    {
        const std::lock_guard lock(opening);
        if (loader == nullptr && ring_options.resume) return *ring_options.resume;
    }
    return open().state();
}

// How records are dealt, without opening anything.
inline State RingDataset::Shared::order() {
    const std::lock_guard lock(opening);
    if (loader != nullptr) return loader->state();
    State order;
    order.epoch_records = ring_options.epoch_records;
    order.rank = ring_options.rank;
    order.world_size = ring_options.world_size;
    order.remainder = ring_options.remainder;
    return order;
}

inline void RingDataset::Shared::resume(const State& state) {
    const std::lock_guard lock(opening);
    if (own_ring) {
        throw UsageError("ring dataset \"" + own_ring->name() +
                         "\": load() finds its ring running; call it before the first use");
    }
    if (loader != nullptr) {
        throw UsageError(
            "ring dataset: load() finds a loader that runs already; set RingOptions::resume of its "
            "ring instead");
    }
    ring_options.resume = state;
}

inline void RingDataset::Shared::close() noexcept {
    const std::lock_guard lock(opening);
    if (own_ring) own_ring->close();
}

inline void RingDataset::Shared::expect_request(const LoaderOptions& loader_options_,
                                                std::size_t size) const {
    if (size != loader_options_.batch) {
        throw UsageError("ring dataset: the data loader asks for batches of " +
                         std::to_string(size) + ", found LoaderOptions::batch " +
                         std::to_string(loader_options_.batch) +
                         "; give DataLoaderOptions the same number");
    }
}

// Empty at the end of the epoch and of the data.
inline std::optional<Batch> RingDataset::Shared::next(Loader& from) {
    // With fewer a loop that takes long over a batch would look like one that keeps them.
    constexpr std::uint32_t kDepthForWorkers = 3;
    const bool is_worker = trainer != std::thread::id() && std::this_thread::get_id() != trainer;
    if (is_worker && from.options().depth < kDepthForWorkers) {
        throw UsageError("ring dataset: LoaderOptions::depth " +
                         std::to_string(from.options().depth) +
                         ", wanted max_jobs + 1 with worker threads, 3 at least; or no workers, "
                         "for the loader has threads of its own");
    }
    const StreamRef stream = options.stream ? *options.stream
                             : is_worker    ? trainer_stream
                                            : torch::current_stream(from.device());
    const bool starts_anew = options.new_epoch_each_loop && from.state().epoch_records != 0;
    for (;;) {
        auto result = from.next(stream);
        if (result.outcome() == Outcome::timed_out) {
            throw TimeoutError("ring dataset: no batch within the time-out; " +
                               from.stats().verdict());
        }
        const bool is_rest = was_left_early;
        was_left_early = is_rest && result && starts_anew;
        if (was_left_early) continue;  // thrown away, and given back
        is_inside = result.outcome() == Outcome::ready;
        if (is_inside) return std::move(*result);
        // The end of what the loop before has left is not the end of this one's.
        if (is_rest && result.outcome() == Outcome::end_of_epoch) continue;
        return std::nullopt;
    }
}

}  // namespace headrace::torch_data
