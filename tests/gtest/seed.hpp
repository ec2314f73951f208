// Seeds of random tests. Each run draws new ones; a failure prints the seed, and
// HEADRACE_TEST_SEED=N runs with the same one again.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <random>
#include <string>

namespace headrace {

inline std::uint64_t test_seed() {
    if (const char* const given = std::getenv("HEADRACE_TEST_SEED")) {
        return std::strtoull(given, nullptr, 10);
    }
    return std::random_device{}();
}

inline std::string seed_note(std::uint64_t seed) {
    return "run again with HEADRACE_TEST_SEED=" + std::to_string(seed);
}

}  // namespace headrace
