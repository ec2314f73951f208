// Which recordings there are, what they are of, and which of them are held out. The trainer and its
// producers each compute the same list, so the number of an item is all that travels between them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace voices {

/// The classes, in the order of their numbers: what a folder's name begins with, and who speaks in
/// Debian's packages. English and Spanish are the voice of one person.
struct Language {
    std::string_view code;
    std::string_view name;
};
inline constexpr std::array<Language, 5> kLanguages{{
    {"en", "English (Allison)"},
    {"es", "Spanish (Allison)"},
    {"fr", "French (June)"},
    {"it", "Italian (Carlo)"},
    {"ru", "Russian (IvrvoiceRU)"},
}};

/// One prompt in every so many is held out, in all languages alike.
inline constexpr std::uint64_t kHeldOutOneIn = 5;

/// Where Debian's packages put them.
inline constexpr const char* kDebianRecordings = "/usr/share/asterisk/sounds";

struct Recording {
    std::filesystem::path path;
    std::string prompt;        ///< relative to the folder of its language: `digits/1.wav`
    std::size_t language = 0;  ///< a place in kLanguages
};

/// Item i of a ring is recording i of its list.
struct Recordings {
    std::vector<Recording> train;
    std::vector<Recording> held_out;
};

/// 64-bit FNV-1a (Fowler, Noll and Vo; the constants of draft-eastlake-fnv). It decides which
/// prompts are held out, because std::hash may differ from one library to the next. `state` goes on
/// from an earlier call.
inline constexpr std::uint64_t kFnvStart = 0xcbf29ce484222325u;
std::uint64_t fnv1a(std::string_view bytes, std::uint64_t state = kFnvStart) noexcept;

/// True for one prompt in kHeldOutOneIn. It depends on the prompt's name alone, so no sentence is
/// learned in one language and asked for in another.
bool is_held_out(std::string_view prompt) noexcept;

/// Lists the WAV files below each folder of `data` that is named after a language (`en`,
/// `en_US_f_Allison`), sorted by path, byte by byte. Symbolic links are not followed: Debian may
/// name one folder twice. `limit` > 0 keeps so many of them, whole prompts first, chosen by the
/// hash of the prompt, so that a small trial still has every language. Throws std::runtime_error
/// that names the languages without a recording and the packages that hold them.
Recordings list_recordings(const std::filesystem::path& data, std::size_t limit = 0);

}  // namespace voices
