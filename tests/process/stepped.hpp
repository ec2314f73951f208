// What the program that is single-stepped (stepped.cpp) and the tests that step it have in common:
// how far it says that it is, and what its records hold.
#pragma once

#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>

#include "headrace/consumer.hpp"
#include "headrace/producer.hpp"
#include "process/pattern.hpp"

namespace headrace {

// Both sides have it mapped, so that looking at it after each instruction costs no system call.
struct Marks {
    enum Place : int { starting, begun, claimed, done };
    std::atomic<int> place{starting};
    std::atomic<bool> is_free{false};     // nobody steps it any more
    std::atomic<std::uint64_t> given{0};  // to a consumer: a bit for each index, the first 64
    char error[512];                      // what ended it, when its exit code is 1
};

// `memory` is a file of at least one Marks; both sides keep the mapping as long as they live.
inline Marks& map_marks(int memory) {
    void* const place = mmap(nullptr, sizeof(Marks), PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
    if (place == MAP_FAILED) std::abort();
    return *static_cast<Marks*>(place);
}

// Directly, for the way out of raise() would be stepped, too.
inline void stop_this_thread() {
    syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGSTOP);
}

inline void stop_at(Marks& marks, Marks::Place place) {
    marks.place.store(place);
    if (!marks.is_free.load()) stop_this_thread();
}

// Records whose every byte tells who wrote them: one that two have written is recognised.
namespace signed_record {

inline constexpr std::uint32_t kCapacity = 4;
enum Writer : std::int32_t { nobody = 0, victim = 1, survivor = 2 };

inline Schema schema() {
    return Schema::float_int(kCapacity, 2);
}

inline std::uint64_t key_of(std::uint64_t item, std::int32_t writer) {
    return item * 4 + static_cast<std::uint64_t>(writer);
}

// The length of the first field.
inline std::size_t write(ClaimedRecord& record, Writer writer) {
    const std::uint64_t item = record.item();
    const std::uint64_t key = key_of(item, writer);
    const std::size_t length = pattern::length_of(key, kCapacity);
    const auto floats = record.field<float>(0);
    pattern::write(key, floats.first(length));
    // What is beyond the length is the writer's as well: nobody may read it.
    for (float& rest : floats.subspan(length)) rest = static_cast<float>(-writer);
    const auto ints = record.field<std::int32_t>(1);
    ints[0] = static_cast<std::int32_t>(item);
    ints[1] = writer;
    return length;
}

inline void publish(ClaimedRecord& record, Writer writer) {
    record.publish(write(record, writer), 2);
}

// Whose it is; nobody's when a single byte is not as its writer published it.
inline Writer writer_of(const RecordLease& lease, std::size_t record = 0) {
    const std::uint64_t item = lease.item(record);
    const auto ints = lease.field<std::int32_t>(1, record);
    if (ints.size() != 2 || ints[0] != static_cast<std::int32_t>(item)) return nobody;
    if (ints[1] != victim && ints[1] != survivor) return nobody;
    const std::uint64_t key = key_of(item, ints[1]);
    const bool matches = pattern::matches(key, lease.field<float>(0, record), kCapacity);
    return matches ? static_cast<Writer>(ints[1]) : nobody;
}

}  // namespace signed_record

}  // namespace headrace
