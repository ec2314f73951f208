// Memory that ends where it ends: behind it lies a page that nobody may touch, and what is in front
// of it is poisoned for the address sanitizer.
#pragma once

#include <sanitizer/asan_interface.h>
#include <sys/mman.h>

#include <cstddef>
#include <cstring>
#include <span>

#include "fuzz/input.hpp"
#include "ring/layout.hpp"

namespace headrace::fuzz {

class GuardedMemory {
  public:
    // Room for one piece at a time, of `most` bytes, whole pages.
    explicit GuardedMemory(std::size_t most) : most_(most) {
        void* const place =
            mmap(nullptr, most + 2 * ring::kPage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        require(place != MAP_FAILED, "there is address space");
        begin_ = static_cast<std::byte*>(place) + ring::kPage;
        require(mprotect(begin_, most, PROT_READ | PROT_WRITE) == 0, "there is memory");
    }
    // Zeroed; takes the place of the piece before.
    std::span<std::byte> piece(std::size_t bytes) {
        std::byte* const at = begin_ + (most_ - bytes);
        ASAN_POISON_MEMORY_REGION(begin_, most_);
        ASAN_UNPOISON_MEMORY_REGION(at, bytes);
        std::memset(at, 0, bytes);
        return {at, bytes};
    }

  private:
    std::size_t most_;
    std::byte* begin_ = nullptr;
};

}  // namespace headrace::fuzz
