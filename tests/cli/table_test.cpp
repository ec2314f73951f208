#include "cli/table.hpp"

#include <gtest/gtest.h>

namespace headrace::cli {
namespace {

TEST(TableTest, AlignsColumns) {
    EXPECT_EQ(aligned({{"ring", "age"}, {"a", "12.5 s"}}, {0}),
              "  ring     age\n"
              "  a     12.5 s\n");
}

TEST(TableTest, CountsCharactersNotBytes) {
    EXPECT_EQ(aligned({{"\xC3\xBC", "1"}, {"uu", "2"}}, {0}),
              "  \xC3\xBC   1\n"
              "  uu  2\n");
}

TEST(TableTest, LetsTheLastCellOfAShorterRowRunOn) {
    EXPECT_EQ(
        aligned({{"ring", "phase", "age"}, {"a", "refused: no such user"}, {"b", "open", "1"}},
                {0, 1}),
        "  ring  phase  age\n"
        "  a     refused: no such user\n"
        "  b     open     1\n");
}

TEST(TableTest, LeavesNoSpacesAtTheEnd) {
    EXPECT_EQ(aligned({{"a", "long title"}, {"b", ""}}, {0, 1}), "  a  long title\n  b\n");
}

}  // namespace
}  // namespace headrace::cli
