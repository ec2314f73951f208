// A loader's inside: two threads, the device batches between them and the trainer, and the clocks.
//
//   planner    waits for the ring, plans a batch, has the device copy it, announces it
//   completer  waits for copies in order and gives their slots back; idle on devices whose
//              copies are complete at once
//   trainer    any threads: next(), give_back()
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <thread>
#include <vector>

#include "device/backend.hpp"
#include "headrace/loader.hpp"
#include "loader/plan.hpp"
#include "ring/consumer_core.hpp"
#include "ring/ring_core.hpp"

namespace headrace::detail {

// Counters are written by several threads of the trainer, and read by anybody.
inline void raise(std::atomic<std::uint64_t>& counter, std::uint64_t by) noexcept {
    counter.fetch_add(by, std::memory_order_relaxed);
}

// Time that the trainer stood idle.
struct Wait {
    std::uint64_t all_ns = 0;
    std::uint64_t for_producers_ns = 0;
    std::uint64_t for_copies_ns = 0;
};

// A device batch. Belongs to the planner while it is filled, then to whoever holds the lease.
struct BatchSlot {
    std::unique_ptr<device::Buffer> values, head, host_head;
    device::BatchTarget target;
    // The events of one filling. Fillings take turns between two sets: what a filling took is read
    // when the next one is complete, for then the trainer's stream has passed it too.
    struct Filling {
        // Stamps of the clock: its records are waited for; they have come from the producers; the
        // device is told.
        std::unique_ptr<device::Event> awaited, arrived, handed;
        std::unique_ptr<device::Event> begun;   // the copy stream comes to it
        std::unique_ptr<device::Event> moved;   // ring and plan are read no more
        std::unique_ptr<device::Event> filled;  // the batch is complete
        std::unique_ptr<device::Event> asked;   // the trainer's stream wants it
        bool is_used = false, is_asked = false;
        Wait shown;  // what of its wait has been counted already
    };
    std::array<Filling, 2> fillings;
    std::size_t turn = 0;
    Filling& filling() noexcept { return fillings[turn]; }
    // The one before it, which is the next one too.
    Filling& other_filling() noexcept { return fillings[1 - turn]; }
    // Work of the trainer that the next copy into this batch waits for; grows to the number of
    // streams that used one batch, and is kept.
    std::vector<std::unique_ptr<device::Event>> used;
    std::size_t used_count = 0;
    std::vector<StreamRef> streams;

    IndexRange range;
    std::uint64_t epoch = 0;
    Taken taken;
    std::vector<std::uint32_t> slots;
    std::vector<std::uint64_t> items;
    std::vector<FieldShape> shapes;
    device::BatchPlan plan;
    std::uint64_t payload_bytes = 0, padding_bytes = 0, link_bytes = 0;
    std::uint64_t awaited_ns = 0, arrived_ns = 0, announced_ns = 0;  // for the verdict
    std::uint64_t delivery = 0;  // its number among all deliveries
    // The device still reads the plan; a lease given back meanwhile does not make the batch free
    // yet.
    bool copying = false, returned_early = false;
    // The trainer was never given it, though it was counted as delivered: state() stops before it.
    bool was_refused = false;
};

class LoaderCore : public std::enable_shared_from_this<LoaderCore> {
  public:
    LoaderCore(std::shared_ptr<RingCore> ring, LoaderOptions options);
    ~LoaderCore();
    void start();
    // Ends the threads; batches in the trainer's hands stay. Idempotent.
    void stop() noexcept;
    bool is_this_process() const noexcept { return ring_->is_this_process(); }

    Result<Batch> next(std::optional<std::chrono::nanoseconds> timeout, StreamRef stream);
    void require_no_streams() const;
    [[noreturn]] void throw_timeout() const;
    void use(BatchSlot& slot, StreamRef stream);
    // What Batch::strip_into says.
    void strip(BatchSlot& slot, std::span<const StripTarget> targets, StreamRef stream);
    void give_back(BatchSlot& slot) noexcept;

    State state() const;
    bool done() const noexcept;
    Stats stats() const;
    const LoaderOptions& options() const noexcept { return options_; }
    const BatchForm& form() const noexcept { return form_; }

