// The books of a schedule: what became of each index, by the changes of the slots' words alone.
// They know what the protocol promises, not how it keeps it.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "headrace/consumer.hpp"
#include "ring/word.hpp"
#include "schedule/party.hpp"

namespace headrace::ring::schedule {

struct Entry {
    enum class State : std::uint8_t { unclaimed, writing, back, ready, hole, taken, released };
    State state = State::unclaimed;
    bool is_hole = false;
    bool is_delivered = false;
    bool is_discarded = false;
    std::uint32_t deaths = 0;      // of consumers that had it
    HoleKind kind{};               // why it is a hole
    std::uint64_t claim_word = 0;  // of the claim that it was published by
    std::uint64_t floor = 0;       // what that claim took for the sampler's index 0
};

class Books {
  public:
    void begin(std::uint32_t slots, std::uint64_t start, bool is_stream);
    // A reset: the trainer says so before anybody else can see it. `is_sought`: it is about to, and
    // has marked the floor, so that claims are undone from then on.
    void set_floor(std::uint64_t floor, bool is_sought) noexcept {
        floor_ = floor > floor_ ? floor : floor_;
        is_floor_sought_ = is_sought;
    }
    std::uint64_t floor() const noexcept { return floor_; }
    // A slot's word was changed. Empty when that was its right.
    std::string wrote(const Party& by, std::uint64_t slot, std::uint64_t before,
                      std::uint64_t after);
    Entry& at(std::uint64_t index);
    // No work can come back below `end`.
    bool is_all_settled(std::uint64_t end);
    // The first index from the floor on that nobody has claimed.
    std::uint64_t first_unclaimed();
    // Behind all that was ever touched.
    std::uint64_t last() const noexcept { return start_ + entries_.size(); }
    // How many were settled as what, by consumers that share.
    std::uint64_t settled(std::size_t kind) const noexcept { return settled_[kind]; }

  private:
    using Change = std::string (Books::*)(const Party&, std::uint64_t, std::uint64_t);

    std::string claim(const Party& by, std::uint64_t before, std::uint64_t after);
    std::string publish(const Party& by, std::uint64_t before, std::uint64_t after);
    std::string give_up(const Party& by, std::uint64_t before, std::uint64_t after);
    std::string bring_back(const Party& by, std::uint64_t before, std::uint64_t after);
    std::string bury(const Party& by, std::uint64_t before, std::uint64_t after);
    std::string take(const Party& by, std::uint64_t before, std::uint64_t after);
    std::string take_from(const Party& by, std::uint64_t before, std::uint64_t after);
    std::string release(const Party& by, std::uint64_t before, std::uint64_t after);
    std::string settle(const Party& by, std::uint64_t before);
    static Change change_of(SlotState from, SlotState to);

    std::uint32_t slots_ = 0;
    std::uint64_t start_ = 0;
    bool is_stream_ = false;
    std::vector<std::uint64_t> index_in_;  // each slot
    std::uint64_t index_ = 0;              // that is changed now
    std::deque<Entry> entries_;            // references to them stay good
    std::uint64_t floor_ = 0;
    bool is_floor_sought_ = false;
    std::array<std::uint64_t, kSettledKinds> settled_{};
};

}  // namespace headrace::ring::schedule
