#include "sealed_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <stdexcept>
#include <string_view>
#include <system_error>

#include "hash.hpp"

namespace words {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kMark = "headrace words checkpoint 1 ";
constexpr std::size_t kDigits = 16;
constexpr std::size_t kSealBytes = kMark.size() + kDigits;

// The end of a ZIP archive (APPNOTE.TXT, 4.3.16): a signature, numbers, and as the last two bytes
// the length of the comment that follows, least byte first.
constexpr std::string_view kEndSignature("PK\5\6");
constexpr std::size_t kEndBytes = 22;

constexpr std::uint64_t kForTheSeal = 5;  // purpose of the hash; see word_lists.cpp

std::string seal_of(std::string_view archive) {
    char digits[kDigits + 1];
    std::snprintf(digits, sizeof digits, "%016llx",
                  static_cast<unsigned long long>(hash(archive, kForTheSeal)));
    return std::string(kMark) + digits;
}

class File {
  public:
    File(const fs::path& path, int flags) : path_(path), file_(open(path.c_str(), flags, 0644)) {
        if (file_ < 0) fail("cannot open");
    }
    ~File() { close(file_); }
    File(const File&) = delete;
    File& operator=(const File&) = delete;

    void write(std::string_view bytes) {
        while (!bytes.empty()) {
            const ssize_t written = ::write(file_, bytes.data(), bytes.size());
            if (written < 0 && errno == EINTR) continue;
            if (written < 0) fail("cannot write");
            bytes.remove_prefix(static_cast<std::size_t>(written));
        }
    }
    std::string read() {
        std::string bytes;
        std::array<char, 1 << 16> part;
        while (true) {
            const ssize_t got = ::read(file_, part.data(), part.size());
            if (got < 0 && errno == EINTR) continue;
            if (got < 0) fail("cannot read");
            if (got == 0) return bytes;
            bytes.append(part.data(), static_cast<std::size_t>(got));
        }
    }
    void sync() {
        if (fsync(file_) != 0) fail("cannot write to the disk:");
    }

  private:
    [[noreturn]] void fail(const char* what) const {
        throw std::system_error(errno, std::generic_category(),
                                std::string(what) + " " + path_.string());
    }
    fs::path path_;
    int file_;
};

[[noreturn]] void refuse(const fs::path& path, const std::string& found) {
    throw std::runtime_error("checkpoint " + path.string() + ": found " + found +
                             ", wanted one as this program writes it; name another one, or remove "
                             "it to start from the beginning");
}

}  // namespace

void write_sealed(const fs::path& path, std::string archive) {
    if (archive.size() < kEndBytes ||
        archive.compare(archive.size() - kEndBytes, kEndSignature.size(), kEndSignature) != 0) {
        throw std::logic_error("write_sealed: no ZIP archive without a comment");
    }
    archive[archive.size() - 2] = static_cast<char>(kSealBytes);
    static_assert(kSealBytes < 128);  // one byte of the length's two, and no sign
    archive += seal_of(archive);
    const fs::path beside = path.string() + ".new";
    {
        File file(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC);
        file.write(archive);
        file.sync();
    }
    fs::rename(beside, path);
    const fs::path folder = fs::absolute(path).parent_path();
    File(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC).sync();
}

std::string read_sealed(const fs::path& path) {
    std::string archive = File(path, O_RDONLY | O_CLOEXEC).read();
    const std::string_view bytes = archive;
    if (bytes.size() < kSealBytes || !bytes.substr(bytes.size() - kSealBytes).starts_with(kMark)) {
        refuse(path, "a foreign file, or the beginning of one: it does not end with a seal");
    }
    const std::string_view body = bytes.substr(0, bytes.size() - kSealBytes);
    if (bytes.substr(body.size()) != seal_of(body)) {
        refuse(path, "one that has changed since it was written: its seal does not fit");
    }
    return archive;
}

}  // namespace words
