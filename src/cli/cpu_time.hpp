// Processor time, of this process and of its children.
#pragma once

#include <sys/resource.h>

namespace headrace::cli {

/// User and system time, in seconds, of this process and of those children that have been waited
/// for: the difference of two calls around a run includes producers that ended in between, with
/// their start-up.
inline double cpu_seconds() {
    const auto seconds = [](const timeval& time) {
        return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
    };
    double sum = 0;
    for (const auto who : {RUSAGE_SELF, RUSAGE_CHILDREN}) {
        rusage usage{};
        getrusage(who, &usage);
        sum += seconds(usage.ru_utime) + seconds(usage.ru_stime);
    }
    return sum;
}

}  // namespace headrace::cli
