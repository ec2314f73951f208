#include "process/storm_round.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <optional>
#include <random>
#include <sstream>
#include <thread>

#include "gtest/temporary_folder.hpp"
#include "headrace/headrace.hpp"
#include "process/storm_account.hpp"
#include "process/storm_content.hpp"
#include "process/storm_quarters.hpp"

namespace headrace::process_storm {

namespace {

using Clock = std::chrono::steady_clock;

// Ends a round from outside when its time is over; the consumer may be asleep then.
class Clockwork {
  public:
    Clockwork(const Plan& plan, Board& board, Ring& ring)
        : thread_([this, &plan, &board, &ring] { run(plan, board, ring); }) {}
    ~Clockwork() { stop(); }
    Clockwork(const Clockwork&) = delete;
    Clockwork& operator=(const Clockwork&) = delete;

    void stop() {
        {
            const std::lock_guard lock(mutex_);
            is_stopped_ = true;
        }
        changed_.notify_all();
        if (thread_.joinable()) thread_.join();
    }

  private:
    void run(const Plan& plan, Board& board, Ring& ring) {
        std::unique_lock lock(mutex_);
        const std::chrono::milliseconds time(plan.milliseconds);
        if (changed_.wait_for(lock, time, [this] { return is_stopped_; })) return;
        // In the midst of it, or in a calm.
        const bool is_sudden = plan.ending != Ending::by_itself && scatter(plan.seed) % 2 == 0;
        if (!is_sudden) board.calm = true;
        if (plan.epoch_records == 0 && plan.ending == Ending::by_itself) board.finish = true;
        if (plan.ending == Ending::by_itself) return;
        board.over = true;
        if (plan.ending == Ending::closed) ring.close();
        if (plan.ending == Ending::aborted) ring.abort("the storm is over");
        board.calm = true;
    }

    std::mutex mutex_;
    std::condition_variable changed_;
    bool is_stopped_ = false;
    std::thread thread_;
};

// Takes records in all ways that there are, holds some, and gives them back in any order.
class Taker {
  public:
    Taker(const Plan& plan, const Board& board, Consumer& consumer, Account& account,
          Watchdog& watchdog, std::atomic<std::uint64_t>& position)
        : plan_(plan),
          board_(board),
          consumer_(consumer),
          account_(account),
          watchdog_(watchdog),
          position_(position),
          random_(scatter(plan.seed + 1)) {}

    // Until the end of the data, or of the ring.
    void run() {
        try {
            while (take_once()) {
            }
        } catch (const RingAborted&) {
            if (plan_.ending != Ending::aborted) throw;
        }
        position_ = consumer_.position();
        account_.pass(position_);
        while (!leases_.empty()) give_back_one();
    }

  private:
    struct Held {
        RecordLease lease;
        std::uint64_t first;  // the index from which on its slots are held
    };

