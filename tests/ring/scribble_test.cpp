// A process that writes where it must not, one scribble at a time: what the trainer and the other
// producers make of it. It has attached by the library's own means and has the whole memory.
#include <gtest/gtest.h>

#include <unistd.h>

#include <optional>
#include <string>
#include <vector>

#include "gtest/error_text.hpp"
#include "headrace/loader.hpp"
#include "ring/participant.hpp"
#include "ring/rendezvous.hpp"
#include "ring/ring_fixture.hpp"

namespace headrace {
namespace {

using ring::pack;
using ring::SlotState;

class ScribbleTest : public RingFixture {
  protected:
    void make(std::uint64_t epoch_records = 1000, std::uint32_t slots = 8) {
        make(RingFixture::options(epoch_records, slots));
    }
    void make(RingOptions options) {
        options.stall.report_after = std::chrono::milliseconds(30);
        ring_.emplace(Ring::create(std::move(options)));
        evil_ = detail::attach("test", {.directory = directory_, .identity = "evil"},
                               ring::Role::producer);
        const ring::Description& description = evil_.description;
        geometry_ = ring::Geometry::of(description.schema, description.slots);
        protocol_ = ring::Protocol(evil_.mapping.bytes(), description);
    }
    ring::Control& control() { return protocol_.control(); }
    ring::SlotDescriptor& slot(std::uint64_t number) {
        std::byte* const at = evil_.mapping.bytes().data() + geometry_.descriptors;
        return reinterpret_cast<ring::SlotDescriptor*>(at)[number];
    }
    // What the consumer says when it waits for the record that comes next.
    std::string complaint() {
        if (!consumer_) consumer_.emplace(ring_->consumer());
        return error_text<Error>([this] { consumer_->get(); });
    }
    std::string attached() const {
        return "attached: producer " + std::to_string(evil_.owner.id) + " (evil, pid " +
               std::to_string(getpid()) + ")";
    }

