// How much memory a ring may take, asked before any is taken: a memfd that outgrows its control
// group's limit is not refused, its process is killed.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace headrace::ring {

struct AvailableMemory {
    std::uint64_t bytes;  // ~0 when nothing could be read
    std::string source;   // "MemAvailable in /proc/meminfo", or the path of the limit that is least
};

// The least of MemAvailable and, for each control group from this process's up to the root, its
// limit less its use (versions 1 and 2); in a container up to the container's, which is all that it
// can see. What can be reclaimed (inactive file pages) counts as free. `root` stands before /proc
// and /sys; tests give their own.
AvailableMemory available_memory(const std::filesystem::path& root = "/");

}  // namespace headrace::ring
