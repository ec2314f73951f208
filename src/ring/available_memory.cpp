#include "ring/available_memory.hpp"

#include <algorithm>
#include <fstream>
#include <limits>
#include <optional>
#include <sstream>
#include <system_error>

namespace headrace::ring {

namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t kUnknown = std::numeric_limits<std::uint64_t>::max();

// The number in a file that holds one; empty for "max", nonsense or no file.
std::optional<std::uint64_t> number_in(const fs::path& path) {
    std::ifstream file(path);
    std::uint64_t value = 0;
    if (!(file >> value)) return std::nullopt;
    return value;
}

// The value of a line `key value` (or `key: value kB`).
std::optional<std::uint64_t> value_of(const fs::path& path, const std::string& key) {
    std::ifstream file(path);
    std::string line;
    while (std::getline(file, line)) {
        std::istringstream words(line);
        std::string found, unit;
        std::uint64_t value = 0;
        if (words >> found >> value && found == key) return words >> unit ? value * 1024 : value;
    }
    return std::nullopt;
}

struct GroupFiles {
    const char *limit, *use, *reclaimable_key;
};
constexpr GroupFiles kVersion2{"memory.max", "memory.current", "inactive_file"};
constexpr GroupFiles kVersion1{"memory.limit_in_bytes", "memory.usage_in_bytes",
                               "total_inactive_file"};

// Where a group lies below the mount. In a container its path may be that of the whole machine
// while the mount shows the container's part only: then the first parts of the path are not there,
// or none is.
fs::path place_of(const fs::path& mount, const std::string& group) {
    const fs::path whole = fs::path(group).relative_path();
    for (auto begin = whole.begin(); begin != whole.end(); ++begin) {
        fs::path place;
        for (auto part = begin; part != whole.end(); ++part) place /= *part;
        std::error_code unreadable;
        if (fs::exists(mount / place, unreadable)) return place;
    }
    return whole;
}

// Looks at a group and all above it, for any of them may be the one that is full.
void look_upwards(const fs::path& mount, const std::string& group, const GroupFiles& files,
                  AvailableMemory& least) {
    for (fs::path at = place_of(mount, group);; at = at.parent_path()) {
        const fs::path folder = mount / at;
        const auto limit = number_in(folder / files.limit);
        const auto use = number_in(folder / files.use);
        if (limit && use) {
            const auto reclaimable = value_of(folder / "memory.stat", files.reclaimable_key);
            const std::uint64_t held = *use - std::min(*use, reclaimable.value_or(0));
            const std::uint64_t free = *limit - std::min(*limit, held);
            if (free < least.bytes) least = {free, (folder / files.limit).string()};
        }
        if (at.empty()) return;
    }
}

}  // namespace

AvailableMemory available_memory(const fs::path& root) {
    AvailableMemory least{kUnknown, "nothing that could be read"};
    if (const auto free = value_of(root / "proc/meminfo", "MemAvailable:")) {
        least = {*free, "MemAvailable in /proc/meminfo"};
    }
    // Lines `hierarchy:controllers:path`; version 2 has hierarchy 0 and no controllers.
    std::ifstream groups(root / "proc/self/cgroup");
    std::string line;
    while (std::getline(groups, line)) {
        const auto first = line.find(':');
        const auto second = first == std::string::npos ? first : line.find(':', first + 1);
        if (second == std::string::npos) continue;
        const std::string controllers = line.substr(first + 1, second - first - 1);
        const std::string group = line.substr(second + 1);
        if (controllers.empty()) {
            look_upwards(root / "sys/fs/cgroup", group, kVersion2, least);
        } else if ((',' + controllers + ',').find(",memory,") != std::string::npos) {
            look_upwards(root / "sys/fs/cgroup/memory", group, kVersion1, least);
        }
    }
    return least;
}

}  // namespace headrace::ring
