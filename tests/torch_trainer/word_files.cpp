#include "torch_trainer/word_files.hpp"

#include <array>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include "word_lists.hpp"

namespace words_test {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kSyllables = 12;
const std::array<std::array<const char*, kSyllables>, words::kLanguages.size()> kSpoken{{
    {"the", "ight", "wh", "ough", "st", "ee", "ck", "sh", "ound", "ly", "ing", "y"},
    {"eau", "é", "oi", "ç", "ette", "ou", "aient", "è", "gn", "ille", "ais", "q"},
    {"sch", "ü", "ung", "ß", "ei", "ö", "zt", "keit", "ä", "pf", "heit", "k"},
    {"zz", "ità", "gli", "acc", "one", "ò", "issi", "ci", "etti", "gh", "amo", "i"},
    {"ñ", "ción", "rr", "ado", "ll", "í", "ero", "qu", "ú", "illo", "é", "os"},
}};

// Word number `number` of a language: the number's digits to the base of twelve, as syllables.
std::string word(std::size_t language, std::size_t number) {
    std::string text;
    number += kSyllables;  // two syllables or more
    for (; number > 0; number /= kSyllables) text += kSpoken[language][number % kSyllables];
    return text;
}

}  // namespace

void write_file(const fs::path& path, const std::string& bytes) {
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    file << bytes;
    file.close();
    if (!file) throw std::runtime_error("cannot write " + path.string());
}

std::string read_file(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void write_word_lists(const fs::path& folder, std::size_t words) {
    fs::create_directories(folder);
    for (std::size_t language = 0; language < words::kLanguages.size(); ++language) {
        std::string list;
        for (std::size_t number = 0; number < words; ++number)
            list += word(language, number) + '\n';
        write_file(folder / words::kLanguages[language].list, list);
    }
}

}  // namespace words_test
