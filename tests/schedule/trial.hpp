// One schedule: a ring in plain memory, the actors that use it, what befalls them and when, and
// what must hold of it all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ring/protocol.hpp"
#include "schedule/books.hpp"
#include "schedule/consumer_actor.hpp"
#include "schedule/plan.hpp"
#include "schedule/producer_actor.hpp"
#include "schedule/scheduled_platform.hpp"
#include "schedule/scheduler.hpp"
#include "schedule/sharer_actor.hpp"
#include "schedule/trainer_actors.hpp"

namespace headrace::ring::schedule {

// What befalls whom.
enum class Fate : std::uint8_t {
    death_noticed,  // by the service thread, some time after it
    goes_on,        // who was stopped
    comes_back,     // who went away
    newcomer,
    linger_over,
    reset,
    killed,   // whoever is alive, in a sleep too
    revoked,  // taken for dead
    woken,    // for no reason
    time_over,
    interrupted,
    ended,
};

inline constexpr std::uint32_t kMostIds = 32;  // that ever come

class Trial final : public World {
  public:
    Trial() = default;
    Trial(const Trial&) = delete;
    Trial& operator=(const Trial&) = delete;
    ~Trial() override = default;

    // Empty when all went as it must, or what went wrong and the steps that led there.
    std::string carry_out(const Plan& plan, std::size_t steps_told = 60);
    std::uint64_t steps() const noexcept { return scheduler_.steps(); }

    // For the actors.
    const Plan& plan() const noexcept { return *plan_; }
    // The trainer's, which believes no floor but its own; and that of those who attach.
    ScheduledProtocol& protocol() noexcept { return protocol_; }
    ScheduledProtocol& members_protocol() noexcept { return members_protocol_; }
    Scheduler& scheduler() noexcept { return scheduler_; }
    Random& random() noexcept { return scheduler_.random(); }
    Books& books() noexcept { return books_; }
    Atomic<bool>& interrupted() noexcept { return interrupted_; }
    ServiceActor& service() noexcept { return *service_; }
    ReleaserActor* releaser() noexcept { return releaser_.get(); }
    // A word of a record's first field.
    Atomic<std::uint64_t>& record_word(std::uint64_t index, std::uint64_t word) noexcept;
    // Bytes and reasons may be anybody's: one was taken for dead, and writes on.
    bool is_revoked() const noexcept { return is_revoked_; }
    bool is_consumer_leaving() const noexcept { return consumer_ && consumer_->is_leaving(); }
    // True after it is over.
    bool is_reset_under_way(Party& waits);
    std::uint64_t head_now() noexcept { return protocol_.control().head.peek(); }
    std::uint64_t end_now() const noexcept;
    // As members see it: the trainer raises its own before.
    std::uint64_t floor_now() const noexcept { return protocol_.control().floor.peek(); }
    bool is_reset_since(std::uint64_t floor) const noexcept {
        return trainers_floor_.peek() != floor;
    }
    std::uint32_t phase_now() noexcept { return protocol_.control().phase.peek(); }
    void add_producer(Owner owner);
    void add_sharer(Owner owner);
    // Perhaps; until some time later, or until nobody else can move.
    void go_away(Party& party);
    void plan_fate(Fate what, Party* who, std::uint64_t after_steps);
    [[noreturn]] void fail(const std::string& why) { scheduler_.fail(why); }

    void wrote(const Actor& by, const void* place, std::uint64_t before,
               std::uint64_t after) override;
    void happen() override;
    void meet_fate(Actor& actor) override;
    bool rescue() override;
    std::string name_of(const void* place) const override;
    std::string value_at(const void* place, std::uint64_t value) const override;

  private:
    struct Event {
        std::uint64_t at;
        Fate what;
        Party* who;
    };

    void make_ring();
    void add_actors();
    void plan_fates();
    void choose_fate_of(Party& party);
    void befall(const Event& event);
    bool befall_first(Fate what);
    Party* anybody(bool (*is_it)(const Party&));
    void strike_somebody(Fate how);
    void kill(Party& party);
    std::uint64_t word_now(std::uint64_t slot) const noexcept;
    bool is_over();
    std::vector<Party*> parties() const;
    bool is_waker_stopped() const;
    void check_consumer_asleep();
    void check_sharers_asleep();
    bool is_anything_takeable();
    bool is_anything_held();
    bool is_free_for(std::uint64_t index) const;
    bool rescue_by_newcomers();
    void check_producers_asleep();
    bool is_slot_too_little() const;
    bool is_anything_claimable();
    std::string states() const;
    std::string what_is_wrong_at_end();
    std::string what_is_wrong_in_cells();
    std::string what_is_missing(std::uint64_t position, std::uint64_t tail);

    const Plan* plan_ = nullptr;
    Scheduler scheduler_;
    std::vector<std::byte> buffer_;
    std::span<std::byte> memory_;
    std::uint64_t words_at_ = 0, words_end_ = 0, records_at_ = 0, row_bytes_ = 0;
    std::uint64_t cells_at_ = 0, returned_at_ = 0;
    ScheduledProtocol protocol_, members_protocol_;
    Atomic<std::uint64_t> trainers_floor_{0};
    Books books_;
    Atomic<bool> interrupted_{false};
    std::unique_ptr<ServiceActor> service_;
    std::unique_ptr<ConsumerActor> consumer_;
    std::unique_ptr<ReleaserActor> releaser_;
    std::unique_ptr<TrainerActor> trainer_;
    std::vector<std::unique_ptr<ProducerActor>> producers_;
    std::vector<std::unique_ptr<SharerActor>> sharers_;
    std::vector<Event> events_;  // the first comes last
    bool is_revoked_ = false;
    std::uint32_t kills_left_ = 0, stops_left_ = 0;
};

}  // namespace headrace::ring::schedule
