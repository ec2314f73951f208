// What became of each index of a storm's ring, as its consumer met it, and the reckoning at the
// end. What is wrong is told to the board. Belongs to the consumer's thread, but for hear().
//
// Several consumers would each fill one of these, over the indices that they met.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "headrace/headrace.hpp"
#include "process/storm_board.hpp"
#include "process/storm_content.hpp"
#include "process/storm_plan.hpp"

namespace headrace::process_storm {

class Account {
  public:
    Account(const Plan& plan, Board& board);
    // Once the ring is there.
    void begin(const std::optional<Sampler>& sampler) { sampler_ = sampler; }

    // What the ring says to its owner; any thread.
    void hear(const Message& message);
    // A lease that brought the consumer to this position. `tells_holes`: of take(), not of get(),
    // whose holes are known from messages only.
    void note(const RecordLease& lease, std::uint64_t position, bool tells_holes);
    // There was no record, but get() may have passed holes.
    void pass(std::uint64_t position) { pass(position, false); }
    // The bytes once more, before the lease is given back.
    void look_at(const RecordLease& lease);
    void note_end_of_epoch(std::uint64_t position);

    // Everybody is gone, the ring is at rest, and its consumer stands at `position`.
    void reckon(const Stats& stats, const Tally& tally, std::uint64_t position);
    std::uint64_t delivered() const noexcept { return delivered_; }

  private:
    struct ToldHole {
        HoleKind kind;
        std::string reason;
        bool is_met = false;
    };
    // 0: not met; else what it became, with how often it had come back where that is known.
    class Fate {
      public:
        Fate() = default;
        static Fate delivered(std::uint64_t attempt) { return Fate(1 + attempt); }
        static Fate skipped(std::uint64_t attempt) { return Fate(5 + attempt); }
        static Fate hole(HoleKind kind) { return Fate(16 + static_cast<std::uint64_t>(kind)); }
        bool is_known() const { return value_ != 0; }
        bool is(HoleKind kind) const { return value_ == 16 + static_cast<std::uint64_t>(kind); }
        // Of a ring with a sampler, where an index is lost at its third claim.
        std::uint64_t attempts() const { return value_ >= 16 ? 2u : (value_ - 1u) % 4u; }
        bool is_lost() const { return value_ >= 16; }

      private:
        explicit Fate(std::uint64_t value) : value_(static_cast<std::uint8_t>(value)) {}
        std::uint8_t value_ = 0;
    };

    std::uint64_t item_of(std::uint64_t index) const {
        return sampler_ ? sampler_->item_of(index) : index;
    }
    void pass(std::uint64_t position, bool tells_holes);
    void settle(std::uint64_t index, Fate fate);
    void check_record(const RecordLease& lease, std::size_t record);
    void check_bytes(const RecordLease& lease, std::size_t record, const Head& head);
    Head head_of(const RecordLease& lease, std::size_t record) const;
    void note_told_hole(std::uint64_t index);
    void note_hole(const Hole& hole);
    void complain(const std::string& text) { board_.complain(text); }
    void expect(bool is_true, const std::string& text) {
        if (!is_true) complain(text);
    }

    void reckon_counts(const Stats& stats);
    void reckon_returns(const Stats& stats, const Tally& tally);
    void reckon_deaths(const Stats& stats, const Tally& tally);
    void reckon_held(const Death& death);
    void reckon_died_holes();

    const Plan plan_;
    Board& board_;
    std::optional<Sampler> sampler_;
    std::vector<Fate> fates_;  // from the first index on
    std::uint64_t next_;       // all before it is known
    std::uint64_t delivered_ = 0;
    std::uint64_t holes_[5] = {};  // by kind
    std::uint64_t last_epoch_end_ = ~std::uint64_t{0};
    std::mutex mutex_;  // over what is told
    std::map<std::uint64_t, ToldHole> told_;
};

}  // namespace headrace::process_storm
