#include "ledger.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "headrace/headrace.hpp"
#include "log_mel.hpp"
#include "record.hpp"

namespace {

using voices::Ledger;
using voices::Recording;

constexpr std::size_t kFrames = 4;  // of a record, at most

// A ring over four recordings, for as many epochs as a test likes, written by the test itself.
class LedgerTest : public testing::Test {
  protected:
    LedgerTest() : ledger_(recordings_) {
        static int number = 0;
        headrace::RingOptions ring;
        ring.name = "ledger-" + std::to_string(getpid()) + "-" + std::to_string(++number);
        ring.schema = voices::record_schema(kFrames);
        ring.slots = 16;
        ring.epoch_records = recordings_.size();
        ring_.emplace(headrace::Ring::create(ring));
        headrace::LoaderOptions loader;
        loader.batch = 2;
        loader.device = headrace::Device::host();
        loader_.emplace(*ring_, loader);
        producer_.emplace(ring_->producer());
    }
    void put(std::size_t frames, bool cut) {
        auto record = producer_->claim();
        const std::size_t length = voices::write_text(
            recordings_[record->item()], cut, record->field<std::int32_t>(voices::kTextField));
        record->publish(frames * voices::kBands, length);
    }
    // Publishes a record that holds just this.
    void put_raw(std::size_t floats, const std::vector<std::int32_t>& ints) {
        auto record = producer_->claim();
        std::copy(ints.begin(), ints.end(),
                  record->field<std::int32_t>(voices::kTextField).begin());
        record->publish(floats, ints.size());
    }
    static Ledger::Ints ints_of(const headrace::Batch& batch) {
        return {batch.values<std::int32_t>(voices::kTextField),
                static_cast<std::size_t>(batch.total(voices::kTextField))};
    }
    // Enters the next batch, over the end of an epoch if need be.
    void enter() {
        while (true) {
            auto batch = loader_->next_for(std::chrono::seconds(30));
            if (batch.outcome() == headrace::Outcome::end_of_epoch) continue;
            ASSERT_TRUE(batch) << name_of(batch.outcome());
            ledger_.enter(*batch, ints_of(*batch));
            return;
        }
    }
    std::string refusal() {
        try {
            enter();
            return "";
        } catch (const std::runtime_error& error) {
            return error.what();
        }
    }

