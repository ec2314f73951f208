// Limits of the test's own process, and what it has open.
#pragma once

#include <sys/resource.h>

#include <cstddef>
#include <filesystem>
#include <iterator>

namespace headrace {

inline std::ptrdiff_t open_descriptors() {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"),
                         std::filesystem::directory_iterator());
}

// A soft limit, until it is lifted: nobody may raise a hard one again.
class SoftLimit {
  public:
    SoftLimit(int what, rlim_t limit) : what_(what) {
        getrlimit(what_, &before_);
        const rlimit lower{.rlim_cur = limit, .rlim_max = before_.rlim_max};
        is_set_ = setrlimit(what_, &lower) == 0;
    }
    ~SoftLimit() { lift(); }
    SoftLimit(const SoftLimit&) = delete;
    SoftLimit& operator=(const SoftLimit&) = delete;
    bool is_set() const { return is_set_; }
    void lift() { setrlimit(what_, &before_); }

  private:
    int what_;
    rlimit before_{};
    bool is_set_ = false;
};

}  // namespace headrace
