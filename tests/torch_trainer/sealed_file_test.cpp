#include "sealed_file.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <random>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>

#include "gtest/error_text.hpp"
#include "gtest/seed.hpp"
#include "torch_trainer/word_files.hpp"

namespace {

using headrace::contains;
using headrace::error_text;
using words::read_sealed;
using words::write_sealed;

// The end of a ZIP archive without a comment, after `bytes` of content.
std::string archive(std::size_t bytes, char content) {
    return std::string(bytes, content) + std::string("PK\5\6", 4) + std::string(18, '\0');
}

class SealedFileTest : public testing::Test {
  protected:
    std::filesystem::path path() const { return folder_.path() / "sealed"; }
    std::string refusal() const {
        return error_text<std::runtime_error>([this] { read_sealed(path()); });
    }
    words_test::TemporaryFolder folder_;
};

TEST_F(SealedFileTest, HasWhatWasWritten) {
    write_sealed(path(), archive(1'000, 'a'));
    EXPECT_TRUE(read_sealed(path()).starts_with(std::string(1'000, 'a') + "PK\5\6"));
    write_sealed(path(), archive(0, 'b'));  // over what is there
    EXPECT_TRUE(read_sealed(path()).starts_with("PK\5\6"));
    EXPECT_FALSE(std::filesystem::exists(path().string() + ".new"));
}

TEST_F(SealedFileTest, IsAnArchiveWithAComment) {
    write_sealed(path(), archive(10, 'a'));
    const std::string bytes = words_test::read_file(path());
    const std::string comment = bytes.substr(10 + 22);
    EXPECT_TRUE(comment.starts_with("headrace words checkpoint 1 ")) << comment;
    EXPECT_EQ(bytes[10 + 20], static_cast<char>(comment.size()));
    EXPECT_EQ(bytes[10 + 21], '\0');
}

TEST_F(SealedFileTest, RefusesAFileThatIsNone) {
    for (const char* const bytes : {"", "a learning curve\n", "headrace words checkpoint 1 "}) {
        words_test::write_file(path(), bytes);
        const std::string text = refusal();
        EXPECT_TRUE(contains(text, path().string())) << bytes;
        EXPECT_TRUE(contains(text, "a foreign file, or the beginning of one"));
    }
}

TEST_F(SealedFileTest, NoticesEveryFlippedBitAndEveryCut) {
    const std::uint64_t seed = headrace::test_seed();
    SCOPED_TRACE(headrace::seed_note(seed));
    std::mt19937_64 random(seed);
    write_sealed(path(), archive(5'000, 'a'));
    const std::string whole = words_test::read_file(path());
    for (int i = 0; i < 100; ++i) {
        std::string broken = whole;
        const std::size_t place = random() % broken.size();
        broken[place] = static_cast<char>(broken[place] ^ (1 << random() % 8));
        words_test::write_file(path(), broken);
        EXPECT_TRUE(contains(refusal(), "checkpoint " + path().string())) << "byte " << place;
        words_test::write_file(path(), whole.substr(0, place));
        EXPECT_TRUE(contains(refusal(), "checkpoint " + path().string())) << "cut at " << place;
    }
}

TEST_F(SealedFileTest, NamesAFileThatCannotBeReadOrWritten) {
    EXPECT_TRUE(contains(error_text<std::system_error>([this] { read_sealed(path()); }),
                         "cannot open " + path().string()));
    const auto nowhere = folder_.path() / "nowhere" / "sealed";
    EXPECT_TRUE(
        contains(error_text<std::system_error>([&] { write_sealed(nowhere, archive(1, 'a')); }),
                 "cannot open " + nowhere.string()));
}

TEST_F(SealedFileTest, IsWholeWheneverItsWriterIsKilled) {
    const std::uint64_t seed = headrace::test_seed();
    SCOPED_TRACE(headrace::seed_note(seed));
    std::mt19937_64 random(seed);
    constexpr std::size_t kBytes = 1 << 20;
    write_sealed(path(), archive(kBytes, 'a'));
    for (int i = 0; i < 20; ++i) {
        const pid_t writer = fork();
        ASSERT_GE(writer, 0);
        if (writer == 0) {
            for (unsigned round = 0;; ++round) {
                write_sealed(path(), archive(kBytes, static_cast<char>('b' + round % 25)));
            }
        }
        std::this_thread::sleep_for(std::chrono::microseconds(random() % 20'000));
        kill(writer, SIGKILL);
        waitpid(writer, nullptr, 0);
        const std::string bytes = read_sealed(path());
        EXPECT_EQ(bytes.substr(0, kBytes), std::string(kBytes, bytes[0]));
    }
}

}  // namespace
