#include "process/every_instruction.hpp"

#include <algorithm>
#include <fstream>
#include <iostream>
#include <stdexcept>

#include "headrace/error.hpp"
#include "ring/ring_core.hpp"

namespace headrace {

namespace {

// The first producer of a ring; the victim attaches later.
constexpr std::uint32_t kSurvivorId = 1;

// Items in order: the shuffle is hundreds of instructions that touch nothing.
RingOptions options_for(const std::string& directory, std::uint64_t records) {
    return {.name = "test",
            .schema = signed_record::schema(),
            .slots = Scene::kSlots,
            .epoch_records = records,
            .epochs = 1,
            .directory = directory};
}

}  // namespace

bool is_asleep(pid_t thread) {
    std::ifstream file("/proc/self/task/" + std::to_string(thread) + "/stat");
    std::string stat;
    std::getline(file, stat);
    const auto name_ends = stat.rfind(") ");
    return name_ends != std::string::npos && stat[name_ends + 2] == 'S';
}

void await(const char* wanted, const std::function<bool()>& condition) {
    const auto deadline = std::chrono::steady_clock::now() + kDeadline;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > deadline) {
            throw std::runtime_error(std::string("wanted ") + wanted + ", in vain");
        }
        std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
}

Scene::Scene(const std::string& directory, std::uint64_t records)
    : records_(records),
      ring_(Ring::create(options_for(directory, records))),
      protocol_(ring_.shared_core()->protocol()) {
    consumer_ = std::thread([this] { consume(); });
    survivor_ = std::thread(
        [this, producer = ring_.producer("survivor")]() mutable { survive(std::move(producer)); });
}

Scene::~Scene() {
    ring_.close();
    if (!released_) start_.count_down();
    if (consumer_.joinable()) consumer_.join();
    if (survivor_.joinable()) survivor_.join();
}

void Scene::say(const std::string& what) {
    const std::lock_guard lock(mutex_);
    said_ += what + "; ";
}

void Scene::consume() try {
    consumer_thread_.store(gettid());
    Consumer consumer = ring_.consumer({.first_timeout = kDeadline, .stall_timeout = kDeadline});
    for (;;) {
        const auto record = consumer.get();
        if (record.outcome() == Outcome::end_of_epoch) continue;
        if (!record) {
            if (record.outcome() != Outcome::end) say("the consumer waits in vain");
            break;
        }
        {
            const std::lock_guard lock(mutex_);
            delivered_.push_back({record->index(), signed_record::writer_of(*record)});
        }
        delivered_count_.fetch_add(1);
    }
    consumer_ended_.store(true);
} catch (const Error& error) {
    say(std::string("the consumer: ") + error.what());
    consumer_ended_.store(true);
}

void Scene::survive(Producer producer) try {
    start_.wait();
    survivor_thread_.store(gettid());
    for (;;) {
        auto record = producer.claim_for(kDeadline);
        if (!record) {
            if (record.outcome() != Outcome::end) say("the survivor waits in vain");
            break;
        }
        if (record->index() == 0) took_first_.fetch_add(1);
        signed_record::publish(*record, signed_record::survivor);
    }
    producer.finish();
    survivor_ended_.store(true);
} catch (const Error& error) {
    say(std::string("the survivor: ") + error.what());
    survivor_ended_.store(true);
}

Scene::First Scene::first() const {
    const std::uint64_t word = protocol_.word_at(0);
    if (ring::distance(word, 0) > 0) return First::settled;
    switch (ring::state_of(word)) {
        case ring::SlotState::free: return First::unclaimed;
        case ring::SlotState::writing:
            return ring::owner_of(word) == kSurvivorId ? First::unclaimed : First::held_by_victim;
        default: return First::settled;
    }
}

void Scene::await_sleeping_consumer() {
    await("a consumer that sleeps", [this] {
        return protocol_.control().wanted.load() == 0 && is_asleep(consumer_thread_.load());
    });
}

void Scene::release_survivor() {
    if (!released_) start_.count_down();
    released_ = true;
    await("a survivor that sleeps or has ended", [this] {
        const bool waits = protocol_.producer(kSurvivorId).waiting_since_ns.load() != 0;
        return survivor_ended_.load() || (waits && is_asleep(survivor_thread_.load()));
    });
}

