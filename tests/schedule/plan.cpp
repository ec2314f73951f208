#include "schedule/plan.hpp"

#include "ring/word.hpp"

namespace headrace::ring::schedule {

namespace {

// Most rings are as small as they can be: few steps, and each of them at odds with another. From
// eight slots on a producer asks for more than one free slot before it is woken.
std::uint32_t choose_slots(Random& random) {
    if (random.one_in(5)) return static_cast<std::uint32_t>(random.between(8, 9));
    return static_cast<std::uint32_t>(random.between(2, 4));
}

Strategy choose_strategy(Random& random) {
    switch (random.below(5)) {
        case 0: return {Strategy::Kind::uniform};
        case 1: return {Strategy::Kind::sticky, random.between(2, 12)};
        case 2:
        case 3: return {Strategy::Kind::priorities, random.between(1, 8)};
        default: return {Strategy::Kind::runs, std::uint64_t{1} << random.between(3, 8)};
    }
}

std::uint32_t none_or(Random& random, std::uint64_t most) {
    return random.one_in(2) ? 0 : static_cast<std::uint32_t>(random.between(1, most));
}

}  // namespace

Plan::Plan(std::uint64_t of_seed, Family of_family) : seed(of_seed), family(of_family) {
    Random random(seed);
    strategy = choose_strategy(random);
    buffers_stores = random.one_in(2);
    slots = choose_slots(random);
    producers = static_cast<std::uint32_t>(random.between(1, 4));
    is_stream = family == Family::stream || (family != Family::sampler && random.one_in(2));
    const std::uint64_t least = slots < 8 ? 6 : slots + 2;
    const std::uint64_t total = random.between(least, slots < 8 ? 16 : 24);
    if (is_stream) {
        quota = (total + producers - 1) / producers;
        start = random.one_in(4) ? (std::uint64_t{1} << kTagBits) - random.below(8) : 0;
    } else {
        epochs = random.between(1, 2);
        epoch_records = (total + epochs - 1) / epochs;
        start = random.one_in(4) ? random.below(slots) : 0;
    }
    counters_wrap = random.one_in(4);
    newcomers = none_or(random, 3);
    same_ids = random.one_in(2);
    kills = none_or(random, 3);
    stops = none_or(random, 2);
    revokes = random.one_in(12);
    spurious = none_or(random, 3);
    time_overs = none_or(random, 3);
    interrupts = random.one_in(4) ? 1 : 0;
    resets = random.one_in(3) ? static_cast<std::uint32_t>(random.between(1, 2)) : 0;
    if (family == Family::shared) {
        sharers = static_cast<std::uint32_t>(random.between(1, 3));
        interrupts = 0;
    }
    skip_one_in = random.one_in(2) ? static_cast<std::uint32_t>(random.between(4, 12)) : 0;
    drop_one_in = random.one_in(2) ? static_cast<std::uint32_t>(random.between(2, 10)) : 0;
    leave_one_in = random.one_in(4) ? 12 : 0;
    two_one_in = random.one_in(4) ? 4 : 0;
    away_one_in = random.one_in(2) ? static_cast<std::uint32_t>(random.between(1, 8)) : 0;
    range = random.between(1, slots < 4 ? slots : 4);
    flushes = random.one_in(4);
    leases = static_cast<Leases>(random.below(family == Family::shared ? 2 : 3));
    allow_incomplete = random.one_in(2);
    lingers_briefly = random.one_in(4);
    // About as many steps as a record takes, on the whole.
    strategy.expected_steps = 60 * total;
}

std::string Plan::to_string() const {
    const auto told = [](const char* what, std::uint64_t number) {
        return number == 0 ? std::string()
                           : std::string(", ") + what + " " + std::to_string(number);
    };
    std::string text = "strategy " + strategy.to_string() + ", " + std::to_string(slots) +
                       " slots, " + std::to_string(records()) + " records" +
                       (is_stream ? " of a stream" : "") + ", " + std::to_string(producers) +
                       " producers";
    text += told("starts at", start) + told("epochs", is_stream ? 0 : epochs);
    text += told("newcomers", newcomers) + told("kills", kills) + told("stops", stops);
    text += told("skips one in", skip_one_in) + told("drops one in", drop_one_in);
    text += told("leaves one in", leave_one_in) + told("holds two one in", two_one_in);
    text += told("goes away one in", away_one_in);
    text += told("spurious wake-ups", spurious) + told("time-outs", time_overs);
    text += told("sharing consumers", sharers) + told("resets", resets);
    text += told("interrupts", interrupts) + told("takes", range);
    if (family == Family::ended) text += ", ended by the trainer";
    if (revokes) text += ", one that lives is taken for dead";
    if (flushes) text += ", flushes";
    if (leases == Leases::held) text += ", holds leases";
    if (leases == Leases::by_another) text += ", another thread releases";
    if (buffers_stores) text += ", stores are seen late";
    return text;
}

}  // namespace headrace::ring::schedule
