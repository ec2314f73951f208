// A stream of numbers that its seed determines, on every machine alike.
#pragma once

#include <cstdint>

namespace headrace::ring::schedule {

// SplitMix64: one addition and three multiplications a number, for one is drawn at every step.
class Random {
  public:
    Random() = default;
    explicit Random(std::uint64_t seed) : state_(seed) {}

    std::uint64_t next() noexcept {
        std::uint64_t z = state_ += 0x9e3779b97f4a7c15u;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
        z = (z ^ z >> 27) * 0x94d049bb133111ebu;
        return z ^ z >> 31;
    }
    // In [0, limit), of less than 2^32.
    std::uint64_t below(std::uint64_t limit) noexcept { return (next() >> 32) * limit >> 32; }
    // In [first, last].
    std::uint64_t between(std::uint64_t first, std::uint64_t last) noexcept {
        return first + below(last - first + 1);
    }
    // True once in `n` times; never for 0.
    bool one_in(std::uint64_t n) noexcept { return n != 0 && below(n) == 0; }

  private:
    std::uint64_t state_ = 0;
};

}  // namespace headrace::ring::schedule