void Scene::await_end() {
    await("the others at the end", [this] { return consumer_ended_.load(); });
}

void Scene::await_all_but_first() {
    await("a ring that is full but for the first slot", [this] {
        for (std::uint64_t slot = 1; slot < kSlots; ++slot) {
            if (ring::state_of(protocol_.word_at(slot)) != ring::SlotState::ready) return false;
        }
        return true;
    });
    if (delivered_count_.load() != 0) throw std::runtime_error("something was delivered");
}

// ---- the judgement ----

Scene::Judgement Scene::judge(const Wanted& wanted) {
    release_survivor();
    consumer_.join();
    survivor_.join();
    await("nobody attached, and the death in the books", [&] {
        const Stats stats = ring_.stats();
        return stats.deaths >= wanted.deaths.value_or(0) &&
               std::ranges::none_of(stats.producers, [](const ProducerStats& producer) {
                   return producer.state == ProducerState::attached;
               });
    });
    const Stats stats = ring_.stats();
    std::string wrong;
    {
        const std::lock_guard lock(mutex_);
        wrong = said_;
    }
    return {wrong + wrong_order(wanted) + wrong_books(stats, wanted), stats.alarms};
}

std::string Scene::wrong_order(const Wanted& wanted) {
    std::string found, right;
    const auto name = [](std::uint64_t index, signed_record::Writer writer) {
        const char* const by[] = {"torn", "victim", "survivor"};
        return std::to_string(index) + " " + by[writer] + ", ";
    };
    for (const Delivered& record : delivered_) found += name(record.index, record.writer);
    for (std::uint64_t index = 0; index < records_; ++index) {
        const auto writer = index == 0 ? wanted.first : signed_record::survivor;
        if (writer != signed_record::nobody) right += name(index, writer);
    }
    return found == right ? "" : "delivered " + found + "wanted " + right + "; ";
}

std::string Scene::wrong_books(const Stats& stats, const Wanted& wanted) const {
    std::string wrong;
    const auto compare = [&wrong](const char* what, std::uint64_t found, std::uint64_t right) {
        if (found == right) return;
        wrong += std::string(what) + " " + std::to_string(found) + ", wanted " +
                 std::to_string(right) + "; ";
    };
    const std::uint64_t holes = wanted.first == signed_record::nobody ? 1 : 0;
    compare("claimed", stats.claimed, records_);
    compare("delivered", stats.delivered, records_ - holes);
    compare("skipped", stats.skipped, holes);
    compare("lost", stats.lost, holes);
    compare("in the ring", stats.in_ring, 0);
    compare("prefetched and discarded", stats.prefetched + stats.discarded, 0);
    compare("deaths", stats.deaths,
            wanted.deaths.value_or(std::min<std::uint64_t>(stats.deaths, 1)));
    return wrong;
}

void Places::try_at(std::uint64_t place, const std::function<Scene::Judgement()>& run) {
    Scene::Judgement judgement;
    for (int attempt = 0; attempt < 3; ++attempt) {
        judgement = run();
        if (!judgement.wrong.empty() || judgement.alarms == 0) break;
        if (attempt < 2) ++repeated_;
    }
    if (judgement.wrong.empty() && judgement.alarms != 0) {
        judgement.wrong = std::to_string(judgement.alarms) + " alarms, three times in a row";
    }
    note(place, judgement.wrong);
}

void Places::note(std::uint64_t place, const std::string& wrong) {
    ++tried_;
    if (wrong.empty()) return;
    if (++failed_ <= 5) {
        first_few_ += "\n  place " + std::to_string(place) + ": " + wrong;
    }
}

void Places::report(std::uint64_t fewest, const std::string& remark) {
    std::cout << what_ << " at " << tried_ << " places, " << remark << "; " << repeated_
              << " repeated for an alarm" << std::endl;
    testing::Test::RecordProperty("places", std::to_string(tried_));
    testing::Test::RecordProperty("repeated", std::to_string(repeated_));
    EXPECT_GE(tried_, fewest) << what_;
    EXPECT_EQ(failed_, 0u) << what_ << ":" << first_few_;
}

}  // namespace headrace
