// A snapshot in Prometheus' text exposition format, version 0.0.4: HELP and TYPE before each
// metric, base units, counters that end in `_total`.
// https://prometheus.io/docs/instrumenting/exposition_formats/
#pragma once

#include <string>
#include <string_view>

#include "headrace/stats.hpp"

namespace headrace::cli {

/// Ends with a line feed, as the format demands.
std::string stat_prometheus(const Stats& stats);

/// The inside of a label's quotes: backslash, double quote and line feed escaped as the format
/// says; other control characters, and bytes that are not UTF-8, replaced by U+FFFD.
std::string label_value(std::string_view bytes);

}  // namespace headrace::cli
