#include "cli/list.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "cli/quantity.hpp"
#include "cli/table.hpp"
#include "cli/text.hpp"
#include "headrace/error.hpp"
#include "headrace/stats.hpp"
#include "ring/deadline.hpp"
#include "ring/rendezvous.hpp"

namespace headrace::cli {

namespace {

// A trainer answers within milliseconds, if its machine is not short of cores. Health checks are
// often given three seconds: this leaves one to start in, and to print.
constexpr std::chrono::milliseconds kPatience{2000};
constexpr std::string_view kEnding = ".sock";

// What became of one socket: statistics, or a reason, or neither where nobody listens.
struct Look {
    std::string name = {};
    std::optional<Stats> stats = {};
    std::string reason = {};
};

// In order; none where there is no folder.
std::vector<Look> sockets_in(const std::string& folder) {
    std::vector<Look> looks;
    std::error_code error;
    std::filesystem::directory_iterator entry(folder, error);
    for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
        std::string name = entry->path().filename().string();
        if (!name.ends_with(kEnding)) continue;
        name.resize(name.size() - kEnding.size());
        looks.push_back({.name = std::move(name)});
    }
    if (error && error != std::errc::no_such_file_or_directory) {
        throw SystemError("folder " + printable(folder) + ": " + error.message());
    }
    std::ranges::sort(looks, {}, &Look::name);
    return looks;
}

// Why a socket cannot be connected to; nothing when it is no ring's.
std::string reason_of(int error) {
    switch (error) {
        case ENOENT:        // gone meanwhile
        case ECONNREFUSED:  // left behind by a trainer that was killed; or a file of that name
        case EPROTOTYPE:    // a socket of another kind, and so of another program
            return {};
        case EAGAIN: return "busy: its trainer lets nobody in; is it stopped?";
        default: return std::strerror(error);
    }
}

void look_at(const std::string& folder, Look& look, ring::Clock::time_point deadline) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(ring::time_left(deadline));
    if (left.count() == 0) {
        look.reason = "not asked: too many others did not answer";
        return;
    }
    try {
        look.stats = Observer(look.name, folder, left).snapshot();
    } catch (const TimeoutError& error) {
        // Not connected to once more: a trainer that is stopped has room for 128 who wait.
        look.reason = error.what();
    } catch (const std::exception& error) {
        int why = 0;
        const bool connects =
            bool(ring::connect_to(folder + "/" + look.name + std::string(kEnding), why));
        look.reason = connects ? error.what() : reason_of(why);
    }
    const std::string title = "ring \"" + look.name + "\": ";  // the line has the name already
    if (look.reason.starts_with(title)) look.reason.erase(0, title.size());
}

// At the same time, for each that is stopped keeps us waiting until the end.
void look_at_all(const std::string& folder, std::vector<Look>& looks) {
    // More rings than this in one folder, and stopped: some of the last would go unheard.
    constexpr std::size_t kMostThreads = 64;
    const ring::Clock::time_point deadline = ring::deadline_after(kPatience);
    std::atomic<std::size_t> next = 0;
    std::vector<std::jthread> threads;
    for (std::size_t thread = 0; thread < std::min(looks.size(), kMostThreads); ++thread) {
        threads.emplace_back([&] {
            for (std::size_t i = next++; i < looks.size(); i = next++) {
                look_at(folder, looks[i], deadline);
            }
        });
    }
}

template <class Member>
std::string attached_text(const std::vector<Member>& members) {
    const auto attached = std::ranges::count(members, ProducerState::attached, &Member::state);
    return count_text(static_cast<std::uint64_t>(attached));
}

// Whether consumers have come to share it.
bool is_shared(const Look& look) {
    return look.stats && !look.stats->consumers.empty();
}

// With a column for consumers, which few rings have, or without.
Row row_of(const Look& look, bool with_consumers) {
    if (!look.stats) return {printable(look.name), printable(look.reason)};
    const Stats& stats = *look.stats;
    Row row{printable(look.name), std::string(name_of(stats.phase)),
            stats.device.empty() ? "-" : printable(stats.device), attached_text(stats.producers)};
    if (with_consumers) row.push_back(is_shared(look) ? attached_text(stats.consumers) : "-");
    row.push_back(count_text(stats.delivered));
    row.push_back(seconds_text(stats.age_s));
    return row;
}

}  // namespace

int list(const ListOptions& options) {
    const std::string folder = ring::find_rendezvous_directory(options.directory);
    std::vector<Look> looks = sockets_in(folder);
    look_at_all(folder, looks);

    const bool with_consumers = std::ranges::any_of(looks, is_shared);
    std::vector<Row> rows{{"ring", "phase", "device", "producers", "delivered", "age"}};
    if (with_consumers) rows.front().insert(rows.front().begin() + 4, "consumers");
    bool answered = false, works = false;
    for (const Look& look : looks) {
        if (!look.stats && look.reason.empty()) continue;
        rows.push_back(row_of(look, with_consumers));
        answered |= look.stats.has_value();
        works |= look.stats && look.stats->phase != Phase::aborted;
    }
    if (rows.size() > 1) std::cout << aligned(rows, {0, 1, 2}) << std::flush;
    if (works) return 0;
    std::cerr << "headrace: "
              << (answered ? "every ring that answers is aborted in " : "no ring answers in ")
              << printable(folder) << '\n';
    return 1;
}

}  // namespace headrace::cli
