#include "process/storm_account.hpp"

#include <algorithm>
#include <cstdio>

#include "process/storm_content.hpp"

namespace headrace::process_storm {

Account::Account(const Plan& plan, Board& board)
    : plan_(plan), board_(board), next_(plan.start_index) {}

// ---- while it goes on ----

// `ring "storm": record 17 (item 5) is a hole: died: producer 3 (pid 71) died writing it`
void Account::hear(const Message& message) {
    const std::size_t at = message.text.find(") is a hole: ");
    if (at == std::string::npos) return;
    unsigned long long index = 0, item = 0;
    const char* const text = message.text.c_str();
    if (std::sscanf(text, "ring \"storm\": record %llu (item %llu)", &index, &item) != 2) {
        complain("a message that cannot be read: " + message.text);
        return;
    }
    const std::string rest = message.text.substr(at + std::strlen(") is a hole: "));
    const std::size_t colon = rest.find(": ");
    for (const auto kind :
         {HoleKind::skipped, HoleKind::died, HoleKind::dropped, HoleKind::invalid}) {
        if (rest.substr(0, colon) != name_of(kind)) continue;
        const std::lock_guard lock(mutex_);
        const ToldHole hole{kind, rest.substr(colon + 2)};
        if (!told_.emplace(index, hole).second) complain("told twice: " + message.text);
        return;
    }
    complain("a hole of no kind: " + message.text);
}

void Account::note(const RecordLease& lease, std::uint64_t position, bool tells_holes) {
    if (tells_holes) {
        for (const Hole& hole : lease.holes()) note_hole(hole);
    }
    for (std::size_t record = 0; record < lease.size(); ++record) check_record(lease, record);
    pass(position, tells_holes);
}

void Account::pass(std::uint64_t position, bool tells_holes) {
    for (; next_ < position; ++next_) {
        const std::uint64_t place = next_ - plan_.start_index;
        if (place < fates_.size() && fates_[place].is_known()) continue;
        if (tells_holes) complain("index " + std::to_string(next_) + " is neither record nor hole");
        note_told_hole(next_);
    }
}

void Account::note_told_hole(std::uint64_t index) {
    Hole hole{index, item_of(index), HoleKind::invalid, {}};
    {
        const std::lock_guard lock(mutex_);
        const auto found = told_.find(index);
        if (found == told_.end()) {
            complain("index " + std::to_string(index) + " was passed over, and nothing was said");
            return;
        }
        hole.kind = found->second.kind;
        hole.reason = found->second.reason;
    }
    note_hole(hole);
}

void Account::note_hole(const Hole& hole) {
    const std::string name = "hole " + std::to_string(hole.index);
    expect(hole.item == item_of(hole.index), name + " is of another item");
    {
        const std::lock_guard lock(mutex_);
        const auto found = told_.find(hole.index);
        if (found == told_.end() || found->second.kind != hole.kind ||
            found->second.reason != hole.reason) {
            complain(name + " was not told of as it is: " + hole.reason);
        } else {
            found->second.is_met = true;
        }
    }
    ++holes_[static_cast<std::size_t>(hole.kind) % 5];
    if (hole.kind != HoleKind::skipped) return settle(hole.index, Fate::hole(hole.kind));
    unsigned attempt = 9;
    std::sscanf(hole.reason.c_str(), "skipped at attempt %u", &attempt);
    expect(attempt < kMaxAttempts, name + " has a reason that nobody gave: " + hole.reason);
    settle(hole.index, Fate::skipped(attempt % kMaxAttempts));
}

void Account::settle(std::uint64_t index, Fate fate) {
    const std::uint64_t place = index - plan_.start_index;
    if (place >= fates_.size()) fates_.resize(place + 1);
    expect(!fates_[place].is_known(), "index " + std::to_string(index) + " was met twice");
    fates_[place] = fate;
}

Head Account::head_of(const RecordLease& lease, std::size_t record) const {
    Head head{};
    const auto words = lease.field<std::int64_t>("head", record);
    if (words.size() == kHeadWords) std::memcpy(&head, words.data(), sizeof head);
    return head;
}

void Account::check_record(const RecordLease& lease, std::size_t record) {
    const std::uint64_t index = lease.index(record);
    const Head head = head_of(lease, record);
    const std::string name = "record " + std::to_string(index) + " " + head.describe();
    expect(record == 0 || index > lease.index(record - 1), name + " is out of order");
    expect(lease.item(record) == item_of(index), name + " stands for another item");
    expect(!sampler_ || lease.epoch(record) == sampler_->epoch_of(index), name + ": its epoch");
    expect(head.is_whole(plan_.seed), name + " has a torn head");
    expect(head.index == index && head.item == item_of(index), name + " is another record");
    expect(head.attempt < kMaxAttempts, name + " was claimed too often");
    check_bytes(lease, record, head);
    settle(index, Fate::delivered(head.attempt % kMaxAttempts));
    ++delivered_;
}

void Account::check_bytes(const RecordLease& lease, std::size_t record, const Head& head) {
    const std::uint64_t index = lease.index(record);
    const Schema schema = plan_.schema();
    for (std::size_t field = 0; field < schema.size(); ++field) {
        if (schema[field].name == "head") continue;
        const std::uint64_t key = key_of(plan_.seed, index, head.attempt, field);
        const std::string name = "record " + std::to_string(index) + " " + head.describe() +
                                 ", field " + schema[field].name;
        expect(lease.length(field, record) == length_of(key, schema[field].capacity),
               name + ": another length");
        const std::span<const std::byte> bytes = lease.field_bytes(field, record);
        const std::size_t wrong = first_wrong(key, bytes);
        expect(wrong == bytes.size(), name + " is not as written from byte " +
                                          std::to_string(wrong) + " of " +
                                          std::to_string(bytes.size()) + " on");
    }
}

void Account::look_at(const RecordLease& lease) {
    for (std::size_t record = 0; record < lease.size(); ++record) {
        const Head head = head_of(lease, record);
        const std::string name = "record " + std::to_string(lease.index(record));
        expect(head.is_whole(plan_.seed) && head.index == lease.index(record),
               name + " was overwritten while it was leased");
        check_bytes(lease, record, head);
    }
}

void Account::note_end_of_epoch(std::uint64_t position) {
    pass(position, false);
    expect(sampler_ && sampler_->position_of(position) == 0 && position != last_epoch_end_,
           "an epoch ended at " + std::to_string(position));
    last_epoch_end_ = position;
}

// ---- the reckoning ----

void Account::reckon(const Stats& stats, const Tally& tally, std::uint64_t position) {
    const std::uint64_t met = position - plan_.start_index;
    expect(fates_.size() == met,
           "met " + std::to_string(fates_.size()) + " indices, not " + std::to_string(met));
    expect(std::all_of(fates_.begin(), fates_.end(), [](Fate fate) { return fate.is_known(); }),
           "an index was never met");
    if (plan_.ending == Ending::by_itself) {
        expect(stats.claimed == met && stats.in_ring == 0,
               "the ring ended with " + std::to_string(stats.claimed) + " claimed, " +
                   std::to_string(stats.in_ring) + " in it, and " + std::to_string(met) + " met");
        expect(!sampler_ || position == sampler_->end_index(),
               "the ring ended at " + std::to_string(position));
    }
    reckon_counts(stats);
    if (plan_.ending == Ending::by_itself) reckon_returns(stats, tally);
    reckon_deaths(stats, tally);
    reckon_died_holes();
    expect(plan_.may_alarm() || stats.alarms == 0,
           std::to_string(stats.alarms) + " alarms, and nobody was stopped");
}

void Account::reckon_counts(const Stats& stats) {
    const auto equal = [this](const char* what, std::uint64_t counted, std::uint64_t met) {
        expect(counted == met, std::string(what) + ": the ring counted " + std::to_string(counted) +
                                   ", its consumer " + std::to_string(met));
    };
    const auto holes = [this](HoleKind kind) { return holes_[static_cast<std::size_t>(kind)]; };
    const std::uint64_t found =
        stats.delivered + stats.in_ring + stats.prefetched + stats.lost + stats.discarded;
    expect(stats.claimed == found,
           "the books: claimed " + std::to_string(stats.claimed) + ", delivered " +
               std::to_string(stats.delivered) + ", in the ring " + std::to_string(stats.in_ring) +
               " (writing " + std::to_string(stats.writing) + ", ready " +
               std::to_string(stats.ready) + ", leased " + std::to_string(stats.leased) +
               "), lost " + std::to_string(stats.lost) + ", discarded " +
               std::to_string(stats.discarded) + "; the consumer stands at " +
               std::to_string(next_));
    equal("delivered", stats.delivered, delivered_);
    equal("skipped", stats.skipped, holes(HoleKind::skipped));
    equal("died", stats.died, holes(HoleKind::died));
    equal("dropped", stats.dropped, holes(HoleKind::dropped));
    equal("invalid", stats.invalid, 0);
    expect(plan_.skip.one_in != 0 || stats.skipped == 0, "holes that nobody skipped");
    expect(plan_.may_drop() || stats.dropped == 0, "holes that nobody dropped");
    expect(!stats.incomplete, "the data ended incomplete, though everybody was replaced");
    const std::lock_guard lock(mutex_);
    for (const auto& [index, hole] : told_) {
        expect(hole.is_met, "hole " + std::to_string(index) + " was told of, and never met");
    }
}

// Each index tells how often it had come back, which adds up to what the ring has counted.
void Account::reckon_returns(const Stats& stats, const Tally& tally) {
    if (!sampler_ && plan_.may_drop()) return;  // a hole of a stream does not tell
    std::uint64_t sum = 0;
    for (const Fate fate : fates_) {
        if (sampler_ || !fate.is_lost()) sum += fate.attempts();
    }
    // Who drops counts it afterwards, and may be killed in between.
    const std::uint64_t uncounted = plan_.may_drop() ? tally.deaths() : 0;
    expect(stats.returned <= sum && sum <= stats.returned + uncounted,
           "indices came back " + std::to_string(sum) + " times, the ring counted " +
               std::to_string(stats.returned));
}

void Account::reckon_deaths(const Stats& stats, const Tally& tally) {
    std::uint64_t least = 0;
    for (std::uint32_t i = 0; i < board_.deaths_logged; ++i) {
        const Death& death = board_.deaths[i];
        if (death.stage == Stage::claiming || death.stage == Stage::working) ++least;
        reckon_held(death);
    }
    expect(least <= stats.deaths && stats.deaths <= tally.deaths(),
           "the ring counted " + std::to_string(stats.deaths) + " deaths, of " +
               std::to_string(tally.deaths()) + " there were " + std::to_string(least) +
               " certainly of attached producers");
}

// What it certainly held was not delivered as it wrote it.
void Account::reckon_held(const Death& death) {
    for (const std::uint64_t word : death.held) {
        if (word == HeldIndex::none() || HeldIndex::is_settling(word)) continue;
        const std::uint64_t place = HeldIndex::index_of(word) - plan_.start_index;
        if (place >= fates_.size()) continue;  // the ring was ended before
        const Fate fate = fates_[place];
        const std::uint64_t attempt = HeldIndex::attempt_of(word);
        const bool is_last = !sampler_ || attempt + 1 == kMaxAttempts;
        const bool is_right =
            is_last ? fate.is(HoleKind::died) : fate.is_lost() || fate.attempts() > attempt;
        expect(is_right, "index " + std::to_string(HeldIndex::index_of(word)) + ", which pid " +
                             std::to_string(death.pid) + " held when it was killed at attempt " +
                             std::to_string(attempt) + ", was delivered or skipped as if it lived");
    }
}

// The other way round: each lost index has somebody who held it when he was killed, or was just
// claiming it.
void Account::reckon_died_holes() {
    std::multimap<int, const Death*> deaths;
    for (std::uint32_t i = 0; i < board_.deaths_logged; ++i) {
        deaths.emplace(board_.deaths[i].pid, &board_.deaths[i]);
    }
    const std::lock_guard lock(mutex_);
    for (const auto& [index, hole] : told_) {
        if (hole.kind != HoleKind::died) continue;
        unsigned id = 0;
        int pid = 0;
        std::sscanf(hole.reason.c_str(), "producer %u (pid %d) died writing it", &id, &pid);
        const auto [first, last] = deaths.equal_range(pid);
        const bool is_his = std::any_of(first, last, [index = index](const auto& entry) {
            const Death& death = *entry.second;
            if (death.stage == Stage::claiming) return true;
            return std::any_of(death.held.begin(), death.held.end(), [index](std::uint64_t word) {
                return word != HeldIndex::none() && HeldIndex::index_of(word) == index;
            });
        });
        expect(is_his, "hole " + std::to_string(index) + " (" + hole.reason +
                           "): nobody was killed holding it");
    }
}

}  // namespace headrace::process_storm
