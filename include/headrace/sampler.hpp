// From an index to an epoch and an item: a pure function that every process can compute, so order
// needs no messages, resuming is starting at an index, and sharding is arithmetic.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>

#include "headrace/export.hpp"

namespace headrace {

/// What happens when the ranks do not divide an epoch's records evenly. Every rank always takes the
/// same number of steps.
enum class Remainder : std::uint8_t {
    drop = 0,  ///< the last `records mod world_size` places of each epoch's order are left out
    pad = 1,   ///< the order is continued from its start, place 0, until the ranks are even
};

/// What the order of the records depends on, and this rank's share of them.
struct SamplerOptions {
    std::uint64_t epoch_records = 0;  ///< records of one epoch over all ranks, at least 1
    std::uint64_t epochs = 0;         ///< 0: endless
    std::optional<std::uint64_t> shuffle_seed = {};  ///< empty: items in order, 0, 1, 2...
    std::uint32_t rank = 0;                          ///< whose records they are
    std::uint32_t world_size = 1;                    ///< ranks that share each epoch
    Remainder remainder = Remainder::drop;           ///< what to do where they do not divide it
    /// Where dealing among the ranks begins: index 0 of rank r is place `origin_position + r` of
    /// the order of epoch `origin_epoch`. Other than 0 after the number of ranks has changed, for
    /// what is left of that epoch is then dealt anew, among those there are.
    std::uint64_t origin_epoch = 0;
    std::uint64_t origin_position = 0;  ///< at most epoch_records
    bool operator==(const SamplerOptions&) const = default;
};

/// Maps the index of a record to its epoch and its item. Copies are cheap; const calls are
/// thread-safe. An index counts the records of this rank, over all epochs from the origin on.
///
/// The order of an epoch has `epoch_records` places, and the same item in each of them whatever the
/// number of ranks. Index i of an epoch, on rank r, is place `i * world_size + r`; in the epoch of
/// the origin, which has `epoch_records - origin_position` places left, it is place
/// `origin_position + i * world_size + r`. Remainder says what becomes of the places that do not
/// fill a round of the ranks: of a whole epoch, and of the rest of one. With fewer places left than
/// ranks, and Remainder::drop, or with none, the first epoch is the one after the origin's.
class HEADRACE_EXPORT Sampler {
  public:
    /// The end_index() of endless epochs.
    static constexpr std::uint64_t kEndless = std::numeric_limits<std::uint64_t>::max();

    /// Throws UsageError: no records, rank not below world_size, nothing left for a rank of a whole
    /// epoch, an origin outside of its epoch or behind the last one, or more than 2^62 records in
    /// all.
    explicit Sampler(const SamplerOptions& options);

    /// What it was made of.
    const SamplerOptions& options() const noexcept { return options_; }
    /// Records of a whole epoch on this rank.
    std::uint64_t shard_records() const noexcept { return shard_records_; }
    /// First index that is never handed out, or kEndless. 0 where nothing is left.
    std::uint64_t end_index() const noexcept { return end_index_; }
    /// The epoch that an index belongs to.
    std::uint64_t epoch_of(std::uint64_t index) const noexcept {
        if (index < first_shard_) return first_epoch_;
        return first_epoch_ + 1 + (index - first_shard_) / shard_records_;
    }
    /// How many of its epoch's indices, on this rank, come before an index.
    std::uint64_t position_of(std::uint64_t index) const noexcept {
        return index < first_shard_ ? index : (index - first_shard_) % shard_records_;
    }
    /// The first index behind the epoch of an index.
    std::uint64_t epoch_end_of(std::uint64_t index) const noexcept {
        if (index < first_shard_) return first_shard_;
        return index - position_of(index) + shard_records_;
    }
    /// The places of its epoch's order that all ranks together have passed when each of them stands
    /// at this index: less than epoch_records.
    std::uint64_t global_position_of(std::uint64_t index) const noexcept {
        return start_of_epoch_of(index) + position_of(index) * options_.world_size;
    }
    /// The item, in [0, epoch_records). Within an epoch each rank's items are distinct (with
    /// Remainder::pad the first few may be dealt twice), and over all places they are a permutation
    /// of the items: a balanced Feistel network over the next even power of two, walked until it
    /// lands inside (cycle walking, Black and Rogaway 2002), keyed by seed and epoch. It takes no
    /// memory and, on average, fewer than four turns of the network.
    std::uint64_t item_of(std::uint64_t index) const noexcept;

  private:
    // The place of its epoch's order where dealing begins.
    std::uint64_t start_of_epoch_of(std::uint64_t index) const noexcept {
        return index < first_shard_ ? first_place_ : 0;
    }

    SamplerOptions options_;
    std::uint64_t shard_records_;
    // The first epoch with records, from the origin on: its number, the place where it begins, and
    // its records on this rank, at least 1.
    std::uint64_t first_epoch_, first_place_, first_shard_;
    std::uint64_t end_index_;
};

/// The permutation itself: the place of `position` in the order of `count` items that `key` names.
/// `position` < `count`; a bijection of [0, count).
HEADRACE_EXPORT std::uint64_t permute(std::uint64_t position, std::uint64_t count,
                                      std::uint64_t key) noexcept;

}  // namespace headrace
