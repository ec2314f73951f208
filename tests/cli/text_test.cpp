#include "cli/text.hpp"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace headrace::cli {
namespace {

const std::string kBad = "\xEF\xBF\xBD";

TEST(TextTest, KeepsWellFormedText) {
    for (const std::string text : {"", "plain", "gr\xC3\xBC\xC3\x9F", "\xE2\x82\xAC 5",
                                   "\xF0\x9F\x9A\x80", "\xF4\x8F\xBF\xBF", "\xED\x9F\xBF"}) {
        EXPECT_EQ(valid_utf8(text), text);
        EXPECT_EQ(printable(text), text);
    }
}

TEST(TextTest, ReplacesEachByteThatIsNoCharacter) {
    EXPECT_EQ(valid_utf8("a\xFFz"), "a" + kBad + "z");
    EXPECT_EQ(valid_utf8("\x80"), kBad);                                   // a lone continuation
    EXPECT_EQ(valid_utf8("\xC3"), kBad);                                   // cut short
    EXPECT_EQ(valid_utf8("\xC3("), kBad + "(");                            // not continued
    EXPECT_EQ(valid_utf8("\xC0\xAF"), kBad + kBad);                        // overlong
    EXPECT_EQ(valid_utf8("\xE0\x80\x80"), kBad + kBad + kBad);             // overlong
    EXPECT_EQ(valid_utf8("\xED\xA0\x80"), kBad + kBad + kBad);             // a surrogate
    EXPECT_EQ(valid_utf8("\xF4\x90\x80\x80"), kBad + kBad + kBad + kBad);  // above U+10FFFF
    EXPECT_EQ(valid_utf8("\xF5"), kBad);
}

TEST(TextTest, TakesControlCharactersFromWhatIsPrinted) {
    EXPECT_EQ(printable("a\x1B[2Jb"), "a" + kBad + "[2Jb");
    EXPECT_EQ(printable(std::string_view("\0\n\t\x7F", 4)), kBad + kBad + kBad + kBad);
    EXPECT_EQ(printable("\xC2\x9B"), kBad);  // the eight-bit form of ESC [
    EXPECT_EQ(valid_utf8("a\x1B\n"), "a\x1B\n");
}

TEST(TextTest, CleansAnyBytesOnce) {
    const unsigned seed = std::random_device{}();
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    for (int turn = 0; turn < 2000; ++turn) {
        std::string bytes(random() % 12, '\0');
        for (char& byte : bytes) byte = static_cast<char>(random());
        const std::string once = valid_utf8(bytes);
        EXPECT_EQ(valid_utf8(once), once);
        EXPECT_EQ(printable(printable(bytes)), printable(bytes));
    }
}

TEST(TextTest, CountsCharactersNotBytes) {
    EXPECT_EQ(width_of(""), 0u);
    EXPECT_EQ(width_of("abc"), 3u);
    EXPECT_EQ(width_of("gr\xC3\xBC\xC3\x9F"), 4u);
    EXPECT_EQ(width_of(kBad), 1u);
}

}  // namespace
}  // namespace headrace::cli
