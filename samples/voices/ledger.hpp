// The books of a run: which records came in which order, which were cut, and which were lost.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "headrace/batch.hpp"
#include "recordings.hpp"

namespace voices {

/// Books of one ring.
class Ledger {
  public:
    /// `recordings` is the ring's list: item i is recording i. The caller keeps it.
    explicit Ledger(const std::vector<Recording>& recordings);

    /// The values of a batch's int field, on the host.
    using Ints = std::span<const std::int32_t>;

    /// Enters a batch, and sees to it that its records are what record.hpp says, for another
    /// program wrote them, and of the recordings that it is about, for that program has a list of
    /// its own: throws std::runtime_error that names the recording, what was found and what was
    /// wanted. Afterwards the batch can be learned from without another look. Without `ints` only
    /// the lengths are looked at, and nothing is counted as cut: on a GPU a copy is worth it for
    /// the first time that each recording comes.
    void enter(const headrace::Batch& batch, std::optional<Ints> ints);

    std::uint64_t records() const noexcept { return records_; }
    /// Recordings that were longer than a record; each counts once, in however many epochs it came.
    std::uint64_t cut() const noexcept;
    /// Records that never came: each epoch counts.
    std::uint64_t lost() const noexcept { return lost_; }
    /// Why, and how often: `skipped: fr_CA_f_June/x.wav (x.wav: unknown format)`.
    const std::map<std::string, std::uint64_t>& losses() const noexcept { return losses_; }
    /// FNV-1a over each batch's epoch, range, indices, items and offsets, in the order in which the
    /// batches came. Equal in two runs exactly when order and batches were the same.
    std::uint64_t order_hash() const noexcept { return order_hash_; }

  private:
    void enter_record(const headrace::Batch& batch, std::size_t record, std::optional<Ints> ints);

    const std::vector<Recording>& recordings_;
    std::vector<bool> was_cut_;  // by item
    std::uint64_t records_ = 0;
    std::uint64_t lost_ = 0;
    std::map<std::string, std::uint64_t> losses_;
    std::uint64_t order_hash_ = kFnvStart;
};

}  // namespace voices
