// What a wait came to. A record or batch, a time-out, the end of an epoch and the end of the data
// are four different things, and none of them is an error.
#pragma once

#include <optional>
#include <string_view>
#include <utility>

namespace headrace {

/// What a wait came to.
enum class Outcome {
    ready,         ///< there is a value
    timed_out,     ///< nothing yet; call again
    end_of_epoch,  ///< the epoch is over; the next call belongs to the next epoch
    end,           ///< no more will ever come
};

/// "ready", "timed out", "end of epoch", "end".
constexpr std::string_view name_of(Outcome outcome) noexcept {
    switch (outcome) {
        case Outcome::ready: return "ready";
        case Outcome::timed_out: return "timed out";
        case Outcome::end_of_epoch: return "end of epoch";
        case Outcome::end: return "end";
    }
    return "?";
}

/// A value, or the reason why there is none. True exactly when there is a value.
template <class T>
class Result {
  public:
    /// Outcome::ready, with a value.
    Result(T value) : outcome_(Outcome::ready), value_(std::move(value)) {}
    /// Without a value.
    Result(Outcome outcome) : outcome_(outcome) {}

    /// Outcome::ready exactly when there is a value.
    Outcome outcome() const noexcept { return outcome_; }
    /// Whether there is a value.
    explicit operator bool() const noexcept { return value_.has_value(); }
    /// The value; there has to be one.
    ///@{
    T& operator*() & { return *value_; }
    const T& operator*() const& { return *value_; }
    T&& operator*() && { return std::move(*value_); }
    T* operator->() { return &*value_; }
    const T* operator->() const { return &*value_; }
    ///@}

  private:
    Outcome outcome_;
    std::optional<T> value_;
};

}  // namespace headrace
