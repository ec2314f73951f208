#include "loader/storm_plan.hpp"

#include <random>
#include <sstream>

namespace headrace::storm {

Schema schema_of(std::size_t number) {
    switch (number) {
        case 0: return Schema::float_int(12, 3);
        case 1: return {{"bytes", DType::u8, 37}, {"wide", DType::f64, 5}, {"half", DType::i16, 9}};
        default: return {{"one", DType::i32, 20}};
    }
}

std::uint32_t slots_of(std::size_t number) {
    constexpr std::uint32_t kSlots[kSizes] = {2, 4, 5, 8, 13};
    return kSlots[number];
}

Plan Plan::of(std::uint64_t seed) {
    std::mt19937_64 random(seed);
    const auto draw = [&](std::uint64_t below) {
        return static_cast<std::uint32_t>(random() % below);
    };
    const auto one_in = [&](std::uint64_t number) { return random() % number == 0; };
    Plan plan;
    plan.seed = seed;
    plan.schema = draw(kSchemas);
    plan.size = draw(kSizes);
    plan.has_epochs = one_in(12);
    plan.epoch_records = 5 + draw(20);
    plan.epochs = 1 + draw(2);
    plan.drop_last = plan.has_epochs && one_in(3);
    plan.batch = 1 + draw(std::min(4u, slots_of(plan.size) / 2));
    plan.depth = 1 + draw(4);
    plan.layout = static_cast<Layout>(static_cast<std::uint32_t>(Layout::packed) + draw(4));
    plan.wide_offsets = one_in(3);
    if (one_in(2)) plan.pad = 7;
    plan.flushes = one_in(10);
    if (!plan.flushes && one_in(4)) {
        plan.limit = one_in(6) ? Limit::short_of_it : Limit::exact;
    }
    plan.refuses_registration = one_in(8);
    plan.records = 6 + draw(24);
    plan.producers = draw(3);
    plan.drops = one_in(4);
    plan.streams = 1 + draw(3);
    plan.strips = (plan.layout == Layout::packed || plan.layout == Layout::rows) && draw(3) != 0;
    plan.gives_back_elsewhere = one_in(4);
    plan.leases_outlive = one_in(3);
    if (one_in(6)) plan.batches_before_end = draw(8);
    if (one_in(10)) {
        plan.fault = static_cast<Fault>(1 + draw(device::SimulatedBackend::kFaults - 1));
        plan.calls_before_fault = draw(16);
        plan.limit = Limit::none;  // one error at a time
    }
    if (!plan.has_epochs && plan.fault == Fault::none && plan.limit == Limit::none && one_in(6)) {
        plan.resets = true;
        plan.batches_before_end = 1 + draw(12);
    }
    return plan;
}

std::string Plan::describe() const {
    std::ostringstream text;
    text << "seed " << seed << ": " << slots_of(size) << " slots of "
         << schema_of(schema).to_string();
    if (has_epochs) text << ", " << epochs << " epochs of " << epoch_records;
    text << ", batch " << batch << ", depth " << depth << ", " << name_of(layout)
         << (wide_offsets ? ", int64" : "") << (drop_last ? ", drop last" : "")
         << (flushes ? ", flush" : "") << ", limit " << static_cast<int>(limit)
         << (refuses_registration ? ", bounced" : "") << ", " << records << " records, "
         << producers << " producers" << (drops ? " that drop" : "") << ", " << streams
         << " streams" << (strips ? ", stripped" : "")
         << (gives_back_elsewhere ? ", given back elsewhere" : "")
         << (leases_outlive ? ", leases outlive the loader" : "") << ", ends after "
         << static_cast<std::int64_t>(batches_before_end) << " batches" << (resets ? ", reset" : "")
         << ", fault " << static_cast<int>(fault) << " after " << calls_before_fault << " calls";
    return text.str();
}

}  // namespace headrace::storm
