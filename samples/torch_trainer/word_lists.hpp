// The words of five languages, and which of them are held out. The trainer and its producers each
// read the same lists, so the number of a word is all that travels between them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace words {

/// The classes, in the order of their numbers, and where Debian has their words.
struct Language {
    std::string_view name;
    std::string_view list;  ///< file in /usr/share/dict
    std::string_view package;
};
inline constexpr std::array<Language, 5> kLanguages{{
    {"English", "american-english", "wamerican"},
    {"French", "french", "wfrench"},
    {"German", "ngerman", "wngerman"},
    {"Italian", "italian", "witalian"},
    {"Spanish", "spanish", "wspanish"},
}};
inline constexpr const char* kDebianLists = "/usr/share/dict";

/// One word in every so many is held out.
inline constexpr std::uint64_t kHeldOutOneIn = 10;

struct Word {
    std::string text;          ///< UTF-8
    std::size_t language = 0;  ///< a place in kLanguages
};

/// Item i of a ring is word i of its list.
struct WordLists {
    std::vector<Word> train;
    std::vector<Word> held_out;
    /// Over all words and their order: equal exactly when the lists are.
    std::uint64_t fingerprint = 0;
};

/// True for one word in kHeldOutOneIn. It depends on the word alone: one that several languages
/// have is held out in all of them or in none.
bool is_held_out(std::string_view word) noexcept;

/// Reads the list of each language in `folder`, a word a line. `limit` > 0 takes so many words of
/// each at the most, those with the smallest hashes, so that a small list has words of every kind.
/// Throws std::runtime_error that names the lists which are not there, with Debian's packages, or
/// the line that is not UTF-8.
WordLists read_word_lists(const std::filesystem::path& folder, std::size_t limit = 0);

}  // namespace words
