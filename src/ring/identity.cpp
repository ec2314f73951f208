#include "ring/identity.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "ring/layout.hpp"

namespace headrace::ring {

namespace {

constexpr std::size_t kMostBytes = kIdentityBytes - 1;
constexpr std::size_t kLeastIdentity = 12;  // enough to tell programs apart

bool is_inside_letter(char c) {  // of UTF-8
    return (static_cast<unsigned char>(c) & 0xc0) == 0x80;
}

std::string first_of(std::string_view text, std::size_t bytes) {
    if (text.size() <= bytes) return std::string(text);
    std::size_t end = bytes - 1;
    while (end > 0 && is_inside_letter(text[end])) --end;
    return std::string(text.substr(0, end)) + '~';
}

std::string last_of(std::string_view text, std::size_t bytes) {
    if (text.size() <= bytes) return std::string(text);
    std::size_t begin = text.size() - (bytes - 1);
    while (begin < text.size() && is_inside_letter(text[begin])) ++begin;
    return '~' + std::string(text.substr(begin));
}

}  // namespace

std::string own_identity(const std::string& given) {
    if (!given.empty()) return given;
    const char* const set = std::getenv("HEADRACE_IDENTITY");
    if (set != nullptr && *set != '\0') return set;
    std::error_code ignored;
    const auto program = std::filesystem::read_symlink("/proc/self/exe", ignored).filename();
    return program.empty() ? "producer" : program.string();
}

std::string own_host() {
    char name[kHostBytes] = {};
    return gethostname(name, sizeof(name) - 1) == 0 ? name : "";
}

std::string identity_at_host(std::string_view identity, std::string_view host) {
    if (host.empty()) host = "?";
    if (identity.size() + 1 + host.size() > kMostBytes) {
        const std::string_view without_domain = host.substr(0, host.find('.'));
        if (!without_domain.empty()) host = without_domain;
    }
    const std::size_t least = std::min(identity.size(), kLeastIdentity);
    const std::string place = last_of(host, kMostBytes - 1 - least);
    return first_of(identity, kMostBytes - 1 - place.size()) + '@' + place;
}

}  // namespace headrace::ring
