// What the seeds of a storm use one after another, because making it takes longer than a run: the
// device, streams, rings that go on, and a thread that gives batches back.
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "device/simulated_backend.hpp"
#include "headrace/batch.hpp"
#include "headrace/ring.hpp"
#include "loader/storm_plan.hpp"

namespace headrace::storm {

// Gives batches back, in a thread of its own.
class Giver {
  public:
    Giver() : thread_([this] { give_back_all(); }) {}
    Giver(const Giver&) = delete;
    Giver& operator=(const Giver&) = delete;
    ~Giver();
    void give(Batch batch);
    void wait();  // until all are given back

  private:
    void give_back_all();
    std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<Batch> batches_;
    bool busy_ = false, stopping_ = false;
    std::thread thread_;
};

// A ring with its producers, which stay: a stream ring ends when they finish.
struct WorldRing {
    static constexpr unsigned kProducers = 2;
    explicit WorldRing(RingOptions options);
    Ring ring;
    std::vector<Producer> producers;
    bool is_used_up = false;
};

class World {
  public:
    static constexpr unsigned kStreams = 3;

    explicit World(std::string directory);
    device::SimulatedBackend& device() noexcept { return *device_; }
    const std::shared_ptr<device::SimulatedBackend>& shared_device() const noexcept {
        return device_;
    }
    device::SimulatedStream& stream(std::size_t number) { return *streams_[number]; }
    Giver& giver() noexcept { return giver_; }
    // A stream ring that goes on, or a new one with epochs.
    WorldRing& ring_for(const Plan& plan);

  private:
    std::string directory_;
    std::shared_ptr<device::SimulatedBackend> device_;
    std::vector<std::unique_ptr<device::SimulatedStream>> streams_;
    std::map<std::pair<std::size_t, std::size_t>, std::unique_ptr<WorldRing>> rings_;
    std::unique_ptr<WorldRing> with_epochs_;
    std::uint64_t rings_made_ = 0;
    Giver giver_;
};

}  // namespace headrace::storm
