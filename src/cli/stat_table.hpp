// A snapshot for people.
#pragma once

#include <string>

#include "headrace/stats.hpp"

namespace headrace::cli {

/// Several lines, each ended, 100 columns wide unless an identity is long. Rates are averages: over
/// the time since `before`, an earlier snapshot of the same ring, or over the whole life of the
/// ring and of each producer and consumer where there is none.
std::string stat_table(const Stats& stats, const Stats* before = nullptr);

/// Writing, ready, leased and free slots as a bar of `width` characters: `+#=.`. Every share above
/// zero has at least one character, as long as there is room for that.
std::string fill_bar(const Stats& stats, std::size_t width);

}  // namespace headrace::cli
