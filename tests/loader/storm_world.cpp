#include "loader/storm_world.hpp"

namespace headrace::storm {

Giver::~Giver() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    changed_.notify_all();
    thread_.join();
}

void Giver::give(Batch batch) {
    {
        const std::lock_guard lock(mutex_);
        batches_.push_back(std::move(batch));
    }
    changed_.notify_all();
}

void Giver::wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return batches_.empty() && !busy_; });
}

void Giver::give_back_all() {
    std::unique_lock lock(mutex_);
    for (;;) {
        changed_.wait(lock, [this] { return stopping_ || !batches_.empty(); });
        if (batches_.empty()) return;
        busy_ = true;
        std::vector<Batch> batches = std::exchange(batches_, {});
        lock.unlock();
        batches.clear();
        lock.lock();
        busy_ = false;
        changed_.notify_all();
    }
}

WorldRing::WorldRing(RingOptions options) : ring(Ring::create(std::move(options))) {
    for (unsigned i = 0; i <= kProducers; ++i) producers.push_back(ring.producer());
}

World::World(std::string directory)
    : directory_(std::move(directory)), device_(std::make_shared<device::SimulatedBackend>()) {
    for (unsigned i = 0; i < kStreams; ++i) {
        streams_.push_back(std::make_unique<device::SimulatedStream>(device_->simulator()));
    }
}

WorldRing& World::ring_for(const Plan& plan) {
    RingOptions options{.name = "storm-" + std::to_string(rings_made_),
                        .schema = schema_of(plan.schema),
                        .slots = slots_of(plan.size),
                        .directory = directory_};
    if (plan.has_epochs) {
        options.epoch_records = plan.epoch_records;
        options.epochs = plan.epochs;
        options.shuffle_seed = plan.seed;
        ++rings_made_;
        with_epochs_ = std::make_unique<WorldRing>(std::move(options));
        return *with_epochs_;
    }
    std::unique_ptr<WorldRing>& ring = rings_[{plan.schema, plan.size}];
    if (!ring || ring->is_used_up) {
        ++rings_made_;
        ring.reset();
        ring = std::make_unique<WorldRing>(std::move(options));
    }
    return *ring;
}

}  // namespace headrace::storm
