#include "utf8.hpp"

#include <gtest/gtest.h>

#include <string>

namespace {

using words::code_points_of;

TEST(Utf8Test, DecodesCharactersOfEveryLength) {
    EXPECT_EQ(code_points_of(""), U"");
    EXPECT_EQ(code_points_of("to"), U"to");
    EXPECT_EQ(code_points_of("\xc3\xa9t\xc3\xa9"), U"\u00e9t\u00e9");
    EXPECT_EQ(code_points_of("\xe1\xba\x9e"), U"\u1e9e");
    EXPECT_EQ(code_points_of("\xf0\x9f\x98\x80"), U"\U0001f600");
    EXPECT_EQ(code_points_of("\xf4\x8f\xbf\xbf"), U"\U0010ffff");
}

TEST(Utf8Test, RefusesWhatIsNoUtf8) {
    for (const char* const text : {
             "\xe9",              // Latin-1
             "\x80",              // no first byte
             "\xc3",              // cut off
             "\xe1\xba",          //
             "\xc3(",             // no second byte
             "\xc0\xaf",          // longer than need be
             "\xe0\x80\xaf",      //
             "\xed\xa0\x80",      // half a surrogate pair
             "\xf4\x90\x80\x80",  // beyond the last
             "\xff",
         }) {
        EXPECT_EQ(code_points_of(text), std::nullopt) << testing::PrintToString(text);
        EXPECT_EQ(code_points_of(std::string("a") + text), std::nullopt);
    }
}

}  // namespace
