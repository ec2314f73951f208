// One seed: the real loader over the simulated device, with producers and a trainer, from beginning
// to end, however early and for whatever reason that comes.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "headrace/loader.hpp"
#include "loader/storm_plan.hpp"
#include "loader/storm_world.hpp"

namespace headrace::storm {

class Run {
  public:
    Run(World& world, const Plan& plan);
    // "", or what was wrong first.
    std::string run();

  private:
    // Producers.
    bool is_endless() const noexcept;
    bool take_ticket();
    void start_producers();
    void produce(Producer& producer, std::uint64_t seed);
    void write_what_fits();
    void write(ClaimedRecord&& record);
    void expect_let_go();

    // The trainer.
    std::optional<std::uint64_t> limit() const;
    void make_loader();
    void take_batches();
    bool has_enough() const;
    bool take_one();
    void note_batch(const Batch& batch);
    void pass_reset(const Batch& batch);
    void pass_epoch_end();
    void use(Batch& batch, std::size_t stream);
    void strip(Batch& batch, device::SimulatedStream& stream);
    void give_back_one();
    void give_back_all();
    void expect_fault_to_be_told();
    void expect_state();
    void end_loader();
    void check_books();

    std::uint64_t draw(std::uint64_t below) { return random_() % below; }
    void complain(const std::string& text);

    World& world_;
    const Plan plan_;
    std::mt19937_64 random_;
    WorldRing& ring_;
    std::uint64_t start_ = 0, claimed_ = 0, goal_ = 0;
    std::atomic<std::int64_t> tickets_{0};  // records that may still be written
    std::atomic<bool> stop_{false};
    std::atomic<unsigned> let_go_{0};  // producers that were told of the ring's end
    std::vector<std::thread> producers_;

    std::optional<Loader> loader_;
    std::vector<Batch> leases_;
    std::vector<std::shared_ptr<void>> stripped_;  // memory of the trainer's
    std::uint64_t next_ = 0, epoch_ = 0, batches_ = 0;
    bool has_ended_ = false, has_failed_ = false;
    bool was_reset_ = false;  // since the last batch

    std::mutex mutex_;
    std::string wrong_;
};

}  // namespace headrace::storm
