#include "vibration.hpp"

#include <cmath>
#include <numbers>
#include <random>

#include "model.hpp"
#include "record.hpp"

namespace cuda_loop {
namespace {

constexpr float kNoise = 1.0f;      // standard deviation
constexpr float kUnbalance = 0.5f;  // every shaft swings a little, worn or not
// A worn bearing knocks once a turn. It is weaker than the noise: one turn hardly tells, many do.
constexpr float kKnock = 0.8f;
constexpr std::size_t kKnockBegins = 9;
constexpr std::size_t kKnockEnds = 12;

float shaft(std::size_t phase, bool worn) {
    const float turn = 2 * std::numbers::pi_v<float> / static_cast<float>(kPhases);
    const bool knocks = worn && phase >= kKnockBegins && phase < kKnockEnds;
    return kUnbalance * std::sin(turn * static_cast<float>(phase)) + (knocks ? kKnock : 0.0f);
}

}  // namespace

Vibration write_vibration(std::uint64_t item, std::span<float> out) {
    std::mt19937_64 random(item);
    const bool worn = std::bernoulli_distribution(0.5)(random);
    // Each doubling of the length is as likely as any other.
    const double length =
        kShortest * std::pow(static_cast<double>(kLongest) / kShortest,
                             std::uniform_real_distribution<double>(0, 1)(random));
    const auto samples = static_cast<std::size_t>(std::lround(length));
    std::normal_distribution<float> noise(0, kNoise);
    for (std::size_t i = 0; i < samples; ++i) {
        out[i] = shaft(i % kPhases, worn) + noise(random);
    }
    return {samples, worn ? 1 : 0};
}

}  // namespace cuda_loop
