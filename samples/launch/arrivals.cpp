#include "launch/arrivals.hpp"

#include <utility>

#include "launch/text.hpp"

namespace samples {

Arrivals::Arrivals(std::string how, Progress& progress, std::chrono::milliseconds patience)
    : how_(std::move(how)), progress_(progress), patience_(patience) {}

void Arrivals::look(const headrace::Ring& ring) {
    if (is_over_) return;
    is_over_ = !ring.stats().producers.empty();
    if (is_over_ || Clock::now() - start_ < patience_) return;
    is_over_ = true;
    progress_.say(format("no producer has come within %.0f s, waiting on; ",
                         std::chrono::duration<double>(patience_).count()) +
                  how_);
}

}  // namespace samples
