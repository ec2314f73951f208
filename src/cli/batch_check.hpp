// Reads a whole batch: values, offsets, tails, and what it says of itself.
#pragma once

#include <cstdint>

#include "cli/batch_reader.hpp"
#include "cli/record_check.hpp"
#include "headrace/batch.hpp"

namespace headrace::cli {

/// What fills the tails of trimmed and padded batches in the benchmark: neither zero, which fresh
/// memory holds anyway, nor likely in the pattern.
inline constexpr float kFloatPad = 0.25f;
inline constexpr std::int32_t kIntPad = -1;

/// `content` is what a BatchReader found in the batch. `next` is the index that the batch has to
/// start with, and is moved past it. False when something was wrong; `check` says what.
bool check_batch(const Batch& batch, const BatchContent& content, std::uint64_t& next,
                 RecordCheck& check);

}  // namespace headrace::cli
