#include "process/storm_plan.hpp"

#include <algorithm>
#include <random>
#include <sstream>

#include "process/storm_content.hpp"

namespace headrace::process_storm {

std::string_view name_of(Place place) noexcept {
    switch (place) {
        case Place::ordinary: return "ordinary";
        case Place::one_cpu: return "one-cpu";
        case Place::frozen: return "frozen";
        case Place::tight_memory: return "tight-memory";
    }
    return "?";
}

namespace {

class Draw {
  public:
    explicit Draw(std::uint64_t seed) : random_(scatter(seed)) {}
    std::uint32_t below(std::uint64_t limit) {
        return static_cast<std::uint32_t>(random_() % limit);
    }
    bool one_in(std::uint64_t number) { return below(number) == 0; }
    std::uint64_t number() { return random_(); }
    std::uint32_t of(std::initializer_list<std::uint32_t> values) {
        return values.begin()[below(values.size())];
    }

  private:
    std::mt19937_64 random_;
};

void draw_ring(Draw& draw, Plan& plan) {
    plan.slots = draw.one_in(2) ? 2 + draw.below(7) : 2 + draw.below(63);
    plan.schema_number = draw.below(4);
    plan.ending = static_cast<Ending>(draw.of({0, 0, 0, 1, 1, 2}));
    if (draw.one_in(3)) return;  // a stream
    plan.epoch_records = draw.one_in(2) ? 1 + draw.below(100) : 1 + draw.below(20'000);
    if (!draw.one_in(4)) plan.shuffle_seed = draw.number() | 1;
    if (plan.ending == Ending::by_itself) {
        const std::uint64_t records = draw.of({500, 3'000, 20'000, 100'000});
        plan.epochs = 1 + records / plan.epoch_records;
    } else if (draw.one_in(3)) {
        // Near to where the words' tags, of 44 bits, begin again.
        plan.start_index = (std::uint64_t{1} << 44) - draw.below(20'000);
    }
}

void draw_producers(Draw& draw, Plan& plan) {
    plan.seats = draw.one_in(4) ? 1 + draw.below(3) : 4 + draw.below(21);
    plan.most_held = draw.one_in(2) ? 1 : 1 + draw.below(kMostHeld);
    plan.delay = {draw.of({0, 2, 20, 200}), draw.of({1, 50, 500, 3'000})};
    plan.skip = {draw.of({0, 0, 5, 50})};
    plan.drop = {draw.of({0, 0, 5, 50})};
    if (plan.epoch_records != 0) plan.leave = {draw.of({0, 0, 30, 300})};
    plan.suicide = {draw.of({0, 10, 100, 1'000})};
    plan.kill_gap_us = draw.of({400, 700, 1'000, 3'000, 20'000});
    plan.restart_after_us = draw.of({1, 300, 3'000});
    if (draw.one_in(3)) return;  // without stops, for then nobody may be woken by the alarm
    plan.stop_gap_us = draw.of({500, 3'000, 30'000});
    plan.stopped_us = draw.of({100, 3'000, 50'000});
    plan.stop_self = {draw.of({0, 30, 1'000})};
}

}  // namespace

Plan Plan::of(std::uint64_t seed) {
    Draw draw(seed);
    Plan plan;
    plan.seed = seed;
    plan.place = static_cast<Place>(draw.of({0, 0, 0, 0, 0, 0, 1, 1, 2, 3}));
    plan.milliseconds = 500 + draw.below(3'000);
    draw_ring(draw, plan);
    draw_producers(draw, plan);
    plan.most_taken = draw.one_in(3) ? 1 : 1 + draw.below(plan.slots);
    plan.most_leases = 1 + draw.below(4);
    plan.pause = {draw.of({0, 3, 50, 1'000}), draw.of({1, 100, 2'000})};
    // Enough for most of them, or not quite: then the kernel kills too.
    const std::uint64_t for_each = draw.of({40u << 10, 80u << 10, 200u << 10});
    plan.spare_bytes = (256u << 10) + plan.seats * for_each;
    return plan;
}

Schema Plan::schema() const {
    // The first field tells who wrote the record; see storm_content.hpp.
    const Field head{"head", DType::i64, kHeadWords};
    switch (schema_number) {
        case 0: return {head, {"floats", DType::f32, 37}};
        case 1: return {head, {"floats", DType::f32, 3'000}, {"ints", DType::i32, 9}};
        case 2: return {{"bytes", DType::u8, 5}, head, {"wide", DType::f64, 40}};
        default: return {{"bytes", DType::u8, 20'000}, {"half", DType::i16, 77}, head};
    }
}

RingOptions Plan::options() const {
    RingOptions options{.name = "storm",
                        .schema = schema(),
                        .slots = slots,
                        .epoch_records = epoch_records,
                        .epochs = epochs,
                        .producers = seats,
                        // Long enough to be told by the watchdog from whatever is only slow.
                        .linger = std::chrono::minutes(10)};
    if (shuffle_seed != 0) options.shuffle_seed = shuffle_seed;
    if (start_index != 0) {
        const Sampler sampler({.epoch_records = epoch_records,
                               .epochs = epochs,
                               .shuffle_seed = options.shuffle_seed});
        options.resume = State::of(sampler, start_index);
    }
    return options;
}

std::string Plan::describe() const {
    std::ostringstream text;
    const auto tell = [&text](const char* what, const Chance& chance) {
        if (chance.one_in == 0) return;
        text << ", " << what << " 1 in " << chance.one_in;
        if (chance.mean_us != 0) text << " of " << chance.mean_us << " us";
    };
    text << name_of(place) << ", " << milliseconds << " ms, " << slots << " slots of "
         << schema().to_string();
    if (epoch_records == 0) text << ", a stream";
    if (epoch_records != 0) text << ", " << epochs << " epochs of " << epoch_records;
    if (start_index != 0) text << " from " << start_index;
    text << (ending == Ending::closed    ? ", closed"
             : ending == Ending::aborted ? ", aborted"
                                         : "")
         << ", " << seats << " producers with " << most_held << " records";
    tell("delays", delay), tell("skips", skip), tell("drops", drop), tell("leaves", leave);
    tell("suicides", suicide), tell("stops itself", stop_self);
    text << ", killed every " << kill_gap_us << " us";
    if (stop_gap_us != 0) text << ", stopped every " << stop_gap_us << " us for " << stopped_us;
    text << ", restarted after " << restart_after_us << " us, takes " << most_taken << " in "
         << most_leases << " leases";
    tell("pauses", pause);
    return text.str();
}

}  // namespace headrace::process_storm