    bool take_once() {
        const std::uint64_t from = consumer_.position();
        const std::uint64_t wanted = 1 + random_() % plan_.most_taken;
        const std::uint64_t way = random_() % 8;
        make_room(from, wanted, way == 0);
        const auto patience = std::chrono::microseconds(random_() % 2'000);
        bool tells_holes = false;
        Result<RecordLease> result = [&] {
            switch (way) {
                case 0: return consumer_.get();
                case 1: return consumer_.get_for(patience);
                case 2: return consumer_.try_get();
                case 3: tells_holes = true; return consumer_.take_for(wanted, patience);
                default: tells_holes = true; return consumer_.take(wanted);
            }
        }();
        const std::uint64_t to = consumer_.position();
        position_ = to;
        if (result) {
            account_.note(*result, to, tells_holes);
            leases_.push_back({std::move(*result), from});
            watchdog_.note_progress();
        } else if (result.outcome() == Outcome::end_of_epoch) {
            account_.note_end_of_epoch(to);
        } else if (result.outcome() == Outcome::end) {
            return false;
        } else {
            account_.pass(to);
        }
        const bool pauses = plan_.pause.one_in != 0 && !board_.calm.load();
        if (pauses && random_() % plan_.pause.one_in == 0) {
            std::this_thread::sleep_for(
                std::chrono::microseconds(random_() % (2 * plan_.pause.mean_us)));
        }
        while (leases_.size() >= plan_.most_leases) give_back_one();
        return true;
    }

    // What is wanted is at most a lap ahead of all that is held. get() may pass any number of holes
    // on its way, so it has nothing held when it waits without end.
    void make_room(std::uint64_t from, std::uint64_t wanted, bool all) {
        while (!leases_.empty()) {
            std::uint64_t oldest = from;
            for (const Held& held : leases_) oldest = std::min(oldest, held.first);
            if (!all && from + wanted <= oldest + plan_.slots) return;
            give_back_one();
        }
    }
    void give_back_one() {
        std::swap(leases_[random_() % leases_.size()], leases_.back());
        account_.look_at(leases_.back().lease);
        leases_.pop_back();
    }

    const Plan& plan_;
    const Board& board_;
    Consumer& consumer_;
    Account& account_;
    Watchdog& watchdog_;
    std::atomic<std::uint64_t>& position_;
    std::mt19937_64 random_;
    std::deque<Held> leases_;
};

std::size_t open_descriptors() {
    const std::filesystem::directory_iterator all("/proc/self/fd");
    return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

bool maps_a_ring() {
    std::ifstream maps("/proc/self/maps");
    std::string line;
    while (std::getline(maps, line)) {
        if (line.find("/memfd:headrace") != std::string::npos) return true;
    }
    return false;
}

std::string describe(const Stats& stats, std::uint64_t position, const Board& board) {
    std::ostringstream text;
    text << "the consumer stands at " << position << "; phase " << name_of(stats.phase)
         << ", claimed " << stats.claimed << ", delivered " << stats.delivered << ", in the ring "
         << stats.in_ring << " (writing " << stats.writing << ", ready " << stats.ready
         << ", leased " << stats.leased << "), lost " << stats.lost << ", returned "
         << stats.returned << ", deaths " << stats.deaths << ", alarms " << stats.alarms
         << (board.calm.load() ? "; calm" : "; storm") << (board.over.load() ? ", over" : "");
    for (std::size_t i = 0; i < board.seats.size(); ++i) {
        const Seat& seat = board.seats[i];
        const Stage stage = seat.stage.load();
        if (stage == Stage::nobody) continue;
        text << "\n  seat " << i << ": stage " << static_cast<int>(stage) << ", holds";
        for (const auto& word : seat.held) {
            if (word.load() == HeldIndex::none()) continue;
            text << ' ' << HeldIndex::index_of(word.load())
                 << (HeldIndex::is_settling(word.load()) ? " (settling)" : "");
        }
    }
    for (const ProducerStats& producer : stats.producers) {
        if (producer.state != ProducerState::attached &&
            producer.state != ProducerState::contact_lost) {
            continue;
        }
        text << "\n  producer " << producer.id << ", pid " << producer.pid << ": "
             << name_of(producer.state) << ", claimed " << producer.claimed << ", published "
             << producer.published;
    }
    return text.str();
}

// The service hears of the last deaths a moment after the nursery. What it does about one takes it
// longer than the state shows; but it does one thing after the other, so when it has answered
// whoever comes then, all of it is done.
void await_rest(const Ring& ring, const std::string& directory) {
    while (std::ranges::any_of(ring.stats().producers, [](const ProducerStats& producer) {
        return producer.state == ProducerState::attached ||
               producer.state == ProducerState::contact_lost;
    })) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    const Observer answered(ring.name(), directory, std::chrono::minutes(2));
}

void add(const Stats& stats, Balance& balance) {
    balance.claimed += stats.claimed, balance.delivered += stats.delivered;
    balance.in_ring += stats.in_ring, balance.lost += stats.lost;
    balance.discarded += stats.discarded, balance.skipped += stats.skipped;
    balance.died += stats.died, balance.dropped += stats.dropped;
    balance.returned += stats.returned, balance.deaths += stats.deaths;
    balance.alarms += stats.alarms;
}

}  // namespace

Balance& Balance::operator+=(const Balance& more) {
    tally += more.tally;
    rounds += more.rounds;
    claimed += more.claimed, delivered += more.delivered, in_ring += more.in_ring;
    lost += more.lost, discarded += more.discarded;
    skipped += more.skipped, died += more.died, dropped += more.dropped;
    returned += more.returned, deaths += more.deaths, alarms += more.alarms;
    seconds += more.seconds;
    return *this;
}

std::string Balance::describe() const {
    std::ostringstream text;
    text << tally.deaths() << " killed (" << tally.suicides << " at a place of their choice";
    if (tally.by_kernel != 0) text << ", " << tally.by_kernel << " for want of memory";
    text << "; " << deaths << " attached), " << tally.stops << " stopped, " << tally.continues
         << " continued, ";
    if (tally.freezes != 0) text << tally.freezes << " times frozen, ";
    text << tally.restarts << " restarted, " << returned << " records came back, " << alarms
         << " alarms; claimed " << claimed << " = delivered " << delivered << " + in the ring "
         << in_ring << " + lost " << lost << " (skipped " << skipped << ", died " << died
         << ", dropped " << dropped << ") + discarded " << discarded;
    return text.str();
}

Harness::Harness() : board_(make_board()), nursery_(board_), watchdog_(nursery_.pid()) {}

std::string Harness::run(Plan plan, Balance& balance, std::string& why_not) {
    Quarters quarters(plan, nursery_.pid());
    why_not = quarters.why_not();
    if (!why_not.empty()) return {};
    const std::size_t descriptors = open_descriptors();
    const TemporaryFolder folder;
    const std::string directory = folder.path().string();
    directory.copy(plan.directory.data(), plan.directory.size() - 1);
    try {
        storm(plan, balance, quarters);
    } catch (const std::exception& error) {
        board_->complain(error.what());
    }
    if (open_descriptors() != descriptors) {
        board_->complain("descriptors stay open: " + std::to_string(open_descriptors()) +
                         ", before it were " + std::to_string(descriptors));
    }
    if (!std::filesystem::is_empty(folder.path())) board_->complain("a file stays behind");
    if (maps_a_ring()) board_->complain("the ring stays mapped");
    watchdog_.tell({});
    return board_->complaint();
}

void Harness::storm(Plan& plan, Balance& balance, Quarters& quarters) {
    const Clock::time_point began = Clock::now();
    board_->begin_round();
    Account account(plan, *board_);
    RingOptions options = plan.options();
    options.directory = plan.directory.data();
    options.on_message = [&account](const Message& message) { account.hear(message); };
    Ring ring = Ring::create(options);
    account.begin(ring.sampler());
    std::optional<Consumer> consumer = ring.consumer();
    std::atomic<std::uint64_t> position{consumer->position()};
    watchdog_.tell([&] {
        return "seed " + std::to_string(plan.seed) + ": " + plan.describe() + "\n  " +
               process_storm::describe(ring.stats(), position.load(), *board_);
    });
    quarters.tighten(plan);
    nursery_.begin(plan);
    std::string failure;
    {
        Clockwork clockwork(plan, *board_, ring);
        try {
            Taker(plan, *board_, *consumer, account, watchdog_, position).run();
        } catch (const std::exception& error) {
            failure = std::string("the consumer failed: ") + error.what();
        }
    }
    board_->over = true;
    board_->calm = true;
    if (!failure.empty()) {
        board_->complain(failure);
        ring.close();
    }
    watchdog_.note_progress();
    nursery_.wait();
    watchdog_.note_progress();
    await_rest(ring, options.directory);
    const Stats stats = ring.stats();
    if (failure.empty()) account.reckon(stats, board_->tally, position);
    watchdog_.tell([] { return std::string("the ring is taken down"); });
    consumer.reset();
    add(stats, balance);
    balance.tally += board_->tally;
    ++balance.rounds;
    balance.seconds += std::chrono::duration<double>(Clock::now() - began).count();
}

}  // namespace headrace::process_storm