    const std::vector<Recording> recordings_{
        {.path = "d/en_x/a.wav", .prompt = "a.wav"},
        {.path = "d/en_x/b.wav", .prompt = "b.wav"},
        {.path = "d/es_x/a.wav", .prompt = "a.wav", .language = 1},
        {.path = "d/es_x/b.wav", .prompt = "b.wav", .language = 1}};
    Ledger ledger_;
    std::optional<headrace::Ring> ring_;
    std::optional<headrace::Loader> loader_;
    std::optional<headrace::Producer> producer_;
};

TEST_F(LedgerTest, CountsARecordingThatIsCutOnce) {
    for (int epoch = 0; epoch < 2; ++epoch) {
        put(4, true);
        put(3, false);
        put(4, true);
        put(0, false);
        enter();
        enter();
    }
    EXPECT_EQ(ledger_.records(), 8u);
    EXPECT_EQ(ledger_.cut(), 2u);
    EXPECT_EQ(ledger_.lost(), 0u);
}

TEST_F(LedgerTest, NamesWhatIsLostAndCountsEachEpoch) {
    for (int epoch = 0; epoch < 2; ++epoch) {
        producer_->claim()->skip("a.wav: broken");
        for (int i = 0; i < 3; ++i) put(1, false);
        enter();
        enter();
    }
    EXPECT_EQ(ledger_.records(), 6u);
    EXPECT_EQ(ledger_.lost(), 2u);
    ASSERT_EQ(ledger_.losses().size(), 1u);
    EXPECT_EQ(ledger_.losses().begin()->first, "skipped: en_x/a.wav (a.wav: broken)");
    EXPECT_EQ(ledger_.losses().begin()->second, 2u);
}

TEST_F(LedgerTest, HashesWhatCameAndInWhichBatches) {
    const std::uint64_t nothing = ledger_.order_hash();
    put(1, false);
    put(2, false);
    enter();
    const std::uint64_t once = ledger_.order_hash();
    EXPECT_NE(once, nothing);
    Ledger other(recordings_);
    for (int i = 0; i < 2; ++i) put(1, false);
    auto batch = loader_->next_for(std::chrono::seconds(30));
    ASSERT_TRUE(batch);
    other.enter(*batch, ints_of(*batch));
    EXPECT_NE(other.order_hash(), once);
    Ledger same(recordings_);
    same.enter(*batch, std::nullopt);
    EXPECT_EQ(same.order_hash(), other.order_hash());
}

TEST_F(LedgerTest, RefusesFramesThatAreNotWhole) {
    put_raw(voices::kBands + 1, {0, 0});
    put(1, false);
    const std::string text = refusal();
    EXPECT_NE(text.find("en_x/a.wav: found 41 floats, wanted a multiple of 40"), std::string::npos)
        << text;
}

TEST_F(LedgerTest, RefusesARecordWithoutALanguage) {
    put_raw(0, {0});
    put(1, false);
    const std::string text = refusal();
    EXPECT_NE(text.find("found 1 ints, wanted 2 or more"), std::string::npos) << text;
}

// As the int field of a record: language, not cut, and the name.
std::vector<std::int32_t> text_of(std::int32_t language, const std::string& prompt) {
    std::vector<std::int32_t> ints{language, 0};
    ints.insert(ints.end(), prompt.begin(), prompt.end());
    return ints;
}

TEST_F(LedgerTest, RefusesAnotherLanguageThanTheRecordingIsIn) {
    put_raw(0, text_of(4, "a.wav"));
    put(1, false);
    const std::string text = refusal();
    EXPECT_NE(text.find("en_x/a.wav: found ru \"a.wav\", wanted en \"a.wav\": "), std::string::npos)
        << text;
}

TEST_F(LedgerTest, RefusesAnotherRecordingThanIsExpected) {
    put(1, false);
    put_raw(0, text_of(0, "digits/1.wav"));
    const std::string text = refusal();
    EXPECT_NE(text.find("en_x/b.wav: found en \"digits/1.wav\", wanted en \"b.wav\": "),
              std::string::npos)
        << text;
    EXPECT_NE(text.find("the same --data and --limit"), std::string::npos) << text;
    EXPECT_NE(text.find("packages"), std::string::npos) << text;
}

TEST_F(LedgerTest, RefusesTheBeginningOfANameForTheWhole) {
    put_raw(0, text_of(0, "a.wa"));
    put(1, false);
    EXPECT_NE(refusal().find("found en \"a.wa\", wanted en \"a.wav\""), std::string::npos);
}

TEST_F(LedgerTest, NamesWhatIsNoNameAtAll) {
    put_raw(0, {-7, 0, 'a', -1, '\n', 1 << 20});
    put(1, false);
    const std::string text = refusal();
    EXPECT_NE(text.find("found -7 \"a???\", wanted en \"a.wav\""), std::string::npos) << text;
}

TEST_F(LedgerTest, LooksAtLengthsOnlyWithoutTheInts) {
    put_raw(0, text_of(4, "another.wav"));
    put(1, true);
    auto batch = loader_->next_for(std::chrono::seconds(30));
    ASSERT_TRUE(batch);
    ledger_.enter(*batch, std::nullopt);
    EXPECT_EQ(ledger_.records(), 2u);
    EXPECT_EQ(ledger_.cut(), 0u);
    put_raw(voices::kBands + 1, {0, 0});
    put(1, false);
    batch = loader_->next_for(std::chrono::seconds(30));
    ASSERT_TRUE(batch);
    EXPECT_THROW(ledger_.enter(*batch, std::nullopt), std::runtime_error);
}

TEST_F(LedgerTest, TakesANameThatDoesNotFitByWhatFits) {
    const std::string name(voices::kTextCapacity, 'n');
    const std::vector<Recording> recordings(4, {.path = "d/en_x/" + name, .prompt = name});
    Ledger ledger(recordings);
    for (int i = 0; i < 2; ++i) {
        auto record = producer_->claim();
        const std::size_t length = voices::write_text(
            recordings[0], false, record->field<std::int32_t>(voices::kTextField));
        ASSERT_EQ(length, voices::kTextCapacity);
        record->publish(0, length);
    }
    auto batch = loader_->next_for(std::chrono::seconds(30));
    ASSERT_TRUE(batch);
    EXPECT_NO_THROW(ledger.enter(*batch, ints_of(*batch)));
}

}  // namespace
