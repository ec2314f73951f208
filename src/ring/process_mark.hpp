// Which process made an object, told from every child of it. A pid alone does not tell: a process
// that is pid 1 of its pid namespace may have a child that is pid 1 of another one.
#pragma once

#include <sys/types.h>

#include <cstdint>

namespace headrace::ring {

// Plain values; any thread may ask. Where the kernel wipes no page for children (Linux before 4.14)
// the pid decides alone.
class ProcessMark {
  public:
    // Nobody's.
    ProcessMark() = default;
    // Of the process that calls this.
    static ProcessMark here() noexcept;

    // Whether the caller is the process that here() was called in: false in every kind of child.
    bool is_here() const noexcept;

  private:
    pid_t pid_ = 0;
    std::uint64_t mark_ = 0;
};

}  // namespace headrace::ring
