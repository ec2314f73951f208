#include "launch/options.hpp"

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "gtest/error_text.hpp"
#include "gtest/temporary_folder.hpp"

namespace samples {
namespace {

using headrace::error_text;

TEST(LaunchOptionsTest, TakeTheirDefaultsFromWhatTheyAreReadInto) {
    double rate = 0.004;
    unsigned number = 3;
    std::string text = "as it was";
    cxxopts::Options options("program");
    auto add = options.add_options();
    add("rate", "", value(rate));
    add("number", "", value(number));
    add("text", "", value(text));
    std::vector<std::string> words{"program", "--number", "7"};
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    EXPECT_TRUE(parse(options, static_cast<int>(arguments.size()), arguments.data()));
    EXPECT_EQ(rate, 0.004);
    EXPECT_EQ(number, 7u);
    EXPECT_EQ(text, "as it was");
}

TEST(LaunchOptionsTest, NameWhatWasFoundAndWanted) {
    EXPECT_NO_THROW(expect_between("batch", 1, 1, 8));
    EXPECT_NO_THROW(expect_between("batch", 8, 1, 8));
    EXPECT_EQ(error_text<OptionError>([] { expect_between("batch", 9, 1, 8); }),
              "--batch: found 9, wanted 1 to 8");
    EXPECT_NO_THROW(expect_slots(0, 8));
    EXPECT_NO_THROW(expect_slots(16, 8));
    EXPECT_EQ(error_text<OptionError>([] { expect_slots(15, 8); }),
              "--slots: found 15, wanted two batches of 8 or more");
    const headrace::TemporaryFolder folder;
    const std::string path = folder.path().string();
    EXPECT_NO_THROW(expect_file("json", ""));
    EXPECT_NO_THROW(expect_file("json", path + "/new"));
    EXPECT_THROW(expect_file("json", path), OptionError) << "a folder";
    EXPECT_THROW(expect_file("json", path + "/none/new"), OptionError);
}

TEST(LaunchOptionsTest, TellWithWhichStatusAProgramEnds) {
    EXPECT_EQ(run_main("program", [] { return 5; }), 5);
    testing::internal::CaptureStderr();
    EXPECT_EQ(run_main("program", []() -> int { throw OptionError("--n: found 0"); }), 2);
    EXPECT_EQ(run_main("program", []() -> int { throw std::runtime_error("no file"); }), 1);
    EXPECT_EQ(testing::internal::GetCapturedStderr(), "program: --n: found 0\nprogram: no file\n");
}

}  // namespace
}  // namespace samples
