#include "word_lists.hpp"

#include <algorithm>
#include <fstream>
#include <stdexcept>
#include <tuple>
#include <utility>

#include "hash.hpp"
#include "utf8.hpp"

namespace words {
namespace {

namespace fs = std::filesystem;

// Purposes of hashes; see hash.hpp. The order must not tell what is held out.
constexpr std::uint64_t kForTheSplit = 1;
constexpr std::uint64_t kForTheOrder = 2;
constexpr std::uint64_t kForTheFingerprint = 3;

void expect_all_lists(const fs::path& folder) {
    std::string lists;
    std::string packages;
    for (const Language& language : kLanguages) {
        std::error_code error;
        if (fs::is_regular_file(folder / language.list, error)) continue;
        lists += (lists.empty() ? "" : ", ") + std::string(language.list);
        packages += (packages.empty() ? "" : " ") + std::string(language.package);
    }
    if (lists.empty()) return;
    throw std::runtime_error("no word list " + lists + " in " + folder.string() +
                             "; Debian has it in " + packages +
                             ", or give another folder with --lists");
}

// The words of one list, by their hashes, each once.
std::vector<std::string> read_list(const fs::path& path, std::size_t limit) {
    std::ifstream file(path, std::ios::binary);
    if (!file) throw std::runtime_error("cannot read " + path.string());
    using Place = std::pair<std::uint64_t, std::string>;
    std::vector<Place> found;
    std::string line;
    for (std::size_t number = 1; std::getline(file, line); ++number) {
        if (line.empty()) continue;
        if (!code_points_of(line)) {
            throw std::runtime_error(path.string() + ", line " + std::to_string(number) +
                                     ": found something else, wanted a word in UTF-8");
        }
        found.emplace_back(hash(std::string_view(line), kForTheOrder), line);
    }
    std::sort(found.begin(), found.end());
    found.erase(std::unique(found.begin(), found.end()), found.end());
    if (limit > 0 && found.size() > limit) found.resize(limit);
    std::vector<std::string> list;
    list.reserve(found.size());
    for (Place& place : found) list.push_back(std::move(place.second));
    return list;
}

}  // namespace

bool is_held_out(std::string_view word) noexcept {
    return hash(word, kForTheSplit) % kHeldOutOneIn == 0;
}

WordLists read_word_lists(const fs::path& folder, std::size_t limit) {
    expect_all_lists(folder);
    WordLists lists;
    for (std::size_t language = 0; language < kLanguages.size(); ++language) {
        for (std::string& text : read_list(folder / kLanguages[language].list, limit)) {
            lists.fingerprint = mix(lists.fingerprint ^
                                    hash(std::string_view(text), kForTheFingerprint + language));
            auto& list = is_held_out(text) ? lists.held_out : lists.train;
            list.push_back({std::move(text), language});
        }
    }
    return lists;
}

}  // namespace words
