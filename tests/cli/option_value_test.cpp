#include "cli/option_value.hpp"

#include <gtest/gtest.h>

#include <string>

#include "headrace/error.hpp"

namespace headrace::cli {
namespace {

std::string count_error(std::string_view text) {
    try {
        parse_count("--slots", text, 2, 100);
    } catch (const UsageError& error) {
        return error.what();
    }
    return "none";
}

TEST(OptionValueTest, ReadsCountsAtTheirLimits) {
    EXPECT_EQ(parse_count("--slots", "2", 2, 100), 2u);
    EXPECT_EQ(parse_count("--slots", "100", 2, 100), 100u);
    EXPECT_EQ(parse_count("--slots", "18446744073709551615", 0, ~std::uint64_t{0}),
              ~std::uint64_t{0});
}

TEST(OptionValueTest, RefusesWhatIsNoCountByName) {
    for (const std::string text : {"", "1", "101", "-5", "+5", "5x", " 5", "0x5", "5.0", "1e2",
                                   "18446744073709551616", "five", "--ints"}) {
        EXPECT_EQ(count_error(text),
                  "--slots: found \"" + text + "\", wanted a whole number from 2 to 100");
    }
    EXPECT_EQ(count_error("\x1B[2J").find('\x1B'), std::string::npos);
}

TEST(OptionValueTest, ReadsNumbersAndRefusesOthersByName) {
    EXPECT_EQ(parse_number("--fill", "0", 0, 1), 0.0);
    EXPECT_EQ(parse_number("--fill", "1", 0, 1), 1.0);
    EXPECT_EQ(parse_number("--fill", "0.25", 0, 1), 0.25);
    EXPECT_EQ(parse_number("--fill", "5e-1", 0, 1), 0.5);
    for (const std::string text : {"", "-0.1", "1.1", "nan", "inf", "half", "0.5 ", "50%"}) {
        try {
            parse_number("--fill", text, 0, 1);
            ADD_FAILURE() << text;
        } catch (const UsageError& error) {
            EXPECT_EQ(error.what(), "--fill: found \"" + text + "\", wanted a number from 0 to 1");
        }
    }
}

}  // namespace
}  // namespace headrace::cli
