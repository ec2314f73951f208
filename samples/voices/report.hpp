// What a run came to: as a table for people and as JSON for programs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

#include "confusion.hpp"

namespace voices {

struct Results {
    // What was asked for.
    std::uint32_t epochs = 0;
    std::uint32_t producers = 0;  ///< to start; 0: they are started elsewhere
    std::uint32_t batch = 0;
    std::uint64_t seed = 0;
    // What there was.
    std::string device;
    std::size_t train_recordings = 0;
    std::size_t held_out_recordings = 0;
    // What came of it.
    Confusion confusion{};      ///< of the recordings held out
    std::uint64_t records = 0;  ///< trained on, over all epochs
    double train_seconds = 0;   ///< from the first wait for a batch to the last step
    double seconds = 0;         ///< from the start of the program to the end of evaluation
    std::uint64_t cut = 0;      ///< recordings, of both kinds
    std::uint64_t lost = 0;     ///< records, of both kinds and over all epochs
    std::map<std::string, std::uint64_t> losses;
    std::size_t attached = 0;  ///< producers that took part in training
    std::uint64_t died = 0;    ///< of those
    std::size_t replaced = 0;  ///< of those that this program started
    double padding_share = 0;  ///< of the bytes of all slots used; never moved
    std::string verdict;
    std::uint64_t order_hash = 0;

    /// Share of the recordings held out that were recognised, 0 to 1; 0 when there were none.
    double accuracy() const;
    double records_per_s() const;
};

/// Several lines, without a line feed at the end.
std::string to_table(const Results& results);

/// One object. Keys: accuracy (0 to 1), records_per_s, seconds, train_seconds, records, cut, lost,
/// losses, padding_share, verdict, device, epochs, producers, batch, seed, order_hash (16
/// hexadecimal digits), recordings, held_out, attached_producers, died_producers,
/// replaced_producers, classes, confusion ([was][taken for]).
std::string to_json(const Results& results);

}  // namespace voices
