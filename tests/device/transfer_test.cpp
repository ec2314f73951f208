#include "headrace/transfer.hpp"

#include <gtest/gtest.h>

#include "gtest/error_text.hpp"
#include "headrace/error.hpp"

namespace headrace {
namespace {

TEST(TransferTest, IsReadAsItIsWritten) {
    for (const Transfer transfer : {Transfer::automatic, Transfer::copy, Transfer::trim,
                                    Transfer::direct, Transfer::gather}) {
        EXPECT_EQ(parse_transfer(name_of(transfer)), transfer);
    }
    EXPECT_EQ(name_of(static_cast<Transfer>(9)), "?");
}

TEST(TransferTest, NamesWhatItFoundAndWhatItWanted) {
    for (const char* const text : {"", "Copy", "zero-copy", "?"}) {
        EXPECT_TRUE(contains(error_text<UsageError>([&] { parse_transfer(text); }),
                             "transfer \"" + std::string(text) +
                                 "\", wanted automatic, copy, trim, direct or gather"));
    }
}

}  // namespace
}  // namespace headrace
