// What a simulator is made of inside; for its own sources only.
#pragma once

#include <utility>

#include "device/simulator.hpp"

namespace headrace {

struct Simulator::Mark {
    bool done = false;
    double time = 0;                 // on the machine's clock, once done
    const Stream* stream = nullptr;  // where it will be done
};

struct Simulator::Event {
    std::shared_ptr<Mark> last;  // null: never recorded
};

struct Simulator::Operation {
    enum class Does { work, record, wait } does = Does::work;
    Work work = {};
    std::shared_ptr<Mark> mark = {};  // recorded or waited for; null: nothing to wait for
    std::uint64_t number = 0;         // in the order in which all were enqueued
    std::size_t pieces_done = 0;
    bool has_begun = false;
    bool is_void = false;  // its memory is gone

    bool touches(const std::byte* data, std::size_t bytes) const {
        for (const Access& access : work.touches) {
            const auto* const from = static_cast<const std::byte*>(access.data);
            if (from < data + bytes && data < from + access.bytes) return true;
        }
        return false;
    }
    bool conflicts_with(const Operation& other) const {
        for (const Access& access : work.touches) {
            for (const Access& of_other : other.work.touches) {
                const auto* const a = static_cast<const std::byte*>(access.data);
                const auto* const b = static_cast<const std::byte*>(of_other.data);
                if ((access.writes || of_other.writes) && a < b + of_other.bytes &&
                    b < a + access.bytes) {
                    return true;
                }
            }
        }
        return false;
    }
};

struct Simulator::Stream {
    std::deque<Operation> queue;
    std::uint64_t number = 0;
    bool held = false;
};

}  // namespace headrace
