// Runs of consecutive slots among the records of a batch: what one copy can take at once. The end
// of the ring and holes end a run.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace headrace::device {

struct SlotRun {
    std::size_t first_record = 0;
    std::uint32_t first_slot = 0;
    std::size_t records = 0;
};

// Calls visit(SlotRun) for each run, in order. No run for no records.
template <class Visit>
void for_each_run(std::span<const std::uint32_t> slots, const Visit& visit) {
    std::size_t first = 0;
    for (std::size_t i = 1; i <= slots.size(); ++i) {
        if (i < slots.size() && slots[i] == slots[i - 1] + 1) continue;
        visit(SlotRun{first, slots[first], i - first});
        first = i;
    }
}

inline std::size_t count_runs(std::span<const std::uint32_t> slots) {
    std::size_t runs = 0;
    for_each_run(slots, [&](const SlotRun&) { ++runs; });
    return runs;
}

}  // namespace headrace::device