  private:
    using Clock = ring::Clock;
    enum class What { batch, epoch_end, end, error };
    struct Ready {
        What what;
        BatchSlot* slot = nullptr;
        std::uint64_t position = 0;  // where a run resumed after this goes on
        // The ring's when it was planned: stale when a reset has raised it since. Of an error, and
        // of an end that no reset can follow, kEveryFloor.
        std::uint64_t floor = 0;
    };
    static constexpr std::uint64_t kEveryFloor = ~std::uint64_t{0};
    struct Delivery {  // handed to the trainer, in order
        std::uint64_t position;
        std::uint64_t floor;
        bool returned;
    };
    struct Asked {  // when a stream came to want a batch
        StreamRef stream;
        std::unique_ptr<device::Event> event;
        Wait shown = {};            // what of its wait has been counted already
        BatchSlot* slot = nullptr;  // what it was given
    };
    struct Copying {
        BatchSlot* slot;
        BatchSlot::Filling* filling;
        BatchSlot::Filling* before;
        std::vector<std::uint64_t> indices;
    };

    void register_ring();
    void make_slots();
    // The planner's.
    void plan_batches();
    bool plan_one();
    bool wait_behind_end();
    Arrival await_records(IndexRange& range);
    BatchSlot* wait_for_slot();
    bool is_unwanted(const IndexRange& range, Arrival arrival) const;
    void fill(BatchSlot& slot, const IndexRange& range);
    void hand_to_device(BatchSlot& slot);
    void enqueue(BatchSlot& slot);
    void announce(What what, BatchSlot* slot, std::uint64_t position);
    void announce_last_end();
    void fail(std::exception_ptr error) noexcept;
    // The planner's and the trainer's; under the lock.
    bool is_stale(std::uint64_t floor) const noexcept;
    void discard_stale() noexcept;
    void discard(BatchSlot& slot) noexcept;
    // The completer's.
    void complete_copies();
    void account_filling(BatchSlot::Filling& filling);
    // The trainer's.
    bool wait_visibly(std::unique_lock<std::mutex>& lock, std::optional<Clock::time_point> deadline,
                      Asked* asked);
    bool wait_until_ready(std::unique_lock<std::mutex>& lock,
                          std::optional<Clock::time_point> deadline,
                          const std::function<void()>& look);
    Result<Batch> wait_and_hand_out(std::optional<std::chrono::nanoseconds> timeout, Asked* asked);
    Result<Batch> hand_out(Ready ready, std::uint64_t waited_from_ns);
    Asked ask(StreamRef stream);
    void keep(Asked asked, Outcome outcome);
    void hand_over(Asked& asked);
    void record_uses(BatchSlot& slot);
    void expect_strippable(const BatchSlot& slot, std::span<const StripTarget> targets) const;
    bool was_handed_to(const BatchSlot& slot, StreamRef stream);
    [[noreturn]] void rethrow_error();
    void move_state_on() noexcept;
    // Where the batches given back end, as an index of the ring; under the lock.
    std::uint64_t ring_position(std::uint64_t floor) const noexcept;
    bool has_ended() const noexcept;  // under the lock
    void note_end() noexcept;
    void keep_error(std::exception_ptr error) noexcept;  // the first one counts; under the lock
    void account_wait(std::uint64_t from_ns, std::uint64_t to_ns, const BatchSlot* slot);
    void count(const Wait& wait) noexcept;
    std::optional<Wait> stood_for(BatchSlot::Filling& filling);

    std::shared_ptr<RingCore> ring_;
    LoaderOptions options_;
    BatchForm form_;
    std::shared_ptr<device::Backend> backend_;
    std::unique_ptr<ConsumerCore> consumer_;
    std::uint64_t state_position_, state_floor_;  // an index of the ring, and the floor then
    // After the ring, for it is undone before the memory is unmapped.
    std::unique_ptr<device::Registration> registration_;
    std::vector<std::unique_ptr<BatchSlot>> slots_;
    std::unique_ptr<device::CopyStream> copy_stream_;

    mutable std::mutex mutex_;
    std::condition_variable ready_changed_, free_changed_, copying_changed_;
    std::deque<Ready> ready_;
    std::vector<BatchSlot*> free_;
    std::deque<Copying> copying_;
    std::deque<Delivery> deliveries_;
    std::vector<Asked> asked_;  // by streams that timed out, and want their batch since then
    std::vector<std::unique_ptr<device::Event>> spare_events_;
    std::uint64_t first_delivery_ = 0;  // number of deliveries_.front()
    std::uint32_t leased_ = 0;
    std::uint64_t lease_moves_ = 0;  // batches ever handed out or given back
    std::exception_ptr error_;
    bool stopping_ = false;
    bool no_more_copies_ = false;
    std::optional<std::uint64_t> ended_floor_;  // of the end that was told, as in Ready
    bool anything_yet_ = false;

    std::thread planner_, completer_;
};

}  // namespace headrace::detail
