// The arithmetic that samples/cuda_loop has for the host and the device alike.
#include "model.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstddef>
#include <random>
#include <vector>

#include "gtest/seed.hpp"

namespace cuda_loop {
namespace {

std::vector<float> random_numbers(std::size_t count, std::uint64_t seed) {
    std::mt19937_64 random(seed);
    std::normal_distribution<float> normal;
    std::vector<float> numbers(count);
    for (float& number : numbers) number = normal(random);
    return numbers;
}

TEST(ModelTest, AveragesEachPhaseOverTheTurns) {
    std::vector<float> samples;
    for (int turn = 0; turn < 3; ++turn) {
        for (int phase = 0; phase < kPhases; ++phase) {
            samples.push_back(static_cast<float>(phase + 10 * turn));
        }
    }
    samples.push_back(100);  // the fourth turn has its first phase only
    const auto count = static_cast<int>(samples.size());
    EXPECT_FLOAT_EQ(phase_mean(samples.data(), count, 0), (0 + 10 + 20 + 100) / 4.0f);
    for (int phase = 1; phase < kPhases; ++phase) {
        EXPECT_FLOAT_EQ(phase_mean(samples.data(), count, phase), static_cast<float>(phase + 10));
    }
}

TEST(ModelTest, APhaseWithoutASampleIsZero) {
    const float sample = 5;
    EXPECT_EQ(phase_mean(&sample, 0, 0), 0);
    EXPECT_EQ(phase_mean(nullptr, 0, 31), 0);
    EXPECT_EQ(phase_mean(&sample, 1, 0), 5);
    EXPECT_EQ(phase_mean(&sample, 1, 1), 0);
}

TEST(ModelTest, HalvesUponHalvesAddUpToTheSum) {
    std::array<float, kPhases> numbers;
    for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<float>(1 + i * i);
    EXPECT_EQ(sum_of_halves(numbers.data()), 10448);  // 32 + 0 + 1 + 4 + ... + 961
}

TEST(ModelTest, TheErrorIsTheSlopeOfTheLoss) {
    constexpr double kStep = 1e-2;
    for (const std::int32_t label : {0, 1}) {
        for (double logit = -8; logit <= 8; logit += 0.25) {
            const auto loss = [label](double at) {
                return static_cast<double>(loss_of(static_cast<float>(at), label));
            };
            const double slope = (loss(logit + kStep) - loss(logit - kStep)) / (2 * kStep);
            EXPECT_NEAR(static_cast<double>(error_of(static_cast<float>(logit), label)), slope,
                        1e-3)
                << "logit " << logit << ", label " << label;
        }
    }
    EXPECT_NEAR(loss_of(0, 0), std::log(2.0f), 1e-6f);
}

TEST(ModelTest, FarLogitsStayFinite) {
    EXPECT_EQ(loss_of(1000, 1), 0);
    EXPECT_EQ(loss_of(-1000, 1), 1000);
    EXPECT_EQ(error_of(1000, 0), 1);
    EXPECT_EQ(error_of(-1000, 0), 0);
    EXPECT_EQ(error_of(-1000, 1), -1);
    EXPECT_EQ(right_of(1000, 1), 1);
    EXPECT_EQ(right_of(1000, 0), 0);
    EXPECT_EQ(right_of(0, 0), 1);
}

TEST(ModelTest, PartsTogetherSumEachColumnOverAnyNumberOfRecords) {
    const std::uint64_t seed = headrace::test_seed();
    for (const int records : {0, 1, kParts - 1, kParts, kParts + 1, 1000}) {
        const auto rows = random_numbers(static_cast<std::size_t>(records) * kColumns, seed);
        std::array<float, kParts * kColumns> parts;
        for (int part = 0; part < kParts; ++part) {
            for (int column = 0; column < kColumns; ++column) {
                parts[static_cast<std::size_t>(part * kColumns + column)] =
                    sum_of_part(rows.data(), records, column, part);
            }
        }
        for (int column = 0; column < kColumns; ++column) {
            double sum = 0;
            for (int record = 0; record < records; ++record) {
                sum +=
                    static_cast<double>(rows[static_cast<std::size_t>(record * kColumns + column)]);
            }
            EXPECT_NEAR(static_cast<double>(sum_of_parts(parts.data(), column)), sum, 1e-3)
                << records << " records, column " << column << "; " << headrace::seed_note(seed);
        }
    }
}

}  // namespace
}  // namespace cuda_loop
