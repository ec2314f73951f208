// The arithmetic of the model, for the host and for the device: logistic regression on the mean of
// a recording at each phase of the turn ("time-synchronous averaging"). No state, no memory of its
// own. Both trainers call these functions in the same order, so they differ in rounding only (the
// device contracts a product and a sum into one operation), and either gives the same numbers in
// every run.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>

#ifdef __CUDACC__
#    define CUDA_LOOP_BOTH __host__ __device__
#else
#    define CUDA_LOOP_BOTH
#endif

namespace cuda_loop {

/// Samples of a turn, and features of a record. As many as a warp has lanes: lane k computes
/// feature k, and the lanes' reads of the samples lie side by side.
inline constexpr int kPhases = 32;
/// A weight for each feature, then the bias.
inline constexpr int kWeights = kPhases + 1;

// Each record of a batch becomes one row of float[records, kColumns]. The sums of the columns are
// all that a step needs: the gradient of each weight, the loss, and how many were right.
inline constexpr int kBiasColumn = kPhases;
inline constexpr int kLossColumn = kWeights;
inline constexpr int kRightColumn = kWeights + 1;
inline constexpr int kColumns = kWeights + 2;
/// A column is summed in so many parts side by side, part p being records p, p + kParts, ...; then
/// the parts in order. Fixed, and with it the result: atomic additions would come in any order.
inline constexpr int kParts = 16;

/// The mean of samples `phase`, `phase` + kPhases, ... of `count`; 0 when there is none.
CUDA_LOOP_BOTH inline float phase_mean(const float* samples, int count, int phase) {
    float sum = 0;
    int turns = 0;
    for (int sample = phase; sample < count; sample += kPhases) {
        sum += samples[sample];
        ++turns;
    }
    return turns == 0 ? 0.0f : sum / static_cast<float>(turns);
}

/// The sum of kPhases numbers, halves upon halves: what the lanes of a warp do by shuffles.
/// Overwrites the numbers.
inline float sum_of_halves(float* numbers) {
    for (int half = kPhases / 2; half > 0; half /= 2) {
        for (int i = 0; i < half; ++i) numbers[i] += numbers[i + half];
    }
    return numbers[0];
}

/// The cross entropy of a label of 0 or 1: log(1 + exp(logit)) - label * logit, without overflow.
CUDA_LOOP_BOTH inline float loss_of(float logit, std::int32_t label) {
    const float above = logit > 0 ? logit : 0.0f;
    return above + std::log1p(std::exp(-std::fabs(logit))) - (label == 1 ? logit : 0.0f);
}

/// Its derivative by the logit. An overflow of exp() gives the limit.
CUDA_LOOP_BOTH inline float error_of(float logit, std::int32_t label) {
    return 1.0f / (1.0f + std::exp(-logit)) - (label == 1 ? 1.0f : 0.0f);
}

CUDA_LOOP_BOTH inline float right_of(float logit, std::int32_t label) {
    return (logit > 0) == (label == 1) ? 1.0f : 0.0f;
}

/// The columns of a row that do not belong to a feature.
CUDA_LOOP_BOTH inline void write_outcome(float* row, float logit, std::int32_t label) {
    row[kBiasColumn] = error_of(logit, label);
    row[kLossColumn] = loss_of(logit, label);
    row[kRightColumn] = right_of(logit, label);
}

/// One part of the sum of a column over all records.
CUDA_LOOP_BOTH inline float sum_of_part(const float* rows, int records, int column, int part) {
    float sum = 0;
    for (int record = part; record < records; record += kParts) {
        sum += rows[static_cast<std::ptrdiff_t>(record) * kColumns + column];
    }
    return sum;
}

/// `parts` is float[kParts, kColumns].
CUDA_LOOP_BOTH inline float sum_of_parts(const float* parts, int column) {
    float sum = 0;
    for (int part = 0; part < kParts; ++part) sum += parts[part * kColumns + column];
    return sum;
}

}  // namespace cuda_loop
