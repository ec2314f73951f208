#include "cli/stat.hpp"

#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <csignal>
#include <ctime>
#include <iostream>

#include "cli/stat_json.hpp"
#include "cli/stat_prometheus.hpp"
#include "cli/stat_table.hpp"
#include "headrace/stats.hpp"

namespace headrace::cli {

namespace {

std::string rendered(const StatOptions& options, const Stats& stats, const Stats* before) {
    switch (options.format) {
        case StatFormat::json: return stat_json(stats, !options.watch_s) + "\n";
        case StatFormat::prometheus: return stat_prometheus(stats);
        case StatFormat::table: break;
    }
    return stat_table(stats, before);
}

// The same lines over those of the last time: from the top, each cleared to its end, and the rest
// of the screen below them. Nothing flickers, as nothing is cleared before it is written again.
std::string over_the_last(const std::string& text) {
    std::string out = "\x1b[H";
    for (const char c : text) {
        if (c == '\n') out += "\x1b[K";
        out += c;
    }
    return out + "\x1b[J";
}

// Waits for so long, or for Ctrl-C, which must be blocked. True: go on.
bool pause_for(double seconds, const sigset_t& signals) {
    timespec left{};
    left.tv_sec = static_cast<std::time_t>(seconds);
    left.tv_nsec = static_cast<long>((seconds - std::floor(seconds)) * 1e9);
    // EINTR, after a stop and a continue, shortens one interval: no harm.
    return sigtimedwait(&signals, nullptr, &left) < 0 && (errno == EAGAIN || errno == EINTR);
}

bool over(const Stats& stats) {
    return stats.phase == Phase::closed || stats.phase == Phase::aborted;
}

}  // namespace

int stat(const StatOptions& options) {
    const Observer observer(options.name, options.directory);
    Stats now = observer.snapshot();
    if (!options.watch_s) {
        std::cout << rendered(options, now, nullptr) << std::flush;
        return 0;
    }
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);

    const bool table = options.format == StatFormat::table;
    const bool redraw = table && ::isatty(STDOUT_FILENO) == 1;
    if (redraw) std::cout << "\x1b[2J";
    Stats before;
    for (bool started = false;; started = true) {
        const std::string text = rendered(options, now, started ? &before : nullptr);
        if (table && !redraw && started) std::cout << '\n';
        std::cout << (redraw ? over_the_last(text) : text) << std::flush;
        if (over(now) || !pause_for(*options.watch_s, signals)) return 0;
        before = now;
        now = observer.snapshot();
    }
}

}  // namespace headrace::cli
