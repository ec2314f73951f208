// Memory that the harness, the nursery and all producers of a process storm share beside the ring:
// what each producer is about to do, so that its death can be judged; who died; what is asked of
// them; and the first thing that was wrong.
#pragma once

#include <sys/mman.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <system_error>

#include "process/storm_plan.hpp"

namespace headrace::process_storm {

enum class Stage : std::uint32_t {
    nobody,     // an empty seat
    attaching,  // known to the ring or not
    claiming,   // may hold an index that it has not told yet
    working,    // holds what it has told, and nothing else
    leaving,    // attached still, or gone in order
};

// An index in a producer's hands, as a word: told after the claim, and told to be settling before
// it is published, skipped or dropped. In between it is certainly held.
class HeldIndex {
  public:
    static constexpr std::uint64_t none() { return 0; }
    static constexpr std::uint64_t pack(std::uint64_t index, std::uint64_t attempt, bool settling) {
        return index << 4 | attempt << 2 | (settling ? 2u : 0u) | 1u;
    }
    static constexpr std::uint64_t index_of(std::uint64_t word) { return word >> 4; }
    static constexpr std::uint64_t attempt_of(std::uint64_t word) { return word >> 2 & 3; }
    static constexpr bool is_settling(std::uint64_t word) { return (word & 2) != 0; }
};

struct alignas(64) Seat {
    std::atomic<Stage> stage{Stage::nobody};
    std::atomic<std::int32_t> pid{0};
    std::atomic<bool> kills_itself{false};
    std::array<std::atomic<std::uint64_t>, kMostHeld> held{};
};

// What a producer was about when a signal ended it.
struct Death {
    std::int32_t pid = 0;
    Stage stage = Stage::nobody;
    std::array<std::uint64_t, kMostHeld> held{};
};
inline constexpr std::uint32_t kMostDeaths = 1u << 16;  // of one round

// Counted by the nursery.
struct Tally {
    std::uint64_t kills = 0;      // by the nursery
    std::uint64_t suicides = 0;   // SIGKILL too, at a place of the producer's choice
    std::uint64_t by_kernel = 0;  // for want of memory
    std::uint64_t stops = 0, continues = 0;
    std::uint64_t freezes = 0;
    std::uint64_t restarts = 0;
    std::uint64_t refused = 0;  // could not attach: the ring had ended, or memory was short

    std::uint64_t deaths() const { return kills + suicides + by_kernel; }
    Tally& operator+=(const Tally& more) {
        kills += more.kills, suicides += more.suicides, by_kernel += more.by_kernel;
        stops += more.stops, continues += more.continues, freezes += more.freezes;
        restarts += more.restarts, refused += more.refused;
        return *this;
    }
};

struct Board {
    // Asked by the harness.
    std::atomic<bool> calm{false};    // nobody is killed or stopped any more, all go on
    std::atomic<bool> finish{false};  // producers of a stream finish
    std::atomic<bool> over{false};    // the ring has ended or is about to: nobody is restarted

    // Told by the nursery; the harness reads tally and deaths when the round is done.
    std::atomic<std::uint64_t> deaths_so_far{0};
    Tally tally;
    std::uint32_t deaths_logged = 0;
    std::array<Death, kMostDeaths> deaths{};
    std::array<Seat, kMostSeats> seats{};

    // Only the first of all that is wrong.
    void complain(const std::string& text) noexcept {
        bool untold = false;
        if (!is_wrong.compare_exchange_strong(untold, true)) return;
        std::memcpy(wrong.data(), text.data(), std::min(text.size(), wrong.size() - 1));
        is_told.store(true);
    }
    std::string complaint() const { return is_told.load() ? std::string(wrong.data()) : ""; }

    void begin_round() {
        calm = finish = over = false;
        deaths_so_far = 0;
        tally = {};
        deaths_logged = 0;
        for (Seat& seat : seats) {
            seat.stage = Stage::nobody;
            for (auto& word : seat.held) word = HeldIndex::none();
        }
    }

  private:
    std::atomic<bool> is_wrong{false}, is_told{false};
    std::array<char, 400> wrong{};
};

// A board that children of this process share with it. Only what is touched takes memory.
inline std::shared_ptr<Board> make_board() {
    void* const place =
        mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (place == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "mmap");
    return {new (place) Board, [](Board* board) { munmap(board, sizeof(Board)); }};
}

}  // namespace headrace::process_storm
