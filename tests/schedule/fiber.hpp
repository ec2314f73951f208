// A stack that code runs on until it hands over to another one. Threads would do as well, but
// handing over costs them some microseconds, and there are tens of millions of hand-overs.
#pragma once

#include <csetjmp>
#include <cstddef>
#include <memory>

namespace headrace::ring::schedule {

class Fiber {
  public:
    // With a stack of its own that `entry` runs on, each time after restart(). `entry` must not
    // return. Without one: the stack of the thread, which all others come back to at last.
    explicit Fiber(void (*entry)() = nullptr);
    Fiber(const Fiber&) = delete;
    Fiber& operator=(const Fiber&) = delete;
    ~Fiber() = default;

    // The next hand-over to it begins `entry` anew. What it was in the middle of is forgotten: no
    // destructor runs, as for a process that is killed.
    void restart() noexcept;
    // From the fiber that runs now. Returns when somebody hands over to that one again.
    void hand_over_to(Fiber& next) noexcept;

  private:
    static void begin();
    void arrive() noexcept;

    void (*entry_)();
    std::unique_ptr<std::byte[]> stack_;
    [[maybe_unused]] void* sanitizer_stack_ = nullptr;
    const void* bottom_ = nullptr;
    std::size_t bytes_ = 0;
    std::jmp_buf base_, place_;
    bool at_base_ = true;
};

}  // namespace headrace::ring::schedule
