// The bytes of one run, read from the front; zeros where there are no more. Small, and without
// state of its own, so that a run follows from its bytes alone.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>
#include <type_traits>

namespace headrace::fuzz {

class Input {
  public:
    Input(const std::uint8_t* data, std::size_t bytes) : rest_(data, bytes) {}

    bool is_empty() const { return rest_.empty(); }
    // The next `bytes`, or what is left.
    std::span<const std::uint8_t> take(std::size_t bytes) {
        const auto taken = rest_.first(std::min(bytes, rest_.size()));
        rest_ = rest_.subspan(taken.size());
        return taken;
    }
    // Copied over `value`, from its start on; what the input has no bytes for stays.
    template <class T>
    void overwrite(T& value) {
        static_assert(std::is_trivially_copyable_v<T>);
        const auto taken = take(sizeof(T));
        if (!taken.empty()) std::memcpy(&value, taken.data(), taken.size());
    }
    template <class T>
    T number() {
        T value{};
        overwrite(value);
        return value;
    }
    std::uint8_t byte() { return number<std::uint8_t>(); }

  private:
    std::span<const std::uint8_t> rest_;
};

// What must hold whatever the input is.
inline void require(bool holds, const char* what) {
    if (holds) return;
    std::fprintf(stderr, "does not hold: %s\n", what);
    std::abort();
}

}  // namespace headrace::fuzz
