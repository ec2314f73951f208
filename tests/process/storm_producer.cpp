#include "process/storm_producer.hpp"

#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "headrace/headrace.hpp"
#include "process/storm_content.hpp"

namespace headrace::process_storm {

namespace {

struct WantsToLeave {};  // an exception that ends a life out of order

class Life {
  public:
    Life(const Plan& plan, Board& board, Seat& seat, std::uint64_t life)
        : plan_(plan), board_(board), seat_(seat), random_(scatter(plan.seed ^ scatter(life))) {}

    int run() {
        seat_.stage = Stage::attaching;
        producer_ =
            Producer::attach("storm", {.directory = plan_.directory.data(), .identity = "storm"});
        const int end = produce();
        held_.clear();
        seat_.stage = Stage::leaving;
        return end;
    }

  private:
    struct Held {
        ClaimedRecord record;
        std::size_t place;  // of its mark in the seat
    };

    bool happens(const Chance& chance) {
        return chance.one_in != 0 && random_() % chance.one_in == 0;
    }

    int produce() {
        seat_.stage = Stage::claiming;
        for (;;) {
            if (held_.empty() && board_.finish.load()) return kEnded;
            if (happens(plan_.leave)) return leave();
            auto record = held_.empty() ? producer_->claim() : producer_->try_claim();
            if (record) {
                hold(std::move(*record));
                seat_.stage = Stage::working;
            } else if (record.outcome() == Outcome::end && held_.empty()) {
                return kEnded;
            }
            const std::size_t wanted = 1 + random_() % plan_.most_held;
            if (record && held_.size() < wanted) {
                seat_.stage = Stage::claiming;
                continue;
            }
            while (!held_.empty()) settle_one();
            seat_.stage = Stage::claiming;
        }
    }

    // In order, or with an exception on its way, which gives back what it holds.
    int leave() {
        for (const Held& held : held_) mark(held, true);
        seat_.stage = Stage::leaving;
        if (random_() % 2 == 0) throw WantsToLeave{};
        return kLeft;
    }

    void hold(ClaimedRecord&& record) {
        std::size_t place = 0;
        while (seat_.held[place].load() != HeldIndex::none()) ++place;
        held_.push_back({std::move(record), place});
        mark(held_.back(), false);
    }
    void mark(const Held& held, bool settling) {
        seat_.held[held.place] =
            HeldIndex::pack(held.record.index(), held.record.attempt(), settling);
    }

    void settle_one() {
        std::swap(held_[random_() % held_.size()], held_.back());
        Held held = std::move(held_.back());
        held_.pop_back();
        ClaimedRecord& record = held.record;
        const std::vector<std::int64_t> lengths = write(record);
        mark(held, true);
        if (happens(plan_.skip)) {
            record.skip("skipped at attempt " + std::to_string(record.attempt()));
        } else if (happens(plan_.drop)) {
            const ClaimedRecord gone = std::move(record);
        } else {
            record.publish_lengths(lengths);
        }
        seat_.held[held.place] = HeldIndex::none();
    }

    std::vector<std::int64_t> write(ClaimedRecord& record) {
        const std::uint64_t index = record.index(), attempt = record.attempt();
        const Head head = Head::of(plan_.seed, index, record.item(), attempt,
                                   static_cast<std::uint64_t>(getpid()));
        const std::vector<Field>& fields = record.schema().fields();
        std::vector<std::int64_t> lengths;
        for (std::size_t field = 0; field < fields.size(); ++field) {
            const std::span<std::byte> row = record.field_bytes(field);
            if (fields[field].name == "head") {
                std::memcpy(row.data(), &head, sizeof head);
                lengths.push_back(kHeadWords);
                continue;
            }
            const std::uint64_t key = key_of(plan_.seed, index, attempt, field);
            lengths.push_back(length_of(key, fields[field].capacity));
            const std::size_t element = bytes_of(fields[field].dtype);
            const auto bytes = static_cast<std::size_t>(lengths.back()) * element;
            std::memset(row.data(), 0xA5, bytes / 2);  // half written, and wrong
            something_may_happen();
            write_content(key, row.first(bytes));
        }
        something_may_happen();
        look_at(record, head, lengths);
        return lengths;
    }

    // What it wrote must be there still: nobody else writes into a record that is held.
    void look_at(ClaimedRecord& record, const Head& head,
                 const std::vector<std::int64_t>& lengths) {
        const std::vector<Field>& fields = record.schema().fields();
        for (std::size_t field = 0; field < fields.size(); ++field) {
            const std::span<const std::byte> row = record.field_bytes(field);
            if (fields[field].name == "head") {
                if (std::memcmp(row.data(), &head, sizeof head) != 0) complain_of(head);
                continue;
            }
            const auto bytes =
                static_cast<std::size_t>(lengths[field]) * bytes_of(fields[field].dtype);
            const std::uint64_t key = key_of(plan_.seed, head.index, head.attempt, field);
            if (first_wrong(key, row.first(bytes)) != bytes) complain_of(head);
        }
    }
    void complain_of(const Head& head) {
        board_.complain("somebody else wrote into a record that is held: " + head.describe());
    }

    void something_may_happen() {
        if (board_.calm.load()) return;
        if (happens(plan_.delay)) pause();
        if (happens(plan_.stop_self)) raise(SIGSTOP);
        if (happens(plan_.suicide)) {
            seat_.kills_itself = true;
            raise(SIGKILL);
        }
    }
    void pause() {
        if (random_() % 4 == 0) {
            sched_yield();
            return;
        }
        std::exponential_distribution<double> waits(1.0 / std::max(1u, plan_.delay.mean_us));
        std::this_thread::sleep_for(
            std::chrono::microseconds(static_cast<std::int64_t>(waits(random_))));
    }

    const Plan& plan_;
    Board& board_;
    Seat& seat_;
    std::mt19937_64 random_;
    std::optional<Producer> producer_;  // outlives what it holds
    std::vector<Held> held_;
};

// Whether one that comes may be turned away with these words.
bool may_be_refused(const Plan& plan, const Board& board, const std::string& why) {
    // No memory for a mapping, a socket or a message.
    if (plan.place == Place::tight_memory) return true;
    return board.over.load() || why.find("the ring has ended") != std::string::npos;
}

}  // namespace

int live(const Plan& plan, Board& board, Seat& seat, std::uint64_t life) try {
    return Life(plan, board, seat, life).run();
} catch (const WantsToLeave&) {
    return kLeft;
} catch (const RingAborted& error) {
    if (board.over.load()) return kEnded;
    board.complain(std::string("a producer was told: ") + error.what());
    return kViolation;
} catch (const std::exception& error) {
    if (seat.stage.load() == Stage::attaching && may_be_refused(plan, board, error.what())) {
        return kRefused;
    }
    board.complain(std::string("a producer failed: ") + error.what());
    return kViolation;
}

}  // namespace headrace::process_storm
