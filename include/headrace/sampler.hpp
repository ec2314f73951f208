// From an index to an epoch and an item: a pure function that every process can compute, so order
// needs no messages, resuming is starting at an index, and sharding is arithmetic.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>

namespace headrace {

/// What happens when the ranks do not divide an epoch's records evenly. Every rank always takes the
/// same number of steps.
enum class Remainder : std::uint8_t {
    drop = 0,  ///< the last `records mod world_size` places of each epoch's order are left out
    pad = 1,   ///< the order is continued from its start until the ranks are even
};

struct SamplerOptions {
    std::uint64_t epoch_records = 0;  ///< records of one epoch over all ranks, at least 1
    std::uint64_t epochs = 0;         ///< 0: endless
    std::optional<std::uint64_t> shuffle_seed = {};  ///< empty: items in order, 0, 1, 2...
    std::uint32_t rank = 0;
    std::uint32_t world_size = 1;
    Remainder remainder = Remainder::drop;
    bool operator==(const SamplerOptions&) const = default;
};

/// Maps the index of a record to its epoch and its item. Copies are cheap; const calls are
/// thread-safe. An index counts the records of this rank, over all epochs.
class Sampler {
  public:
    static constexpr std::uint64_t kEndless = std::numeric_limits<std::uint64_t>::max();

    /// Throws UsageError: no records, rank not below world_size, nothing left for a rank, or more
    /// than 2^62 records in all.
    explicit Sampler(const SamplerOptions& options);

    const SamplerOptions& options() const noexcept { return options_; }
    /// Records of one epoch on this rank.
    std::uint64_t shard_records() const noexcept { return shard_records_; }
    /// First index that is never handed out: epochs * shard_records, or kEndless.
    std::uint64_t end_index() const noexcept { return end_index_; }
    std::uint64_t epoch_of(std::uint64_t index) const noexcept { return index / shard_records_; }
    /// The place of an index in its epoch, on this rank.
    std::uint64_t position_of(std::uint64_t index) const noexcept { return index % shard_records_; }
    /// The item, in [0, epoch_records). Within an epoch each rank's items are distinct (with
    /// Remainder::pad the first few may be dealt twice), and over all ranks they are a permutation
    /// of the items: a balanced Feistel network over the next even power of two, walked until it
    /// lands inside (cycle walking, Black and Rogaway 2002), keyed by seed and epoch. It takes no
    /// memory and, on average, fewer than four turns of the network.
    std::uint64_t item_of(std::uint64_t index) const noexcept;

  private:
    SamplerOptions options_;
    std::uint64_t shard_records_;
    std::uint64_t end_index_;
};

/// The permutation itself: the place of `position` in the order of `count` items that `key` names.
/// `position` < `count`; a bijection of [0, count).
std::uint64_t permute(std::uint64_t position, std::uint64_t count, std::uint64_t key) noexcept;

}  // namespace headrace
