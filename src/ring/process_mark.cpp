#include "ring/process_mark.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <new>

#include "ring/layout.hpp"

namespace headrace::ring {

namespace {

using Mark = std::atomic<std::uint64_t>;

// What a child inherits as it is: the marks given so far to this process and those before it.
Mark marks_given{0};

// A page that is empty in a child, at the same address. Made once, without a lock: a
// fork at the wrong moment would leave it locked in the child. Never unmapped, for objects of any
// lifetime ask.
std::atomic<Mark*> wiped_page{nullptr};
Mark no_page{0};  // stands for the page where there can be none

Mark* make_page() noexcept {
    void* const place =
        mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (place == MAP_FAILED) return &no_page;
    if (madvise(place, kPage, MADV_WIPEONFORK) == 0) return new (place) Mark(0);
    munmap(place, kPage);
    return &no_page;
}

Mark& page() noexcept {
    Mark* found = wiped_page.load();
    if (found != nullptr) return *found;
    Mark* const made = make_page();
    if (wiped_page.compare_exchange_strong(found, made)) return *made;
    if (made != &no_page) munmap(made, kPage);  // another thread was first
    return *found;
}

}  // namespace

ProcessMark ProcessMark::here() noexcept {
    ProcessMark result;
    result.pid_ = getpid();
    Mark& mark = page();
    if (&mark == &no_page) return result;
    result.mark_ = mark.load();
    if (result.mark_ == 0) {
        // The first one in this process. Higher than all that were inherited, so none of them is
        // taken for one of ours.
        const std::uint64_t fresh = marks_given.fetch_add(1) + 1;
        if (mark.compare_exchange_strong(result.mark_, fresh)) result.mark_ = fresh;
    }
    return result;
}

bool ProcessMark::is_here() const noexcept {
    return pid_ == getpid() && mark_ == page().load();
}

}  // namespace headrace::ring
