// Which machine a figure is from.
#pragma once

#include <string>

namespace headrace::cli {

struct Machine {
    std::string hostname;
    std::string cpu;     ///< model name as the kernel reports it; "unknown" where it does not
    unsigned cores = 0;  ///< that this process may run on
    std::string kernel;
};

Machine this_machine();

/// Now, in UTC, as ISO 8601: 2026-03-01T12:34:56Z
std::string utc_now();

}  // namespace headrace::cli
