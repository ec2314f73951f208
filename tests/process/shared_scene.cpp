#include "process/shared_scene.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "headrace/error.hpp"
#include "ring/ring_core.hpp"

namespace headrace {

namespace {

// In the order in which they are let in; the victim attaches later.
constexpr std::uint32_t kProducerId = 1, kOtherId = 2;

RingOptions options_for(const std::string& directory, std::uint64_t records) {
    return {.name = "test",
            .schema = signed_record::schema(),
            .slots = SharedScene::kSlots,
            .epoch_records = records,
            .epochs = 1,
            .directory = directory,
            .shared_consumers = true};
}

constexpr std::uint64_t bit(std::uint64_t index) {
    return std::uint64_t{1} << index;
}

}  // namespace

SharedScene::SharedScene(const std::string& directory, std::uint64_t records, bool hole)
    : records_(records),
      hole_(hole),
      ring_(Ring::create(options_for(directory, records))),
      protocol_(ring_.shared_core()->protocol()) {
    producer_ = std::thread(
        [this, producer = ring_.producer()]() mutable { produce(std::move(producer)); });
    consumer_ = std::thread(
        [this, consumer = ring_.consumer({.first_timeout = kDeadline, .stall_timeout = kDeadline},
                                         "other")]() mutable { consume(std::move(consumer)); });
}

SharedScene::~SharedScene() {
    ring_.close();
    if (!released_) start_.count_down();
    if (producer_.joinable()) producer_.join();
    if (consumer_.joinable()) consumer_.join();
}

void SharedScene::say(const std::string& what) {
    const std::lock_guard lock(mutex_);
    said_ += what + "; ";
}

void SharedScene::produce(Producer producer) try {
    producer_thread_.store(gettid());
    for (;;) {
        auto record = producer.claim_for(kDeadline);
        if (!record) {
            if (record.outcome() != Outcome::end) say("the producer waits in vain");
            break;
        }
        if (hole_ && record->index() == 0) {
            record->skip("told to");
        } else {
            signed_record::publish(*record, signed_record::survivor);
        }
    }
    producer.finish();
    producer_ended_.store(true);
} catch (const Error& error) {
    say(std::string("the producer: ") + error.what());
    producer_ended_.store(true);
}

void SharedScene::consume(Consumer consumer) try {
    start_.wait();
    consumer_thread_.store(gettid());
    for (;;) {
        const auto record = consumer.get();
        if (record.outcome() == Outcome::end_of_epoch) continue;
        if (!record) {
            if (record.outcome() != Outcome::end) say("the other consumer waits in vain");
            break;
        }
        if (signed_record::writer_of(*record) != signed_record::survivor) say("a torn record");
        const std::lock_guard lock(mutex_);
        given_.push_back({record->index(), record->deaths()});
    }
    consumer_ended_.store(true);
} catch (const Error& error) {
    say(std::string("the other consumer: ") + error.what());
    consumer_ended_.store(true);
}

void SharedScene::await_full_ring() {
    await("a full ring, and a producer that sleeps or has ended", [this] {
        for (std::uint64_t slot = 0; slot < kSlots; ++slot) {
            if (!ring::is_settled(ring::state_of(protocol_.word_at(slot)))) return false;
        }
        const bool waits = protocol_.producer(kProducerId).waiting_since_ns.load() != 0;
        return producer_ended_.load() || (waits && is_asleep(producer_thread_.load()));
    });
}

void SharedScene::release_other() {
    if (!released_) start_.count_down();
    released_ = true;
    await("another consumer that sleeps or has ended", [this] {
        const bool waits = protocol_.consumer(kOtherId).waiting_since_ns.load() != 0;
        return consumer_ended_.load() || (waits && is_asleep(consumer_thread_.load()));
    });
}

void SharedScene::await_end() {
    await("the other consumer at the end", [this] { return consumer_ended_.load(); });
}

std::uint64_t SharedScene::take_and_go() {
    auto consumer = std::make_optional(ring_.consumer({}, "third"));
    const auto take = [&consumer] {
        auto record = consumer->try_get();
        if (!record) throw std::runtime_error("nothing to take");
        return std::move(*record);
    };
    RecordLease first = take();
    const std::uint64_t given_back = bit(first.index());
    first.release();
    // Never given back: it goes with its consumer, as with one that dies.
    new RecordLease(take());
    consumer.reset();
    return given_back;
}

SharedScene::Hands SharedScene::victims_hands() const {
    Hands hands;
    for (std::uint64_t index = 0; index < kSlots; ++index) {
        const std::uint64_t word = protocol_.word_at(protocol_.slot_of(index));
        if (ring::distance(word, index) > 0) {
            hands.let_go |= bit(index);
            continue;
        }
        if (ring::owner_of(word) <= kOtherId) continue;
        if (ring::state_of(word) == ring::SlotState::leased) hands.held |= bit(index);
        if (ring::state_of(word) == ring::SlotState::leased_hole) hands.is_hole_held = true;
    }
    return hands;
}

std::uint64_t SharedScene::given_to_other() const {
    const std::lock_guard lock(mutex_);
    std::uint64_t bits = 0;
    for (const Given& record : given_) bits |= bit(record.index);
    return bits;
}

// ---- the judgement ----

Scene::Judgement SharedScene::judge(const Wanted& wanted) {
    release_other();
    consumer_.join();
    producer_.join();
    await("nobody attached, and all of it in the books", [&] {
        const Stats stats = ring_.stats();
        return stats.deaths >= wanted.deaths && stats.redelivered >= wanted.redelivered &&
               std::ranges::none_of(stats.consumers, [](const ConsumerStats& consumer) {
                   return consumer.state == ProducerState::attached;
               });
    });
    const Stats stats = ring_.stats();
    std::string wrong;
    {
        const std::lock_guard lock(mutex_);
        wrong = said_;
    }
    return {wrong + wrong_deliveries(wanted) + wrong_books(stats, wanted), stats.alarms};
}

std::string SharedScene::wrong_deliveries(const Wanted& wanted) {
    const std::lock_guard lock(mutex_);
    std::ranges::sort(given_, {}, &Given::index);
    std::string found, right;
    const auto name = [](std::uint64_t index, bool again) {
        return std::to_string(index) + (again ? " again, " : ", ");
    };
    for (const Given& record : given_) found += name(record.index, record.deaths == 1);
    for (std::uint64_t index = 0; index < records_; ++index) {
        if ((wanted.by_other & bit(index)) == 0) continue;
        right += name(index, (wanted.again & bit(index)) != 0);
    }
    return found == right ? "" : "the other was given " + found + "wanted " + right + "; ";
}

std::string SharedScene::wrong_books(const Stats& stats, const Wanted& wanted) const {
    std::string wrong;
    const auto compare = [&wrong](const char* what, std::uint64_t found, std::uint64_t right) {
        if (found == right) return;
        wrong += std::string(what) + " " + std::to_string(found) + ", wanted " +
                 std::to_string(right) + "; ";
    };
    compare("claimed", stats.claimed, records_);
    compare("delivered", stats.delivered, records_ - holes());
    compare("skipped", stats.skipped, holes());
    compare("lost", stats.lost, holes());
    compare("in the ring", stats.in_ring, 0);
    compare("discarded", stats.discarded, 0);
    compare("deaths", stats.deaths, wanted.deaths);
    compare("redelivered", stats.redelivered, wanted.redelivered);
    compare("slots released", protocol_.control().released.load(), records_);
    return wrong;
}

}  // namespace headrace
