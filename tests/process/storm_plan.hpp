// What one seed of the process storm stands for: a ring, its producers, what is done to them, and
// how it all ends. Plain bytes: it is sent to another process as it is.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "headrace/ring.hpp"

namespace headrace::process_storm {

inline constexpr std::uint32_t kMostSeats = 32;  // producers at one time
inline constexpr std::uint32_t kMostHeld = 3;    // records of one producer at one time

// Where the processes of a round run.
enum class Place : std::uint32_t {
    ordinary,
    one_cpu,       // all of them on one processor
    frozen,        // half of the producers in a control group that is frozen and thawed
    tight_memory,  // all of them in a control group whose memory is just enough
};
inline constexpr std::uint32_t kPlaces = 4;
std::string_view name_of(Place place) noexcept;

enum class Ending : std::uint32_t {
    by_itself,  // the last index, or the last producer of a stream
    closed,     // Ring::close()
    aborted,    // Ring::abort()
};

// Now and then, in turns of chance: one in `one_in`; never where that is 0.
struct Chance {
    std::uint32_t one_in = 0;
    // Once it happens, how long, on average.
    std::uint32_t mean_us = 0;
};

struct Plan {
    static Plan of(std::uint64_t seed);
    std::string describe() const;

    Schema schema() const;
    // Without what the caller's process must bring: directory and message handler.
    RingOptions options() const;
    // Whether a producer gives records back itself, and may be killed before that is counted.
    bool may_drop() const noexcept {
        return drop.one_in != 0 || (leave.one_in != 0 && most_held > 1);
    }
    // Some of what is done may lawfully make a sleeper look by itself.
    bool may_alarm() const noexcept {
        return stop_gap_us != 0 || place == Place::frozen || place == Place::tight_memory;
    }

    std::uint64_t seed = 0;
    Place place = Place::ordinary;
    Ending ending = Ending::by_itself;
    std::uint32_t milliseconds = 1000;  // of storm, but for a ring that ends before

    // The ring.
    std::uint32_t slots = 2;
    std::uint32_t schema_number = 0;
    std::uint64_t epoch_records = 0;  // 0: a stream
    std::uint64_t epochs = 0;
    std::uint64_t shuffle_seed = 0;  // 0: items in order
    std::uint64_t start_index = 0;   // as resumed; a ring with a sampler only

    // Producers, and what they do of their own accord.
    std::uint32_t seats = 1;
    std::uint32_t most_held = 1;
    Chance delay, skip, drop, leave, suicide, stop_self;
    // What is done to them: the mean time between two such events; 0: never.
    std::uint32_t kill_gap_us = 1000;
    std::uint32_t stop_gap_us = 0;
    std::uint32_t stopped_us = 1000;       // how long, on average
    std::uint32_t restart_after_us = 500;  // how long a seat stays empty, on average

    // The consumer.
    std::uint32_t most_taken = 1;   // indices of one take
    std::uint32_t most_leases = 1;  // in its hands at one time
    Chance pause;

    // What the group of Place::tight_memory may take beside what it has when producers begin.
    std::uint64_t spare_bytes = 0;
    // Where the directory of the ring's socket lies, and the control group that producers enter.
    std::array<char, 200> directory{}, group{};
};
static_assert(std::is_trivially_copyable_v<Plan>);

}  // namespace headrace::process_storm
