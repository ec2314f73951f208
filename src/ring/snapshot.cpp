#include "ring/snapshot.hpp"

#include <algorithm>

namespace headrace {

std::string_view name_of(Phase phase) noexcept {
    switch (phase) {
        case Phase::open: return "open";
        case Phase::drain: return "drain";
        case Phase::closed: return "closed";
        case Phase::aborted: return "aborted";
    }
    return "?";
}

std::string_view name_of(ProducerState state) noexcept {
    switch (state) {
        case ProducerState::attached: return "attached";
        case ProducerState::finished: return "finished";
        case ProducerState::died: return "died";
        case ProducerState::left: return "left";
        case ProducerState::contact_lost: return "contact lost";
    }
    return "?";
}

namespace ring {

namespace {

std::uint64_t get(const std::atomic<std::uint64_t>& counter) {
    return counter.load(std::memory_order_relaxed);
}

double seconds(std::uint64_t ns) {
    return static_cast<double>(ns) * 1e-9;
}

// Clocks of different processors may disagree by a little.
double seconds_between(std::uint64_t from_ns, std::uint64_t to_ns) {
    return from_ns == 0 || to_ns <= from_ns ? 0.0 : seconds(to_ns - from_ns);
}

void read_member(const MemberCell& cell, auto& stats) {
    stats.incarnation = cell.incarnation.load(std::memory_order_relaxed);
    stats.pid = cell.pid.load(std::memory_order_relaxed);
    stats.identity = cell.identity.load();
    stats.state = static_cast<ProducerState>(cell.state.load());
}

void read_times(const auto& cell, auto& stats, std::uint64_t now) {
    const std::uint64_t detached = get(cell.detached_ns);
    const std::uint64_t until = detached != 0 ? detached : now;
    stats.attached_s = seconds_between(get(cell.attached_ns), until);
    stats.waited_s =
        seconds(get(cell.waited_ns)) + seconds_between(get(cell.waiting_since_ns), until);
}

ProducerStats producer_stats(std::uint32_t id, const ProducerCell& cell, std::uint64_t now) {
    ProducerStats stats;
    stats.id = id;
    read_member(cell, stats);
    stats.claimed = get(cell.claimed);
    stats.published = get(cell.published);
    stats.skipped = get(cell.skipped);
    stats.dropped = get(cell.dropped);
    stats.payload_bytes = get(cell.payload_bytes);
    read_times(cell, stats, now);
    return stats;
}

ConsumerStats consumer_stats(std::uint32_t id, const ConsumerCell& cell, std::uint64_t now) {
    ConsumerStats stats;
    stats.id = id;
    read_member(cell, stats);
    stats.delivered =
        get(cell.counts[static_cast<std::size_t>(Settled::delivered)]) - get(cell.delivered_before);
    read_times(cell, stats, now);
    return stats;
}

// What consumers that share have settled, beside what the trainer's own has.
void add_settled(const ConsumerCell& cell, Stats& stats) {
    const auto count = [&cell](Settled as) {
        return get(cell.counts[static_cast<std::size_t>(as)]);
    };
    stats.delivered += count(Settled::delivered);
    stats.skipped += count(Settled::skipped);
    stats.died += count(Settled::died);
    stats.dropped += count(Settled::dropped);
    stats.invalid += count(Settled::invalid);
    stats.discarded += count(Settled::discarded);
    stats.payload_bytes += get(cell.payload_bytes);
    stats.padding_bytes += get(cell.padding_bytes);
    stats.alarms += get(cell.alarms);
}

// Indices below the tail that a slot stands for: its word's own, also one that came back, and after
// a reset those of later laps that are still to be passed over.
std::uint64_t indices_in(const Protocol& protocol, std::uint64_t word, std::uint64_t tail) {
    const std::int64_t below = -distance(word, tail);
    if (below <= 0) return state_of(word) == SlotState::free ? 0 : 1;
    const auto laps = (static_cast<std::uint64_t>(below) + protocol.slots() - 1) / protocol.slots();
    constexpr std::uint64_t kMostLaps = 4;  // more: the word is none of ours
    return std::min(laps, kMostLaps);
}

void count_slots(const Protocol& protocol, std::uint64_t tail, Stats& stats) {
    for (std::uint64_t slot = 0; slot < protocol.slots(); ++slot) {
        const std::uint64_t word = protocol.word_at(slot);
        stats.in_ring += indices_in(protocol, word, tail);
        switch (state_of(word)) {
            case SlotState::free: break;
            case SlotState::writing: ++stats.writing; break;
            case SlotState::ready:
            case SlotState::hole: ++stats.ready; break;
            case SlotState::leased:
            case SlotState::leased_hole: ++stats.leased; break;
        }
    }
}

void read_trainer(const TrainerCounters& counters, Stats& stats, std::uint64_t now) {
    stats.delivered = get(counters.delivered);
    stats.prefetched = get(counters.prefetched);
    stats.discarded = get(counters.discarded);
    stats.skipped = get(counters.skipped);
    stats.died = get(counters.died);
    stats.dropped = get(counters.dropped);
    stats.invalid = get(counters.invalid);
    stats.deaths = get(counters.deaths);
    stats.redelivered = get(counters.redelivered);
    stats.alarms = get(counters.alarms);
    stats.huge_pages = get(counters.huge_pages) != 0;
    stats.device = counters.device.load();
    stats.batches = get(counters.batches);
    stats.payload_bytes = get(counters.payload_bytes);
    stats.padding_bytes = get(counters.padding_bytes);
    stats.link_bytes = get(counters.link_bytes);
    stats.host_memory = counters.host_memory.load();
    stats.copying_s = seconds(get(counters.copying_ns));
    stats.stripping_s = seconds(get(counters.stripping_ns));
    const std::uint64_t ended = get(counters.loader_ended_ns);
    stats.loader_s = seconds_between(get(counters.loader_started_ns), ended != 0 ? ended : now);
    // Waits that are going on count too: a loader that hangs is the one people look at.
    const std::uint64_t waiting = get(counters.trainer_waiting_since_ns);
    const std::uint64_t planning = get(counters.producers_awaited_since_ns);
    stats.trainer_waited_s =
        seconds(get(counters.trainer_waited_ns)) + seconds_between(waiting, now);
    stats.waited_for_producers_s = seconds(get(counters.waited_for_producers_ns));
    if (waiting != 0 && planning != 0) {
        stats.waited_for_producers_s += seconds_between(std::max(waiting, planning), now);
    }
    stats.waited_for_copies_s = seconds(get(counters.waited_for_copies_ns));
    stats.held_by_trainer_s = seconds(get(counters.held_by_trainer_ns));
}

}  // namespace

Stats snapshot(const Protocol& protocol, const Description& description,
               std::uint64_t memory_bytes) {
    const std::uint64_t now = now_ns();
    Stats stats;
    stats.ring = description.name;
    stats.phase = protocol.phase();
    stats.incomplete = protocol.control().incomplete.load() != 0;
    stats.age_s = seconds_between(description.created_ns, now);
    stats.slots = description.slots;
    stats.memory_bytes = memory_bytes;
    const std::uint64_t tail = protocol.true_tail();
    stats.claimed = tail - description.start_index;
    read_trainer(protocol.trainer(), stats, now);
    count_slots(protocol, tail, stats);
    for (std::uint32_t id = 1; id < kOwners; ++id) {
        const ProducerCell& cell = protocol.producer(id);
        stats.returned += get(cell.returned);
        stats.alarms += get(cell.alarms);
        if (cell.state.load() != 0) stats.producers.push_back(producer_stats(id, cell, now));
        const ConsumerCell& consumer = protocol.consumer(id);
        add_settled(consumer, stats);
        if (consumer.state.load() != 0)
            stats.consumers.push_back(consumer_stats(id, consumer, now));
    }
    stats.lost = stats.skipped + stats.died + stats.dropped + stats.invalid;
    return stats;
}

}  // namespace ring

}  // namespace headrace
