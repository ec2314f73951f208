#include "recordings.hpp"

#include <algorithm>
#include <optional>
#include <stdexcept>
#include <tuple>
#include <utility>

namespace voices {
namespace {

namespace fs = std::filesystem;

std::optional<std::size_t> language_of(std::string_view folder) {
    const std::string_view code = folder.substr(0, folder.find('_'));
    for (std::size_t i = 0; i < kLanguages.size(); ++i) {
        if (kLanguages[i].code == code) return i;
    }
    return std::nullopt;
}

void add_folder(const fs::path& folder, std::size_t language, std::vector<Recording>& all) {
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder)) {
        if (entry.path().extension() != ".wav" || entry.is_symlink()) continue;
        if (!entry.is_regular_file()) continue;
        all.push_back(
            {entry.path(), entry.path().lexically_relative(folder).generic_string(), language});
    }
}

void expect_every_language(const std::vector<Recording>& all, const fs::path& data) {
    std::array<std::size_t, kLanguages.size()> count{};
    for (const Recording& recording : all) ++count[recording.language];
    std::string folders;
    std::string packages;
    for (std::size_t i = 0; i < count.size(); ++i) {
        if (count[i] > 0) continue;
        const std::string code(kLanguages[i].code);
        folders += (folders.empty() ? "" : ", ") + code + "_*";
        packages += " asterisk-core-sounds-" + code + "-wav";
    }
    if (folders.empty()) return;
    throw std::runtime_error("no recordings in " + data.string() + "/{" + folders +
                             "}; they are in Debian's packages" + packages +
                             ", or give another folder with --data");
}

void keep(std::vector<Recording>& all, std::size_t limit) {
    if (limit == 0 || limit >= all.size()) return;
    const auto rank = [](const Recording& recording) {
        return std::make_tuple(fnv1a(recording.prompt), recording.language,
                               recording.path.native());
    };
    std::sort(all.begin(), all.end(),
              [&](const Recording& a, const Recording& b) { return rank(a) < rank(b); });
    all.resize(limit);
}

}  // namespace

std::uint64_t fnv1a(std::string_view bytes, std::uint64_t state) noexcept {
    for (const char byte : bytes) {
        state ^= static_cast<unsigned char>(byte);
        state *= 0x100000001b3u;
    }
    return state;
}

bool is_held_out(std::string_view prompt) noexcept {
    return fnv1a(prompt) % kHeldOutOneIn == 0;
}

Recordings list_recordings(const fs::path& data, std::size_t limit) {
    std::error_code error;
    if (!fs::is_directory(data, error)) {
        throw std::runtime_error("no folder " + data.string() +
                                 "; the recordings are in Debian's packages "
                                 "asterisk-core-sounds-{en,es,fr,it,ru}-wav");
    }
    std::vector<Recording> all;
    for (const fs::directory_entry& entry : fs::directory_iterator(data)) {
        if (entry.is_symlink() || !entry.is_directory()) continue;
        const auto language = language_of(entry.path().filename().native());
        if (language) add_folder(entry.path(), *language, all);
    }
    expect_every_language(all, data);
    keep(all, limit);
    std::sort(all.begin(), all.end(), [](const Recording& a, const Recording& b) {
        return a.path.native() < b.path.native();
    });
    Recordings split;
    for (Recording& recording : all) {
        (is_held_out(recording.prompt) ? split.held_out : split.train)
            .push_back(std::move(recording));
    }
    return split;
}

}  // namespace voices
