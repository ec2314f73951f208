// How an epoch's order is dealt among ranks, in plain loops over lists: what the sampler's
// arithmetic, and runs that change the number of ranks, are held against.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "headrace/sampler.hpp"

namespace headrace {

// One step of all ranks together.
struct Round {
    std::uint64_t epoch;
    std::vector<std::uint64_t> places;  // by rank, in the order of the epoch
    std::vector<std::uint64_t> items;   // by rank
};

// A run's records, and where all its ranks together stand.
class Dealing {
  public:
    Dealing(std::uint64_t records, std::uint64_t epochs, std::optional<std::uint64_t> seed,
            Remainder remainder)
        : records_(records), epochs_(epochs), seed_(seed), remainder_(remainder) {}

    std::uint64_t epoch = 0, position = 0;

    // All rounds that are left, for so many ranks.
    std::vector<Round> rounds(std::uint32_t world_size) {
        std::vector<Round> rounds;
        std::uint64_t first = position;
        for (std::uint64_t at = epoch; at < epochs_; ++at, first = 0) {
            std::vector<std::uint64_t> places;
            for (std::uint64_t place = first; place < records_; ++place) places.push_back(place);
            if (remainder_ == Remainder::drop) {
                while (places.size() % world_size != 0) places.pop_back();
            }
            for (std::uint64_t again = 0; places.size() % world_size != 0; ++again) {
                places.push_back(again % records_);
            }
            for (std::size_t i = 0; i < places.size(); i += world_size) {
                Round round{at, {}, {}};
                for (std::size_t rank = 0; rank < world_size; ++rank) {
                    round.places.push_back(places[i + rank]);
                    round.items.push_back(item_at(at, places[i + rank]));
                }
                rounds.push_back(std::move(round));
            }
        }
        return rounds;
    }

    // The same as one list.
    static std::vector<std::uint64_t> items_of(const std::vector<Round>& rounds) {
        std::vector<std::uint64_t> items;
        for (const Round& round : rounds) {
            items.insert(items.end(), round.items.begin(), round.items.end());
        }
        return items;
    }

    // Goes on behind the first `count` of these rounds, which are those that were left.
    void pass(const std::vector<Round>& rounds, std::size_t count) {
        epoch = count < rounds.size() ? rounds[count].epoch : epochs_;
        position = count < rounds.size() ? rounds[count].places[0] : 0;
    }

    // The order of an epoch as a single rank is dealt it.
    std::uint64_t item_at(std::uint64_t at, std::uint64_t place) {
        std::vector<std::uint64_t>& order = orders_[at];
        if (order.empty()) {
            const Sampler alone({.epoch_records = records_, .shuffle_seed = seed_});
            for (std::uint64_t i = 0; i < records_; ++i) {
                order.push_back(alone.item_of(at * records_ + i));
            }
        }
        return order[place];
    }

  private:
    std::uint64_t records_, epochs_;
    std::optional<std::uint64_t> seed_;
    Remainder remainder_;
    std::map<std::uint64_t, std::vector<std::uint64_t>> orders_;
};

}  // namespace headrace
