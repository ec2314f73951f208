#include "options.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace {

using voices::Options;

bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

std::optional<Options> parse(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "voices");
    std::vector<char*> pointers;
    for (std::string& argument : arguments) pointers.push_back(argument.data());
    pointers.push_back(nullptr);
    return voices::parse_options(static_cast<int>(arguments.size()), pointers.data());
}

std::string refusal(const std::vector<std::string>& arguments) {
    try {
        parse(arguments);
        return "";
    } catch (const voices::OptionError& error) {
        return error.what();
    }
}

TEST(OptionsTest, HasSensibleDefaults) {
    const Options options = parse({}).value();
    EXPECT_EQ(options.producers, 4u);
    EXPECT_EQ(options.slots, 4 * options.batch);
    EXPECT_EQ(options.capacity_frames(), 1000u);
}

TEST(OptionsTest, TakesWhatIsGiven) {
    const Options options =
        parse({"--batch", "8", "--slots=16", "--capacity-seconds", "0.5", "--quiet"}).value();
    EXPECT_EQ(options.batch, 8u);
    EXPECT_EQ(options.slots, 16u);
    EXPECT_EQ(options.capacity_frames(), 50u);
    EXPECT_TRUE(options.quiet);
}

TEST(OptionsTest, SaysWhatIsWrong) {
    EXPECT_EQ(refusal({"--slots", "10"}), "--slots: found 10, wanted two batches of 32 or more");
    EXPECT_EQ(refusal({"--context", "4"}), "--context: found 4, wanted an odd number");
    EXPECT_EQ(refusal({"--producers", "0"}), "--producers: found 0, wanted 1 to 64");
    EXPECT_TRUE(contains(refusal({"--epochs", "0"}), "--epochs"));
    EXPECT_TRUE(contains(refusal({"--batch", "-1"}), "-1"));
    EXPECT_TRUE(contains(refusal({"--lr", "0"}), "--lr"));
    EXPECT_TRUE(contains(refusal({"--lr", "nan"}), "nan"));
    EXPECT_TRUE(contains(refusal({"--capacity-seconds", "0"}), "--capacity-seconds"));
    EXPECT_TRUE(contains(refusal({"--json", "/nowhere/at/all.json"}), "--json"));
    EXPECT_TRUE(contains(refusal({"--no-such-option"}), "no-such-option"));
    EXPECT_TRUE(contains(refusal({"word"}), "word"));
}

}  // namespace
