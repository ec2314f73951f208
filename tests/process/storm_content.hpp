// What a record of the process storm holds: a head that tells who wrote it, and bytes that follow
// from the storm's seed, the index, and how often the index came back. So what two producers wrote
// into one record, or one producer into two, is told from what one wrote.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>

namespace headrace::process_storm {

// From any number to one that has nothing to do with it (splitmix64).
constexpr std::uint64_t scatter(std::uint64_t value) noexcept {
    value += 0x9E3779B97F4A7C15;
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9;
    value = (value ^ (value >> 27)) * 0x94D049BB133111EB;
    return value ^ (value >> 31);
}

struct Head {
    std::uint64_t index, item, attempt, pid, check;

    static Head of(std::uint64_t seed, std::uint64_t index, std::uint64_t item,
                   std::uint64_t attempt, std::uint64_t pid) {
        Head head{index, item, attempt, pid, 0};
        head.check = head.checksum(seed);
        return head;
    }
    bool is_whole(std::uint64_t seed) const { return check == checksum(seed); }
    std::string describe() const {
        return "{index " + std::to_string(index) + ", item " + std::to_string(item) + ", attempt " +
               std::to_string(attempt) + ", pid " + std::to_string(pid) + "}";
    }

  private:
    std::uint64_t checksum(std::uint64_t seed) const {
        std::uint64_t sum = seed;
        for (const std::uint64_t value : {index, item, attempt, pid}) sum = scatter(sum ^ value);
        return sum;
    }
};
inline constexpr std::uint32_t kHeadWords = sizeof(Head) / 8;

constexpr std::uint64_t key_of(std::uint64_t seed, std::uint64_t index, std::uint64_t attempt,
                               std::size_t field) noexcept {
    return scatter(scatter(seed ^ index) + attempt * 16 + field);
}

// Elements: none and all are as likely as something between.
constexpr std::uint32_t length_of(std::uint64_t key, std::uint32_t capacity) noexcept {
    if (key % 5 == 0) return 0;
    if (key % 5 == 1) return capacity;
    return static_cast<std::uint32_t>(key >> 8) % (capacity + 1);
}

constexpr std::uint64_t next_word(std::uint64_t word) noexcept {
    return word * 0x5851F42D4C957F2D + 0x14057B7EF767814F;
}

inline void write_content(std::uint64_t key, std::span<std::byte> to) {
    std::uint64_t word = next_word(key);
    for (; to.size() >= sizeof word; to = to.subspan(sizeof word), word = next_word(word)) {
        std::memcpy(to.data(), &word, sizeof word);
    }
    std::memcpy(to.data(), &word, to.size());
}

// The first word, or what is left of one, that is not as written; the size where all are.
inline std::size_t first_wrong(std::uint64_t key, std::span<const std::byte> bytes) {
    std::uint64_t word = next_word(key);
    std::size_t at = 0;
    for (; bytes.size() - at >= sizeof word; at += sizeof word, word = next_word(word)) {
        std::uint64_t found = 0;
        std::memcpy(&found, bytes.data() + at, sizeof found);
        if (found != word) return at;
    }
    return std::memcmp(bytes.data() + at, &word, bytes.size() - at) == 0 ? bytes.size() : at;
}

}  // namespace headrace::process_storm
