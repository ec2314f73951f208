// Where a loader stands, as a small value that a checkpoint keeps.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "headrace/sampler.hpp"

namespace headrace {

/// The position of a loader: that of the batches given back by the trainer, not of those
/// prefetched. With it go the options that decide the order, so that a run resumed with others is
/// refused.
struct State {
    std::uint64_t index = 0;  ///< the next record of this rank
    std::uint64_t epoch_records = 0;
    std::optional<std::uint64_t> shuffle_seed = {};
    std::uint32_t rank = 0;
    std::uint32_t world_size = 1;
    Remainder remainder = Remainder::drop;
    bool operator==(const State&) const = default;

    /// One line: {"headrace_state":1,"index":640,"epoch_records":2850,"shuffle_seed":7,"rank":0,
    /// "world_size":1,"remainder":"drop"}; a missing seed is null.
    std::string to_json() const;
    /// Reads what to_json() wrote (white space and the order of keys do not matter). Throws
    /// UsageError that says what was found and what was wanted.
    static State from_json(std::string_view json);
};

}  // namespace headrace
