// What a run came to: as a table for people and as JSON for programs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "exam.hpp"
#include "options.hpp"

namespace words {

struct Results {
    Options options;     ///< what was asked for
    std::string device;  ///< where it was done
    std::string libtorch;
    // What there was.
    std::size_t train_words = 0;
    std::size_t held_out_words = 0;
    // What came of it, with what was before the checkpoint.
    std::uint64_t epochs = 0;  ///< that are over
    std::uint64_t steps = 0;
    Exam exam;                     ///< the last one
    std::uint64_t model_hash = 0;  ///< hash_of(Learner::tensors())
    // Of this run alone.
    std::uint64_t records = 0;  ///< learned from
    double train_seconds = 0;   ///< without exams
    double seconds = 0;         ///< from the start of the program
    std::uint64_t lost = 0;     ///< records of both rings that never came
    std::size_t replaced = 0;   ///< producers
    double padding_share = 0;   ///< of the bytes of all slots used; never moved
    std::string verdict;

    double records_per_s() const noexcept;
};

/// Several lines, without a line feed at the end.
std::string to_table(const Results& results);

/// One object. Keys: accuracy (0 to 1, of the words held out), held_out_loss, records_per_s,
/// seconds, train_seconds, records, lost, padding_share, verdict, epochs, steps, model_hash (16
/// hexadecimal digits), train_words, held_out_words, replaced_producers, device, libtorch, layout,
/// batch, slots, depth, producers, threads, words, seed, classes, confusion ([was][taken for]).
std::string to_json(const Results& results);

}  // namespace words
