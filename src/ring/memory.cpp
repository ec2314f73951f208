#include "ring/memory.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "headrace/error.hpp"
#include "ring/available_memory.hpp"
#include "ring/layout.hpp"

#ifndef MADV_COLLAPSE  // Linux 6.1; missing in the headers of glibc 2.36
#    define MADV_COLLAPSE 25
#endif

namespace headrace::ring {

namespace {

constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

std::string in_mib(std::uint64_t bytes) {
    return std::to_string((bytes + (1u << 20) - 1) >> 20) + " MiB";
}

[[noreturn]] void fail(const std::string& ring, const std::string& what, int error) {
    throw SystemError("ring \"" + ring + "\": " + what + ": " + std::strerror(error));
}

// In steps, for a signal makes the kernel undo the whole of one: with a profiler's timer running, a
// step must take less than its period or it would never end. Returns the error.
int allocate(int fd, std::uint64_t bytes) {
    constexpr std::uint64_t kStep = kHugePage;
    for (std::uint64_t at = 0; at < bytes; at += kStep) {
        const std::uint64_t size = std::min(kStep, bytes - at);
        int error = 0;
        do {  // its error is its return value, not errno
            error = posix_fallocate(fd, static_cast<off_t>(at), static_cast<off_t>(size));
        } while (error == EINTR);
        if (error != 0) return error;
    }
    return 0;
}

}  // namespace

UniqueFd make_memory(const std::string& ring_name, std::uint64_t bytes) {
    const AvailableMemory available = available_memory();
    if (bytes > available.bytes) {
        throw SystemError("ring \"" + ring_name + "\": needs " + in_mib(bytes) +
                          " of shared memory, there are " + in_mib(available.bytes) + " (" +
                          available.source + "); use fewer slots or smaller capacities");
    }
    // The kernel would send SIGXFSZ, which ends a process that has no handler for it.
    rlimit file_size{};
    if (getrlimit(RLIMIT_FSIZE, &file_size) == 0 && bytes > file_size.rlim_cur) {
        throw SystemError("ring \"" + ring_name + "\": needs " + in_mib(bytes) +
                          " of shared memory, files may have " + in_mib(file_size.rlim_cur) +
                          " (RLIMIT_FSIZE, ulimit -f); raise that limit");
    }
    UniqueFd fd(memfd_create(("headrace:" + ring_name).c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!fd) fail(ring_name, "memfd_create", errno);
    const int error = allocate(fd.get(), bytes);
    if (error != 0) fail(ring_name, "allocating " + in_mib(bytes) + " of shared memory", error);
    if (fcntl(fd.get(), F_ADD_SEALS, kSeals) != 0) fail(ring_name, "sealing the memory", errno);
    return fd;
}

void check_memory(int fd, std::uint64_t bytes, const std::string& ring_name) {
    struct stat file {};
    if (fstat(fd, &file) != 0) fail(ring_name, "fstat of the memory", errno);
    if (static_cast<std::uint64_t>(file.st_size) != bytes) {
        throw SystemError("ring \"" + ring_name + "\": was told of " + std::to_string(bytes) +
                          " bytes of memory, given " + std::to_string(file.st_size));
    }
    const int seals = fcntl(fd, F_GET_SEALS);
    if (seals < 0 || (seals & kSeals) != kSeals) {
        throw SystemError("ring \"" + ring_name +
                          "\": the memory given is not sealed against shrinking");
    }
}

Mapping::Mapping(int fd, std::uint64_t bytes, Access access) : mapped_in_(ProcessMark::here()) {
    // Reserve enough to find an aligned place, map there, give the rest back.
    const std::size_t reserved = bytes + kHugePage;
    void* const place = mmap(nullptr, reserved, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (place == MAP_FAILED) {
        throw SystemError("mapping " + in_mib(bytes) + ": " + std::strerror(errno));
    }
    auto* const begin = static_cast<std::byte*>(place);
    const auto address = reinterpret_cast<std::uintptr_t>(begin);
    std::byte* const aligned = begin + ((kHugePage - address % kHugePage) % kHugePage);
    const int protection = access == Access::read_only ? PROT_READ : PROT_READ | PROT_WRITE;
    if (mmap(aligned, bytes, protection, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED) {
        const int error = errno;
        munmap(begin, reserved);
        throw SystemError("mapping " + in_mib(bytes) + ": " + std::strerror(error));
    }
    memory_ = {aligned, bytes};
    const std::size_t mapped = (bytes + kPage - 1) / kPage * kPage;
    if (aligned != begin) munmap(begin, static_cast<std::size_t>(aligned - begin));
    std::byte* const rest = aligned + mapped;
    if (rest != begin + reserved) munmap(rest, static_cast<std::size_t>(begin + reserved - rest));
    if (madvise(aligned, mapped, MADV_DONTFORK) != 0) {
        const int error = errno;
        munmap(aligned, mapped);
        throw SystemError(std::string("keeping the mapping from children: ") +
                          std::strerror(error));
    }
}

Mapping::Mapping(Mapping&& other) noexcept
    : memory_(std::exchange(other.memory_, {})), mapped_in_(other.mapped_in_) {}

Mapping& Mapping::operator=(Mapping&& other) noexcept {
    std::swap(memory_, other.memory_);
    std::swap(mapped_in_, other.mapped_in_);
    return *this;
}

Mapping::~Mapping() {
    if (!memory_.empty() && mapped_in_.is_here()) munmap(memory_.data(), memory_.size());
}

bool Mapping::collapse_into_huge_pages() const noexcept {
    const std::size_t whole = memory_.size() / kHugePage * kHugePage;
    return whole != 0 && madvise(memory_.data(), whole, MADV_COLLAPSE) == 0;
}

}  // namespace headrace::ring
