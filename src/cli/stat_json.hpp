// A snapshot as JSON: one object with the names of Stats, seconds in `_s`, bytes in `_bytes`.
#pragma once

#include <string>

#include "headrace/stats.hpp"

namespace headrace::cli {

/// Over several lines with `indented`, else on one, which suits a stream of snapshots. Always
/// well-formed UTF-8; ends without a line feed.
std::string stat_json(const Stats& stats, bool indented);

}  // namespace headrace::cli
