// Where a loader stands, as a small value that a checkpoint keeps.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "headrace/export.hpp"
#include "headrace/sampler.hpp"

namespace headrace {

/// The position of a loader: that of the batches given back by the trainer, not of those
/// prefetched. With it go the options that decide the order, so that a run resumed with others is
/// refused.
///
/// All ranks take the same steps, so the state of one, taken after the same step, is that of all:
/// any rank can resume from it, and any number of ranks, see RingOptions::resume.
struct HEADRACE_EXPORT State {
    std::uint64_t index = 0;  ///< the next record of each rank
    /// The same for all ranks together: `position` places of the order of epoch `epoch` have been
    /// dealt with (taken, found to be holes, or left out with drop_last). At the end of an epoch it
    /// is place 0 of the next one. Both 0 for a stream ring, which has no order.
    std::uint64_t epoch = 0;
    std::uint64_t position = 0;                      ///< see `epoch`
    std::uint64_t epoch_records = 0;                 ///< of SamplerOptions, like all that follow
    std::optional<std::uint64_t> shuffle_seed = {};  ///< what the order is made of
    std::uint32_t rank = 0;                          ///< who wrote it
    std::uint32_t world_size = 1;                    ///< and of how many
    Remainder remainder = Remainder::drop;           ///< what is done where they do not divide
    std::uint64_t origin_epoch = 0;                  ///< from where `index` counts
    std::uint64_t origin_position = 0;               ///< and the place in that epoch
    bool operator==(const State&) const = default;

    /// What a loader says that stands before record `index` of a ring with this sampler.
    static State of(const Sampler& sampler, std::uint64_t index);

    /// One line: {"headrace_state":2,"index":640,"epoch":0,"position":1280,"epoch_records":2850,
    /// "shuffle_seed":7,"rank":0,"world_size":2,"remainder":"drop","origin_epoch":0,
    /// "origin_position":0}; a missing seed is null.
    std::string to_json() const;
    /// Reads what to_json() wrote (white space and the order of keys do not matter), also in
    /// version 1 of the format, which has no positions and no origin. Throws UsageError that says
    /// what was found and what was wanted. Whether the numbers agree is looked at by
    /// Ring::create().
    static State from_json(std::string_view json);
};

}  // namespace headrace
