// Its checked longjmp() takes a jump to another stack for a mistake.
#undef _FORTIFY_SOURCE

#include "schedule/fiber.hpp"

#include <ucontext.h>

#include <cstdlib>

#if defined(__SANITIZE_ADDRESS__)
#    include <sanitizer/asan_interface.h>
#    include <sanitizer/common_interface_defs.h>
#endif

namespace headrace::ring::schedule {

namespace {

// The sanitizer's frames are several times as large.
constexpr std::size_t kStackBytes = std::size_t{256} << 10;

// Who begins, for makecontext() hands over no pointer; and the place to come back to.
Fiber* beginner = nullptr;
ucontext_t made_by;

// Who hands over, until the other one has arrived.
[[maybe_unused]] Fiber* leaving = nullptr;

}  // namespace

// A context is made once, for making and starting one are system calls; all that comes after are
// jumps.
Fiber::Fiber(void (*entry)()) : entry_(entry) {
    if (entry == nullptr) return;
    stack_ = std::make_unique<std::byte[]>(kStackBytes);
    bottom_ = stack_.get();
    bytes_ = kStackBytes;
    ucontext_t context;
    getcontext(&context);
    context.uc_stack.ss_sp = stack_.get();
    context.uc_stack.ss_size = kStackBytes;
    context.uc_link = nullptr;
    makecontext(&context, &Fiber::begin, 0);
    beginner = this;
    swapcontext(&made_by, &context);
}

void Fiber::begin() {
    Fiber* const self = beginner;
    if (_setjmp(self->base_) == 0) setcontext(&made_by);
    self->arrive();
    self->entry_();
    std::abort();  // it returned
}

void Fiber::restart() noexcept {
    at_base_ = true;
#if defined(__SANITIZE_ADDRESS__)
    __asan_unpoison_memory_region(stack_.get(), kStackBytes);
    sanitizer_stack_ = nullptr;
#endif
}

void Fiber::hand_over_to(Fiber& next) noexcept {
#if defined(__SANITIZE_ADDRESS__)
    leaving = this;
    __sanitizer_start_switch_fiber(&sanitizer_stack_, next.bottom_, next.bytes_);
#endif
    if (_setjmp(place_) == 0) {
        const bool begins = next.at_base_ && next.entry_ != nullptr;
        next.at_base_ = false;
        _longjmp(begins ? next.base_ : next.place_, 1);
    }
    arrive();
}

void Fiber::arrive() noexcept {
#if defined(__SANITIZE_ADDRESS__)
    const void* bottom = nullptr;
    std::size_t bytes = 0;
    __sanitizer_finish_switch_fiber(sanitizer_stack_, &bottom, &bytes);
    if (leaving->entry_ == nullptr) {
        leaving->bottom_ = bottom;
        leaving->bytes_ = bytes;
    }
#endif
}

}  // namespace headrace::ring::schedule
