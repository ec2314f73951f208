#include "options.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "gtest/error_text.hpp"
#include "torch_trainer/word_files.hpp"

namespace {

using headrace::contains;
using words::Options;

std::optional<Options> parse(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "torch_trainer");
    std::vector<char*> pointers;
    for (std::string& argument : arguments) pointers.push_back(argument.data());
    pointers.push_back(nullptr);
    return words::parse_options(static_cast<int>(arguments.size()), pointers.data());
}

std::string refusal(const std::vector<std::string>& arguments) {
    return headrace::error_text<words::OptionError>([&] { parse(arguments); });
}

TEST(TrainerOptionsTest, HaveSensibleDefaults) {
    const Options options = parse({}).value();
    EXPECT_EQ(options.device, "best");
    EXPECT_EQ(options.slots, 4 * options.batch);
    EXPECT_EQ(options.lists, "/usr/share/dict");
    EXPECT_TRUE(options.checkpoint.empty());
}

TEST(TrainerOptionsTest, TakeWhatIsGiven) {
    const Options options =
        parse({"--batch", "8", "--slots=16", "--rate", "0.5", "--owned", "--steps", "3"}).value();
    EXPECT_EQ(options.batch, 8u);
    EXPECT_EQ(options.slots, 16u);
    EXPECT_EQ(options.rate, 0.5);
    EXPECT_TRUE(options.owned);
    EXPECT_EQ(options.steps, 3u);
}

TEST(TrainerOptionsTest, SayWhatIsWrong) {
    EXPECT_EQ(refusal({"--slots", "10"}), "--slots: found 10, wanted two batches of 256 or more");
    EXPECT_EQ(refusal({"--producers", "0"}), "--producers: found 0, wanted 1 to 64");
    EXPECT_EQ(refusal({"--epochs", "0"}), "--epochs: found 0, wanted 1 to 1048576");
    EXPECT_EQ(refusal({"--depth", "65"}), "--depth: found 65, wanted 1 to 64");
    EXPECT_EQ(refusal({"--curve", "curve.jpg"}),
              "--curve: found \"curve.jpg\", wanted a name that ends with .svg or .png");
    EXPECT_EQ(refusal({"--results", "/nowhere/at/all.json"}),
              "--results: found \"/nowhere/at/all.json\", wanted a file in a folder that exists");
    EXPECT_EQ(refusal({"--resume"}),
              "--resume: found no --checkpoint, wanted the file to go on from");
    EXPECT_TRUE(contains(refusal({"--rate", "nan"}), "nan"));
    EXPECT_TRUE(contains(refusal({"--rate", "2"}), "wanted more than 0, at most 1"));
    EXPECT_TRUE(contains(refusal({"--batch", "-1"}), "-1"));
    EXPECT_TRUE(contains(refusal({"--no-such-option"}), "no-such-option"));
    EXPECT_TRUE(contains(refusal({"word"}), "no option \"word\""));
}

TEST(TrainerOptionsTest, WriteOverNoCheckpointUnasked) {
    const words_test::TemporaryFolder folder;
    const std::string file = (folder.path() / "run").string();
    EXPECT_EQ(parse({"--checkpoint", file}).value().checkpoint, file);
    words_test::write_file(file, "weeks of work");
    EXPECT_EQ(refusal({"--checkpoint", file}),
              "--checkpoint: found \"" + file +
                  "\", which is there already, wanted --resume to go on from it, or another name");
    EXPECT_TRUE(parse({"--checkpoint", file, "--resume"}).value().resume);
}

}  // namespace
