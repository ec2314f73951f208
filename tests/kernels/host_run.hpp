// Runs the bodies of the kernels on the host: all threads of a grid, one after the other, over
// memory in which a byte read or written where it must not be is noticed.
#pragma once

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <numeric>
#include <string>
#include <vector>

#if defined(__SANITIZE_ADDRESS__) && __has_include(<sanitizer/asan_interface.h>)
#    define HEADRACE_POISONS 1
#elif defined(__has_feature)
#    if __has_feature(address_sanitizer)
#        define HEADRACE_POISONS 1
#    endif
#endif
#ifdef HEADRACE_POISONS
#    include <sanitizer/asan_interface.h>
#endif

#include "kernels/forms.hpp"
#include "kernels/gather.hpp"
#include "kernels/pad.hpp"
#include "kernels/reference.hpp"
#include "kernels/strip.hpp"

namespace headrace::kernels {

// A source: what lies behind it cannot be read. Under the address sanitizer neither can the blocks
// of 16 bytes that hold no payload, wherever they are.
class FencedSource {
  public:
    explicit FencedSource(const Field& field) {
        const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
        const Bytes& bytes = field.source();
        readable_ = (bytes.size() + page - 1) / page * page;
        void* const memory = mmap(nullptr, readable_ + page, PROT_READ | PROT_WRITE,
                                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED) return;
        memory_ = static_cast<std::byte*>(memory);
        mapped_ = readable_ + page;
        mprotect(memory_ + readable_, page, PROT_NONE);
        data_ = memory_ + (readable_ - bytes.size());
        if (!bytes.empty()) std::memcpy(data_, bytes.data(), bytes.size());
#ifdef HEADRACE_POISONS
        ASAN_POISON_MEMORY_REGION(memory_, readable_ - bytes.size());
        const std::vector<bool> blocks = field.payload_blocks();
        for (std::size_t i = 0; i < blocks.size(); ++i) {
            if (!blocks[i]) ASAN_POISON_MEMORY_REGION(data_ + 16 * i, 16);
        }
#endif
    }
    FencedSource(const FencedSource&) = delete;
    FencedSource& operator=(const FencedSource&) = delete;
    ~FencedSource() {
        if (memory_ == nullptr) return;
#ifdef HEADRACE_POISONS
        ASAN_UNPOISON_MEMORY_REGION(memory_, readable_);
#endif
        munmap(memory_, mapped_);
    }
    const std::byte* data() const {
        return data_;
    }  // nullptr: no memory

  private:
    std::byte* memory_ = nullptr;
    std::byte* data_ = nullptr;
    std::size_t readable_ = 0;
    std::size_t mapped_ = 0;
};

// A target, aligned as those of a device, between bytes that nobody may write.
class GuardedTarget {
  public:
    explicit GuardedTarget(Bytes before) : before_(std::move(before)) {
        guard_.fill(std::byte{0xa5});
        memory_.resize(before_.size() + 2 * kGuard + kAlignment);
        reset();
    }
    GuardedTarget(const GuardedTarget&) = delete;
    GuardedTarget& operator=(const GuardedTarget&) = delete;

    std::byte* data() {
        const auto address = reinterpret_cast<std::uintptr_t>(memory_.data()) + kGuard;
        return memory_.data() + kGuard + (kAlignment - address % kAlignment) % kAlignment;
    }
    void reset() {
        std::fill(memory_.begin(), memory_.end(), std::byte{0xa5});
        std::copy(before_.begin(), before_.end(), data());
    }
    testing::AssertionResult holds(const Bytes& wanted) {
        for (std::size_t i = 0; i < wanted.size(); ++i) {
            if (data()[i] == wanted[i]) continue;
            return testing::AssertionFailure() << "byte " << i << " of " << wanted.size() << " is "
                                               << std::to_integer<int>(data()[i]) << ", wanted "
                                               << std::to_integer<int>(wanted[i]);
        }
        if (std::equal(guard_.begin(), guard_.end(), data() - kGuard) &&
            std::equal(guard_.begin(), guard_.end(), data() + wanted.size())) {
            return testing::AssertionSuccess();
        }
        return testing::AssertionFailure() << "written beside the target";
    }

  private:
    static constexpr std::size_t kGuard = 512;
    static constexpr std::size_t kAlignment = 256;

    Bytes before_;
    Bytes memory_;
    std::array<std::byte, kGuard> guard_;
};

// A field in the memory of this process.
class HostField {
  public:
    HostField(const FieldForm& form, Random& random)
        : field_(form, random),
          source_(field_),
          target_(field_.before()),
          offsets_(field_.offsets()) {}

    const Field& field() const { return field_; }
    GuardedTarget& target() { return target_; }
    FieldJob job(Operation operation) {
        FieldJob job = field_.job();
        job.source = operation == Operation::fill_tails ? nullptr : source_.data();
        job.rows = field_.rows().empty() ? nullptr : field_.rows().data();
        job.offsets = offsets_.data();
        job.target = target_.data();
        return job;
    }

  private:
    Field field_;
    FencedSource source_;
    GuardedTarget target_;
    Bytes offsets_;
};

inline void run_one(Operation operation, const Jobs& jobs, std::uint64_t thread,
                    std::uint64_t threads) {
    switch (operation) {
        case Operation::strip: return strip_thread(jobs, thread, threads);
        case Operation::pad: return pad_thread(jobs, thread, threads);
        case Operation::fill_tails: return fill_tails_thread(jobs, thread, threads);
        case Operation::gather: return gather_thread(jobs, thread, threads);
    }
}

// Runs `operation` over all fields at once, with grids of several sizes and threads in several
// orders, and compares every byte each time.
inline void expect_right(Operation operation, const std::vector<FieldForm>& forms, Random& random) {
    std::deque<HostField> fields;
    Jobs jobs;
    std::string text = name_of(operation);
    for (const FieldForm& form : forms) {
        HostField& field = fields.emplace_back(form, random);
        jobs.field[jobs.count++] = field.job(operation);
        text += "\n  " + text_of(form);
    }
    SCOPED_TRACE(text);
    const std::uint64_t grids[] = {1, 8, 1 + below(random, 40)};
    for (std::size_t order = 0; order < 3; ++order) {
        std::vector<std::uint64_t> threads(grids[order] * kLanes);
        std::iota(threads.begin(), threads.end(), 0u);
        if (order == 1) std::reverse(threads.begin(), threads.end());
        if (order == 2) std::shuffle(threads.begin(), threads.end(), random);
        for (HostField& field : fields) field.target().reset();
        for (const std::uint64_t thread : threads) {
            run_one(operation, jobs, thread, threads.size());
        }
        for (std::size_t i = 0; i < fields.size(); ++i) {
            EXPECT_TRUE(fields[i].target().holds(fields[i].field().after(operation)))
                << "field " << i << ", " << threads.size() << " threads, order " << order;
        }
        if (testing::Test::HasFailure()) return;
    }
}

// The same for random fields, one to four at a time.
inline void expect_right_at_random(Operation operation, int rounds, std::uint64_t most_bytes,
                                   Random& random) {
    for (int round = 0; round < rounds && !testing::Test::HasFailure(); ++round) {
        std::vector<FieldForm> forms(1 + below(random, 4));
        for (FieldForm& form : forms) form = draw_form(random, operation, most_bytes);
        expect_right(operation, forms, random);
    }
}

}  // namespace headrace::kernels
