#include "options.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "producer_options.hpp"
#include "ring_names.hpp"

namespace {

using voices::Options;
using voices::ProducerOptions;

bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

// Calls `read` as main() would.
template <class Read>
auto parse(Read read, std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "program");
    std::vector<char*> pointers;
    for (std::string& argument : arguments) pointers.push_back(argument.data());
    pointers.push_back(nullptr);
    return read(static_cast<int>(arguments.size()), pointers.data());
}

std::optional<Options> parse(const std::vector<std::string>& arguments) {
    return parse(voices::parse_options, arguments);
}

std::optional<ProducerOptions> parse_producer(const std::vector<std::string>& arguments) {
    return parse(voices::parse_producer_options, arguments);
}

template <class Read>
std::string refusal(Read read, const std::vector<std::string>& arguments) {
    try {
        parse(read, arguments);
        return "";
    } catch (const samples::OptionError& error) {
        return error.what();
    }
}

std::string refusal(const std::vector<std::string>& arguments) {
    return refusal(voices::parse_options, arguments);
}

std::string producer_refusal(const std::vector<std::string>& arguments) {
    return refusal(voices::parse_producer_options, arguments);
}

TEST(OptionsTest, HasSensibleDefaults) {
    const Options options = parse({}).value();
    EXPECT_EQ(options.producers, 4u);
    EXPECT_EQ(options.name, "voices-" + std::to_string(getpid()));
    EXPECT_EQ(options.device, "best");
    EXPECT_EQ(options.linger_s, 30);
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

TEST(OptionsTest, LeavesProducersToOthers) {
    const Options options =
        parse({"--name", "run-7", "--producers", "0", "--linger", "0.5", "--device", "host"})
            .value();
    EXPECT_EQ(options.name, "run-7");
    EXPECT_EQ(options.producers, 0u);
    EXPECT_EQ(options.linger_s, 0.5);
    EXPECT_EQ(options.device, "host");
}

TEST(OptionsTest, TakesNamesThatBothRingsCanHave) {
    const std::string longest(voices::kMostNameBytes, 'x');
    EXPECT_EQ(parse({"--name", longest}).value().name, longest);
    EXPECT_EQ(voices::held_out_ring(longest).size(), headrace::kMaxRingNameBytes);
    EXPECT_EQ(parse_producer({"--name", longest}).value().name, longest);
    const std::string longer = longest + "x";
    const std::string wanted = ", wanted 1 to 54 letters, digits, '_', '-' and '.'";
    EXPECT_EQ(refusal({"--name", longer}), "--name: found \"" + longer + "\"" + wanted);
    EXPECT_EQ(producer_refusal({"--name", longer}), "--name: found \"" + longer + "\"" + wanted);
    EXPECT_EQ(refusal({"--name", "a/b"}), "--name: found \"a/b\"" + wanted);
    EXPECT_EQ(producer_refusal({"--name", ""}), "--name: found \"\"" + wanted);
}

TEST(OptionsTest, SaysWhatIsWrong) {
    EXPECT_EQ(refusal({"--slots", "10"}), "--slots: found 10, wanted two batches of 32 or more");
    EXPECT_EQ(refusal({"--context", "4"}), "--context: found 4, wanted an odd number");
    EXPECT_EQ(refusal({"--producers", "65"}), "--producers: found 65, wanted 0 to 64");
    EXPECT_EQ(refusal({"--linger", "-1"}), "--linger: found -1, wanted 0 to 1e+06");
    EXPECT_TRUE(contains(refusal({"--linger", "nan"}), "nan"));
    EXPECT_TRUE(contains(refusal({"--epochs", "0"}), "--epochs"));
    EXPECT_TRUE(contains(refusal({"--batch", "-1"}), "-1"));
    EXPECT_TRUE(contains(refusal({"--lr", "0"}), "--lr"));
    EXPECT_TRUE(contains(refusal({"--lr", "nan"}), "nan"));
    EXPECT_TRUE(contains(refusal({"--capacity-seconds", "0"}), "--capacity-seconds"));
    EXPECT_TRUE(contains(refusal({"--json", "/nowhere/at/all.json"}), "--json"));
    EXPECT_TRUE(contains(refusal({"--no-such-option"}), "no-such-option"));
    EXPECT_TRUE(contains(refusal({"word"}), "word"));
}

TEST(ProducerOptionsTest, HaveTheTrainersDefaults) {
    const ProducerOptions options = parse_producer({}).value();
    EXPECT_EQ(options.name, "voices");
    EXPECT_EQ(options.data, parse({}).value().data);
    EXPECT_EQ(options.limit, parse({}).value().limit);
    EXPECT_EQ(options.wait_s, 60);
}

TEST(ProducerOptionsTest, SayWhatIsWrong) {
    EXPECT_EQ(producer_refusal({"--wait", "-1"}), "--wait: found -1, wanted 0 to 1e+06");
    EXPECT_TRUE(contains(producer_refusal({"--limit", "-1"}), "-1"));
    EXPECT_TRUE(contains(producer_refusal({"--train", "x"}), "train"));
    EXPECT_TRUE(contains(producer_refusal({"word"}), "word"));
}

TEST(ProducerOptionsTest, AreReadAsTheyAreWritten) {
    EXPECT_EQ(voices::to_arguments({}), (std::vector<std::string>{"--name", "voices"}));
    const ProducerOptions all{
        .name = "n", .data = "/my data", .limit = 3, .directory = "/d", .wait_s = 0.1};
    EXPECT_EQ(parse_producer(voices::to_arguments(all)).value(), all);
}

TEST(ProducerOptionsTest, AreQuotedForAShell) {
    EXPECT_EQ(voices::to_shell("p", {"--data", "/a-b/c_d.1"}), "p --data /a-b/c_d.1");
    EXPECT_EQ(voices::to_shell("p", {"it's", "", "$x"}), "p 'it'\\''s' '' '$x'");
}

}  // namespace
