#include "launch/options.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
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

TEST(LaunchOptionsTest, KnowWhatANameIs) {
    EXPECT_NO_THROW(expect_name("name", "a_B-3.x", 7));
    const std::string wanted = ", wanted 1 to 7 letters, digits, '_', '-' and '.'";
    for (const std::string name : {"", "a_B-3.xy", "a b", "a/b", ".."}) {
        EXPECT_EQ(error_text<OptionError>([&] { expect_name("name", name, 7); }),
                  "--name: found \"" + name + "\"" + wanted);
    }
}

TEST(LaunchOptionsTest, KnowHowLongASpanMayBe) {
    EXPECT_NO_THROW(expect_seconds("wait", 0));
    EXPECT_NO_THROW(expect_seconds("wait", kMostSeconds));
    EXPECT_EQ(error_text<OptionError>([] { expect_seconds("wait", -0.5); }),
              "--wait: found -0.5, wanted 0 to 1e+06");
    EXPECT_THROW(expect_seconds("wait", kMostSeconds + 1), OptionError);
    EXPECT_THROW(expect_seconds("wait", std::nan("")), OptionError);
    EXPECT_EQ(milliseconds_of(0.002), std::chrono::milliseconds(2));
    EXPECT_EQ(milliseconds_of(kMostSeconds), std::chrono::milliseconds(1'000'000'000));
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
