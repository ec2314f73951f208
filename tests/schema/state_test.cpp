#include "headrace/state.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <random>

#include "gtest/error_text.hpp"
#include "gtest/seed.hpp"
#include "headrace/error.hpp"

namespace headrace {
namespace {

constexpr const char* kLine =
    R"({"headrace_state":2,"index":640,"epoch":0,"position":1280,"epoch_records":2850,)"
    R"("shuffle_seed":7,"rank":0,"world_size":2,"remainder":"drop","origin_epoch":0,)"
    R"("origin_position":0})";
// Without positions and origin.
constexpr const char* kFirstVersion =
    R"({"headrace_state":1,"index":640,"epoch_records":2850,"shuffle_seed":7,"rank":0,)"
    R"("world_size":1,"remainder":"drop"})";

std::string refusal_of(const std::string& json) {
    return error_text<UsageError>([&] { State::from_json(json); });
}

// kLine with one part replaced.
std::string with(const std::string& part, const std::string& other) {
    std::string line = kLine;
    const std::size_t at = line.find(part);
    EXPECT_NE(at, std::string::npos) << part;
    return line.replace(at, part.size(), other);
}

TEST(StateTest, WritesTheDocumentedLine) {
    const State state{
        .index = 640, .position = 1280, .epoch_records = 2850, .shuffle_seed = 7, .world_size = 2};
    EXPECT_EQ(state.to_json(), kLine);
    EXPECT_EQ(State::from_json(kLine), state);
}

TEST(StateTest, TellsWhereALoaderOfAnyRankStands) {
    const Sampler sampler({.epoch_records = 10,
                           .epochs = 4,
                           .shuffle_seed = 7,
                           .rank = 1,
                           .world_size = 3,
                           .remainder = Remainder::pad,
                           .origin_epoch = 1,
                           .origin_position = 4});
    State wanted{.index = 1,
                 .epoch = 1,
                 .position = 7,
                 .epoch_records = 10,
                 .shuffle_seed = 7,
                 .rank = 1,
                 .world_size = 3,
                 .remainder = Remainder::pad,
                 .origin_epoch = 1,
                 .origin_position = 4};
    EXPECT_EQ(State::of(sampler, 1), wanted);
    wanted.index = 2;
    wanted.epoch = 2;
    wanted.position = 0;
    EXPECT_EQ(State::of(sampler, 2), wanted) << "the end of an epoch is the start of the next";
    wanted.index = 10;
    wanted.epoch = 4;
    EXPECT_EQ(State::of(sampler, sampler.end_index()), wanted);
}

TEST(StateTest, ReadsTheFirstVersion) {
    const State state = State::from_json(kFirstVersion);
    const State wanted{.index = 640, .position = 640, .epoch_records = 2850, .shuffle_seed = 7};
    EXPECT_EQ(state, wanted);
    const State later = State::from_json(
        R"({"headrace_state":1,"index":5,"epoch_records":10,"shuffle_seed":null,"rank":2,)"
        R"("world_size":3,"remainder":"pad"})");
    EXPECT_EQ(
        later,
        State::of(
            Sampler({.epoch_records = 10, .rank = 2, .world_size = 3, .remainder = Remainder::pad}),
            5));
    EXPECT_EQ(later.epoch, 1u);
    EXPECT_EQ(later.position, 3u);
    const State stream = State::from_json(
        R"({"headrace_state":1,"index":77,"epoch_records":0,"shuffle_seed":null,"rank":0,)"
        R"("world_size":1,"remainder":"drop"})");
    EXPECT_EQ(stream, State{.index = 77});
}

TEST(StateTest, RefusesAFirstVersionOfNoRun) {
    EXPECT_TRUE(contains(
        refusal_of(R"({"headrace_state":1,"index":5,"epoch_records":10,"shuffle_seed":null,)"
                   R"("rank":3,"world_size":3,"remainder":"pad"})"),
        "loader state: found the options of no run: sampler: rank 3 of world_size 3"));
}

TEST(StateTest, WritesNullWithoutASeed) {
    const State state{.index = 3, .epoch_records = 10, .remainder = Remainder::pad};
    EXPECT_TRUE(contains(state.to_json(), "\"shuffle_seed\":null"));
    EXPECT_TRUE(contains(state.to_json(), "\"remainder\":\"pad\""));
    EXPECT_EQ(State::from_json(state.to_json()), state);
    EXPECT_EQ(State::from_json(State{}.to_json()), State{});
}

TEST(StateTest, ReadsBackWhatItWrites) {
    const std::uint64_t seed = test_seed();
    SCOPED_TRACE(seed_note(seed));
    std::mt19937_64 random(seed);
    for (int i = 0; i < 200; ++i) {
        State state{.index = random(),
                    .epoch = random(),
                    .position = random(),
                    .epoch_records = random(),
                    .shuffle_seed = {},
                    .rank = static_cast<std::uint32_t>(random()),
                    .world_size = static_cast<std::uint32_t>(random()),
                    .remainder = i % 2 == 0 ? Remainder::drop : Remainder::pad,
                    .origin_epoch = random(),
                    .origin_position = random()};
        if (i % 3 != 0) state.shuffle_seed = random();
        ASSERT_EQ(State::from_json(state.to_json()), state);
    }
    constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();
    const State most{.index = kMost,
                     .epoch = kMost,
                     .position = kMost,
                     .epoch_records = kMost,
                     .shuffle_seed = kMost,
                     .origin_epoch = kMost,
                     .origin_position = kMost};
    EXPECT_EQ(State::from_json(most.to_json()), most) << "no number is a double on its way";
}

TEST(StateTest, MindsNeitherWhiteSpaceNorTheOrderOfKeys) {
    EXPECT_EQ(State::from_json(" {\n\t\"remainder\" : \"drop\" ,\r\n \"world_size\":2, \"rank\":0,"
                               "\"origin_position\":0,\"position\":1280,\"origin_epoch\" : 0,"
                               "\"shuffle_seed\" :7,\"epoch_records\": 2850,\"index\":640 ,"
                               "\"epoch\": 0,\"headrace_state\":2 } \n"),
              State::from_json(kLine));
}

TEST(StateTest, MindsNoKeysOfALaterRelease) {
    EXPECT_EQ(State::from_json(with("\"rank\":0", "\"rank\":0,\"later\":\"x\"")),
              State::from_json(kLine));
}

TEST(StateTest, RefusesWhatIsNotAnObject) {
    for (const char* const json :
         {"", " ", "null", "[]", "640", "{", "{}", "{\"index\"", "\"{\""}) {
        EXPECT_TRUE(contains(refusal_of(json), "loader state: found")) << json;
        EXPECT_TRUE(contains(refusal_of(json), "wanted one line as State::to_json() writes it"));
    }
    for (std::size_t length = 0; length < std::string(kLine).size(); ++length) {
        EXPECT_THROW(State::from_json(std::string(kLine).substr(0, length)), UsageError) << length;
    }
}

TEST(StateTest, RefusesAMissingKeyByName) {
    for (const std::string key :
         {"headrace_state", "index", "epoch", "position", "epoch_records", "shuffle_seed", "rank",
          "world_size", "remainder", "origin_epoch", "origin_position"}) {
        const std::string refusal = refusal_of(with("\"" + key + "\"", "\"other\""));
        EXPECT_TRUE(contains(refusal, "no key \"" + key + "\""));
    }
}

TEST(StateTest, RefusesNumbersThatAreNone) {
    for (const char* const bad : {"-1", "1.5", "1e3", "+1", "0x10", "", "true", "null",
                                  "18446744073709551616", "{\"a\":1}", "[1]"}) {
        EXPECT_THROW(State::from_json(with("640", bad)), UsageError) << bad;
    }
    EXPECT_TRUE(contains(refusal_of(with("640", "-1")), "\"index\": -1 (no whole number"));
    EXPECT_TRUE(contains(refusal_of(with("\"rank\":0", "\"rank\":4294967296")),
                         "\"rank\": 4294967296 (no whole number, or too large)"));
    EXPECT_THROW(State::from_json(with(":7,", ":none,")), UsageError);
}

TEST(StateTest, RefusesAnotherVersionRemainderOrTail) {
    EXPECT_TRUE(contains(refusal_of(with("\"headrace_state\":2", "\"headrace_state\":3")),
                         "version 3 of the format"));
    EXPECT_TRUE(contains(refusal_of(with("\"headrace_state\":2", "\"headrace_state\":0")),
                         "version 0 of the format"));
    EXPECT_TRUE(contains(refusal_of(with("drop", "wrap")), "remainder \"wrap\""));
    EXPECT_TRUE(contains(refusal_of(kLine + std::string("x")), "behind the closing brace"));
    EXPECT_TRUE(contains(refusal_of(with("\"rank\":0", "\"index\":1")), "\"index\" twice"));
}

}  // namespace
}  // namespace headrace
