#include "word_lists.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "gtest/error_text.hpp"
#include "torch_trainer/word_files.hpp"

namespace {

using headrace::contains;
using headrace::error_text;
using words::Word;
using words::WordLists;
using words_test::write_file;

class WordListsTest : public testing::Test {
  protected:
    WordListsTest() { words_test::write_word_lists(folder(), 300); }
    const std::filesystem::path& folder() const { return folder_.path(); }
    std::string refusal() const {
        return error_text<std::runtime_error>([this] { words::read_word_lists(folder()); });
    }

  private:
    words_test::TemporaryFolder folder_;
};

std::vector<Word> all_of(const WordLists& lists) {
    std::vector<Word> all = lists.train;
    all.insert(all.end(), lists.held_out.begin(), lists.held_out.end());
    return all;
}

std::multiset<std::string> texts_of(const std::vector<Word>& list) {
    std::multiset<std::string> texts;
    for (const Word& word : list) texts.insert(std::to_string(word.language) + word.text);
    return texts;
}

TEST_F(WordListsTest, HasEveryWordOnce) {
    const auto texts = texts_of(all_of(words::read_word_lists(folder())));
    EXPECT_EQ(texts.size(), 5 * 300u);
    EXPECT_EQ(std::set<std::string>(texts.begin(), texts.end()).size(), 5 * 300u);
}

TEST_F(WordListsTest, HoldsAWordOutInAllLanguagesOrInNone) {
    const WordLists before = words::read_word_lists(folder());
    EXPECT_GT(before.held_out.size(), 5 * 300u / 20);
    EXPECT_LT(before.held_out.size(), 5 * 300u / 5);
    for (const Word& word : before.train) EXPECT_FALSE(words::is_held_out(word.text));
    for (const Word& word : before.held_out) EXPECT_TRUE(words::is_held_out(word.text));
    // The same words in two languages.
    std::filesystem::copy_file(folder() / "french", folder() / "italian",
                               std::filesystem::copy_options::overwrite_existing);
    std::map<std::string, std::set<std::size_t>> languages;
    for (const Word& word : words::read_word_lists(folder()).held_out) {
        languages[word.text].insert(word.language);
    }
    for (const auto& [text, of] : languages) EXPECT_EQ(of.contains(1), of.contains(3)) << text;
}

TEST_F(WordListsTest, TakesAsManyOfEachLanguageAsAskedFor) {
    std::vector<std::size_t> count(words::kLanguages.size(), 0);
    const WordLists few = words::read_word_lists(folder(), 40);
    for (const Word& word : all_of(few)) ++count[word.language];
    EXPECT_EQ(count, (std::vector<std::size_t>{40, 40, 40, 40, 40}));
    EXPECT_FALSE(few.held_out.empty());
    // A larger list has all of a smaller one's.
    const auto more = texts_of(all_of(words::read_word_lists(folder(), 200)));
    for (const std::string& text : texts_of(all_of(few))) EXPECT_EQ(more.count(text), 1u);
    EXPECT_EQ(all_of(words::read_word_lists(folder(), 5'000)).size(), 5 * 300u);
}

TEST_F(WordListsTest, KnowsListsByTheirFingerprint) {
    const std::uint64_t all = words::read_word_lists(folder()).fingerprint;
    EXPECT_EQ(words::read_word_lists(folder()).fingerprint, all);
    EXPECT_NE(words::read_word_lists(folder(), 200).fingerprint, all);
    // Neither the order of the lines counts, nor what stands there twice.
    const std::string spanish = words_test::read_file(folder() / "spanish");
    write_file(folder() / "spanish", spanish + "\n\n" + spanish);
    EXPECT_EQ(words::read_word_lists(folder()).fingerprint, all);
    write_file(folder() / "spanish", spanish + "x\n");
    EXPECT_NE(words::read_word_lists(folder()).fingerprint, all);
    std::filesystem::rename(folder() / "french", folder() / "saved");
    std::filesystem::rename(folder() / "italian", folder() / "french");
    std::filesystem::rename(folder() / "saved", folder() / "italian");
    write_file(folder() / "spanish", spanish);
    EXPECT_NE(words::read_word_lists(folder()).fingerprint, all);
}

TEST_F(WordListsTest, NamesTheListsThatAreMissing) {
    std::filesystem::remove(folder() / "french");
    std::filesystem::remove(folder() / "ngerman");
    EXPECT_EQ(refusal(), "no word list french, ngerman in " + folder().string() +
                             "; Debian has it in wfrench wngerman, or give another folder with "
                             "--lists");
}

TEST_F(WordListsTest, NamesTheLineThatIsNotUtf8) {
    write_file(folder() / "spanish",
               "uno\n\nma\xf1"
               "ana\n");
    EXPECT_TRUE(
        contains(refusal(), "spanish, line 3: found something else, wanted a word in UTF-8"));
}

TEST(RealWordListsTest, AreUnderstood) {
    WordLists lists;
    try {
        lists = words::read_word_lists(words::kDebianLists);
    } catch (const std::runtime_error& error) {
        GTEST_SKIP() << error.what();
    }
    EXPECT_GT(lists.train.size(), 500'000u);
    EXPECT_NEAR(
        static_cast<double>(lists.held_out.size()) / static_cast<double>(lists.train.size()),
        1.0 / 9, 0.01);
}

}  // namespace
