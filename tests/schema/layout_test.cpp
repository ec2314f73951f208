#include "headrace/layout.hpp"

#include <gtest/gtest.h>

#include "gtest/error_text.hpp"
#include "headrace/error.hpp"

namespace headrace {
namespace {

TEST(LayoutTest, ReadsTheNamesThatItWrites) {
    for (const Layout layout : {Layout::packed, Layout::trimmed, Layout::padded, Layout::rows}) {
        EXPECT_EQ(parse_layout(name_of(layout)), layout);
    }
    EXPECT_EQ(name_of(Layout::packed), "packed");
    EXPECT_EQ(name_of(Layout::trimmed), "trimmed");
    EXPECT_EQ(name_of(Layout::padded), "padded");
    EXPECT_EQ(name_of(static_cast<Layout>(0)), "?");
}

TEST(LayoutTest, NamesWhatItFoundAndWhatItWanted) {
    for (const char* const text : {"", "Packed", "packed ", "jagged", "?"}) {
        EXPECT_EQ(error_text<UsageError>([&] { parse_layout(text); }),
                  "layout \"" + std::string(text) + "\", wanted packed, trimmed, padded or rows");
    }
}

}  // namespace
}  // namespace headrace