    std::optional<Ring> ring_;
    std::optional<Consumer> consumer_;
    detail::Attachment evil_;
    ring::Geometry geometry_;
    ring::Protocol protocol_;
};

TEST_F(ScribbleTest, IsToldBySlotOwnerAndThePidsAttached) {
    make();
    slot(0).word.store(pack(77, SlotState::writing, 9, 3));
    const std::string text = complaint();
    EXPECT_TRUE(contains(text, "slot 0 of record 0 says record 77, writing, of producer 9: "));
    EXPECT_TRUE(contains(text, attached()));
}

TEST_F(ScribbleTest, IsToldWhateverTheWordSays) {
    make();
    const std::vector<std::pair<std::uint64_t, std::string>> words{
        {pack(0, static_cast<SlotState>(6)), "says record 0, state 6, which there is none, of"},
        {pack(0, SlotState::leased), "says record 0, leased, of the trainer"},
        {pack(0, SlotState::writing), "says record 0, writing, of the trainer"},
        {pack(8, SlotState::free), "says record 8, free"},
        {pack(3, SlotState::ready, 1), "says record 3, ready, of producer 1"},
        {pack(~std::uint64_t{7}, SlotState::hole, 255), ", a hole, of producer 255"}};
    for (const auto& [word, wanted] : words) {
        slot(0).word.store(word);
        EXPECT_TRUE(contains(complaint(), wanted));
    }
    slot(0).word.store(pack(0, SlotState::ready, 1));
    EXPECT_TRUE(consumer_->get()) << "and the ring goes on when it is put right";
}

TEST_F(ScribbleTest, IsToldWhereTheTailHasPassedAnIndexThatNobodyTook) {
    make();
    control().tail.store(5);
    EXPECT_TRUE(contains(complaint(), "says record 0, free, of the trainer, but the tail is 5"));
}

TEST_F(ScribbleTest, FailsALoaderWithTheSameWords) {
    make();
    slot(1).word.store(pack(77, SlotState::ready, 9));
    Loader loader(*ring_, {.batch = 2, .device = Device::host()});
    Producer good = ring_->producer();
    ASSERT_EQ(good.put({}, {}), Outcome::ready);
    const std::string text = error_text<Error>([&] { loader.next(); });
    EXPECT_TRUE(contains(text, "slot 1 of record 1 says record 77, ready, of producer 9"));
    EXPECT_THROW(good.claim(), RingAborted);
}

TEST_F(ScribbleTest, EndsNoRingByItsPhase) {
    make();
    for (const std::uint32_t phase : {0u, 2u, 3u, 4u, 77u}) {
        control().phase.store(phase);
        const std::string wanted = "the phase is " + std::to_string(phase) + " (";
        EXPECT_TRUE(contains(complaint(), wanted));
        EXPECT_TRUE(contains(complaint(), "which the trainer has not set"));
    }
    ring_->close();
    EXPECT_EQ(consumer_->get().outcome(), Outcome::end);
}

TEST_F(ScribbleTest, ReportsAnOwnerWhoIsNotAttachedAndThoseWhoAre) {
    make();
    slot(0).word.store(pack(0, SlotState::writing, 200, 1));
    EXPECT_TRUE(eventually([this] {
        return said("record 0 (slot 0) for ") &&
               said("ms held by producer 200, who is not attached; " + attached());
    })) << messages();
    Consumer consumer = ring_->consumer();
    EXPECT_EQ(consumer.get_for(std::chrono::milliseconds(1)).outcome(), Outcome::timed_out);
}

TEST_F(ScribbleTest, HoldsNoProducerInACatchingUpWithoutEnd) {
    make(0);  // a stream, which has no end
    Producer good = ring_->producer();
    for (std::uint64_t number = 0; number < 8; ++number) {
        slot(number).word.store(pack((std::uint64_t{1} << 40) + number, SlotState::free));
    }
    EXPECT_EQ(good.try_claim().outcome(), Outcome::timed_out);
    EXPECT_EQ(good.claim_for(std::chrono::milliseconds(1)).outcome(), Outcome::timed_out);
}

// A tail that was set back a little is caught up with.
TEST_F(ScribbleTest, IsHealedWhereTheTailWasSetBack) {
    make();
    Producer good = ring_->producer();
    Consumer consumer = ring_->consumer();
    for (int i = 0; i < 100; ++i) {
        ASSERT_EQ(good.put({}, {}), Outcome::ready);
        ASSERT_TRUE(consumer.get());
    }
    control().tail.store(3);
    ASSERT_EQ(good.put({}, {}), Outcome::ready);
    EXPECT_EQ(consumer.get()->index(), 100u);
}

TEST_F(ScribbleTest, HoldsNothingWhenItSaysThatItNeverCame) {
    make();
    ring::ClaimMemory memory;
    ASSERT_EQ(protocol_.try_claim(evil_.owner, memory).index, 0u);
    const ring::Farewell farewell{ring::kWireMagic, ring::Farewell::never_came};
    ASSERT_TRUE(ring::send_message(evil_.socket.get(), std::as_bytes(std::span(&farewell, 1))));
    Producer good = ring_->producer();
    Consumer consumer = ring_->consumer();
    ASSERT_TRUE(eventually([this] { return ring_->stats().writing == 0; }));
    ASSERT_EQ(good.put({}, {}), Outcome::ready);
    EXPECT_EQ(consumer.get()->index(), 0u);
}

TEST_F(ScribbleTest, IsToldByConsumersThatShareTheRing) {
    RingOptions options = RingFixture::options(1000, 8);
    options.shared_consumers = true;
    make(std::move(options));
    Producer producer = ring_->producer();
    for (int i = 0; i < 7; ++i) ASSERT_EQ(producer.put({}, {}), Outcome::ready);
    const std::vector<std::pair<std::uint64_t, std::string>> words{
        {pack(7, static_cast<SlotState>(6)), "says record 7, state 6, which there is none, of"},
        {pack(7, SlotState::writing), "says record 7, writing, of the trainer"},
        {pack(7, SlotState::leased), "says record 7, leased, of the trainer"},
        {pack(~std::uint64_t{0}, SlotState::free), ", free, of the trainer"},
        {pack(~std::uint64_t{0}, SlotState::ready, 3), ", ready, of id 3"},
        {pack(3, SlotState::leased, 200), "says record 3, leased, of id 200"}};
    consumer_.emplace(ring_->consumer());
    EXPECT_EQ(consumer_->take(7)->size(), 7u);
    for (const auto& [word, wanted] : words) {
        slot(7).word.store(word);
        EXPECT_TRUE(contains(complaint(), wanted));
    }
    EXPECT_TRUE(contains(complaint(), attached()));
    slot(7).word.store(pack(7, SlotState::free));
    EXPECT_EQ(consumer_->try_get().outcome(), Outcome::timed_out);
    ASSERT_EQ(producer.put({}, {}), Outcome::ready);
    EXPECT_EQ(consumer_->get()->index(), 7u) << "and the ring goes on when it is put right";
}

TEST_F(ScribbleTest, IsToldWhereAResetPassesOver) {
    make();
    Producer producer = ring_->producer();
    auto record = producer.claim();
    consumer_.emplace(ring_->consumer());
    ring_->reset();
    slot(0).word.store(pack(77, SlotState::writing, 9, 3));
    EXPECT_TRUE(contains(complaint(), "slot 0 of record 0 says record 77, writing"));
    slot(0).word.store(pack(0, SlotState::writing, 1, 1));
    control().phase.store(static_cast<std::uint32_t>(Phase::closed));
    EXPECT_TRUE(contains(complaint(), "which the trainer has not set"));
    EXPECT_TRUE(contains(error_text<Error>([this] { ring_->reset(); }), "has not set"));
    control().phase.store(static_cast<std::uint32_t>(Phase::open));
    control().tail.store(~std::uint64_t{0} - 3);
    EXPECT_TRUE(contains(error_text<Error>([this] { ring_->reset(); }), "reset, but the tail is"));
}

}  // namespace
}  // namespace headrace
