#include "recordings.hpp"

#include <gtest/gtest.h>

#include <set>
#include <stdexcept>
#include <string>

#include "record.hpp"
#include "sound_files.hpp"

namespace {

using voices::Recording;
using voices::Recordings;
using voices_test::TemporaryFolder;

std::vector<std::string> paths(const std::vector<Recording>& recordings) {
    std::vector<std::string> out;
    for (const Recording& recording : recordings) out.push_back(recording.path.string());
    return out;
}

TEST(RecordingsTest, HashesAsFnv1aDoes) {
    // From the test vectors of draft-eastlake-fnv.
    EXPECT_EQ(voices::fnv1a(""), 0xcbf29ce484222325u);
    EXPECT_EQ(voices::fnv1a("a"), 0xaf63dc4c8601ec8cu);
    EXPECT_EQ(voices::fnv1a("foobar"), 0x85944171f73967e8u);
    EXPECT_EQ(voices::fnv1a("bar", voices::fnv1a("foo")), voices::fnv1a("foobar"));
}

TEST(RecordingsTest, ListsTheSameEveryTimeAndSorted) {
    const TemporaryFolder folder;
    voices_test::write_languages(folder.path(), 30);
    const Recordings once = voices::list_recordings(folder.path());
    const Recordings again = voices::list_recordings(folder.path());
    EXPECT_EQ(paths(once.train), paths(again.train));
    EXPECT_EQ(paths(once.held_out), paths(again.held_out));
    EXPECT_EQ(once.train.size() + once.held_out.size(), 5u * 30u);
    const auto sorted = paths(once.train);
    EXPECT_TRUE(std::is_sorted(sorted.begin(), sorted.end()));
}

TEST(RecordingsTest, SharesNoPromptBetweenTheSides) {
    const TemporaryFolder folder;
    voices_test::write_languages(folder.path(), 30);
    const Recordings recordings = voices::list_recordings(folder.path());
    std::set<std::string> trained;
    std::set<std::string> held_out;
    for (const Recording& recording : recordings.train) trained.insert(recording.prompt);
    for (const Recording& recording : recordings.held_out) held_out.insert(recording.prompt);
    EXPECT_FALSE(held_out.empty());
    for (const std::string& prompt : held_out) EXPECT_FALSE(trained.contains(prompt)) << prompt;
    EXPECT_EQ(trained.size() + held_out.size(), 30u);
}

TEST(RecordingsTest, HoldsOutOneInFive) {
    int held_out = 0;
    for (int i = 0; i < 10'000; ++i) {
        held_out += voices::is_held_out("digits/" + std::to_string(i) + ".wav") ? 1 : 0;
    }
    EXPECT_NEAR(held_out, 2000, 200);  // five standard deviations
}

TEST(RecordingsTest, TakesTheLanguageFromTheFolder) {
    const TemporaryFolder folder;
    voices_test::write_languages(folder.path(), 3);
    voices_test::write_text(folder.path() / "de_DE" / "x.wav", "a language that is not asked for");
    voices_test::write_text(folder.path() / "english" / "x.wav", "not the language's code");
    voices_test::write_text(folder.path() / "en_one" / "licence.txt", "no sound");
    std::filesystem::create_directory_symlink(folder.path() / "en_one", folder.path() / "en");
    const Recordings recordings = voices::list_recordings(folder.path());
    EXPECT_EQ(recordings.train.size() + recordings.held_out.size(), 5u * 3u);
    for (const Recording& recording : recordings.train) {
        const std::string code(voices::kLanguages[recording.language].code);
        EXPECT_NE(recording.path.string().find("/" + code + "_"), std::string::npos);
    }
}

TEST(RecordingsTest, LimitsToWholePromptsOfEveryLanguage) {
    const TemporaryFolder folder;
    voices_test::write_languages(folder.path(), 30);
    const Recordings recordings = voices::list_recordings(folder.path(), 50);
    EXPECT_EQ(recordings.train.size() + recordings.held_out.size(), 50u);
    std::array<int, voices::kLanguages.size()> count{};
    for (const Recording& recording : recordings.train) ++count[recording.language];
    for (const Recording& recording : recordings.held_out) ++count[recording.language];
    for (const int recordings_of_language : count) EXPECT_EQ(recordings_of_language, 10);
}

TEST(RecordingsTest, NamesTheLanguagesThatAreMissing) {
    const TemporaryFolder folder;
    voices_test::write_languages(folder.path(), 2);
    std::filesystem::remove_all(folder.path() / "it_four");
    try {
        voices::list_recordings(folder.path());
        FAIL() << "nothing was thrown";
    } catch (const std::runtime_error& error) {
        const std::string text = error.what();
        EXPECT_NE(text.find("it_*"), std::string::npos) << text;
        EXPECT_NE(text.find("asterisk-core-sounds-it-wav"), std::string::npos) << text;
        EXPECT_EQ(text.find("fr_*"), std::string::npos) << text;
    }
    EXPECT_THROW(voices::list_recordings(folder.path() / "nowhere"), std::runtime_error);
}

TEST(RecordTest, WritesLanguageCutAndName) {
    const Recording recording{.path = "x", .prompt = "a/b.wav", .language = 3};
    std::vector<std::int32_t> text(20, -1);
    ASSERT_EQ(voices::write_text(recording, true, text), voices::kNameAt + 7);
    EXPECT_EQ(text[voices::kLanguageAt], 3);
    EXPECT_EQ(text[voices::kCutAt], 1);
    EXPECT_EQ(text[voices::kNameAt], 'a');
    EXPECT_EQ(text[voices::kNameAt + 6], 'v');
    EXPECT_EQ(text[voices::kNameAt + 7], -1);
    EXPECT_EQ(voices::write_text(recording, false, std::span(text).first(5)), 5u);
    EXPECT_EQ(text[voices::kCutAt], 0);
}

}  // namespace
