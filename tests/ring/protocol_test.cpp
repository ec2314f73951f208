// The protocol by itself: over plain memory, one step at a time, and with the steps that a killed
// process leaves undone.
#include "ring/protocol.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <vector>

namespace headrace::ring {
namespace {

constexpr Owner kAlice{1, 1};
constexpr Owner kBob{2, 1};
constexpr std::int64_t kLengths[] = {3, 1};

class ProtocolTest : public testing::Test {
  protected:
    void make(std::uint32_t slots, std::uint64_t epoch_records, std::uint64_t epochs = 1,
              std::uint64_t start = 0) {
        Description description{.name = "test",
                                .schema = Schema::float_int(8, 4),
                                .slots = slots,
                                .sampler = {},
                                .start_index = start};
        if (epoch_records != 0) {
            description.sampler.emplace(
                SamplerOptions{.epoch_records = epoch_records, .epochs = epochs});
        }
        const Geometry g = Geometry::of(description.schema, slots);
        memory_.reset(static_cast<std::byte*>(std::aligned_alloc(kPage, g.memory_bytes)));
        bytes_ = {memory_.get(), g.memory_bytes};
        std::fill(bytes_.begin(), bytes_.end(), std::byte{0});
        format(bytes_, description);
        description_ = read_header(bytes_, "test");
        protocol_ = Protocol(bytes_, description_);
        alice_ = bob_ = {};
    }

    Claim claim(Owner who = kAlice) {
        return protocol_.try_claim(who, who.id == kAlice.id ? alice_ : bob_);
    }
    Claim publish(Owner who = kAlice) {
        const Claim mine = claim(who);
        EXPECT_EQ(mine.state, ClaimState::claimed);
        EXPECT_TRUE(protocol_.publish(mine.index, mine.word, kLengths));
        return mine;
    }
    void take_and_release(std::uint64_t index, SlotState wanted = SlotState::ready) {
        EXPECT_EQ(protocol_.take(index), wanted) << index;
        protocol_.release(std::vector{index});
    }
    bool give_back(const Claim& mine) {
        bool came_back = false;
        EXPECT_TRUE(protocol_.give_back(mine.index, mine.word, came_back));
        return came_back;
    }

    struct Free {
        void operator()(std::byte* memory) const { std::free(memory); }
    };
    std::unique_ptr<std::byte, Free> memory_;
    TakeMemory take_memory_;
    std::span<std::byte> bytes_;
    Description description_;
    Protocol protocol_;
    ClaimMemory alice_, bob_;
};

TEST_F(ProtocolTest, HandsOutIndicesInOrderOverManyLaps) {
    make(5, 0);
    for (std::uint64_t index = 0; index < 37; ++index) {
        EXPECT_EQ(publish(index % 2 == 0 ? kAlice : kBob).index, index);
        EXPECT_TRUE(protocol_.is_settled_at(index));
        EXPECT_EQ(protocol_.length(index, 0), 3u);
        take_and_release(index);
    }
}

TEST_F(ProtocolTest, GoesOnWhereTheTagWraps) {
    const std::uint64_t start = (std::uint64_t{1} << kTagBits) - 7;
    make(4, 0, 0, start);
    for (std::uint64_t index = start; index < start + 20; ++index) {
        EXPECT_EQ(publish().index, index);
        take_and_release(index);
    }
    EXPECT_EQ(protocol_.true_tail(), start + 20);
}

TEST_F(ProtocolTest, HasNothingToClaimWhileTheRingIsFull) {
    make(3, 0);
    for (int i = 0; i < 3; ++i) publish();
    EXPECT_EQ(claim().state, ClaimState::nothing_yet);
    EXPECT_EQ(protocol_.take(0), SlotState::ready);
    EXPECT_EQ(claim().state, ClaimState::nothing_yet) << "leased is not free";
    protocol_.release(std::vector<std::uint64_t>{0});
    EXPECT_EQ(claim().index, 3u);
}

TEST_F(ProtocolTest, WaitsForTheOldestSlotWhenReleasedOutOfOrder) {
    make(3, 0);
    for (int i = 0; i < 3; ++i) publish();
    for (std::uint64_t i = 0; i < 3; ++i) protocol_.take(i);
    protocol_.release(std::vector<std::uint64_t>{2, 1});
    EXPECT_EQ(claim().state, ClaimState::nothing_yet);
    EXPECT_TRUE(protocol_.is_blocked_by_lease(3));
    protocol_.release(std::vector<std::uint64_t>{0});
    EXPECT_FALSE(protocol_.is_blocked_by_lease(3));
    EXPECT_EQ(claim().index, 3u);
    EXPECT_EQ(claim().index, 4u);
}

TEST_F(ProtocolTest, HelpsTheTailOfOneThatDiedRightAfterItsClaim) {
    make(4, 0);
    const Claim mine = claim(kAlice);
    protocol_.control().tail.store(mine.index);  // as if killed before moving it on
    EXPECT_EQ(claim(kBob).index, mine.index + 1);
    EXPECT_EQ(protocol_.control().tail.load(), mine.index + 2);
}

TEST_F(ProtocolTest, GivesADroppedIndexToTheNextWhoClaims) {
    make(8, 100);
    const Claim first = claim(kAlice);
    publish(kBob);
    EXPECT_TRUE(give_back(first));
    const Claim again = claim(kBob);
    EXPECT_EQ(again.index, first.index);
    EXPECT_EQ(attempts_of(again.word), 1u);
    EXPECT_EQ(claim(kBob).index, 2u);
}

TEST_F(ProtocolTest, MakesAHoleAfterThreeDrops) {
    make(8, 100);
    EXPECT_TRUE(give_back(claim()));
    EXPECT_TRUE(give_back(claim()));
    EXPECT_FALSE(give_back(claim()));
    EXPECT_EQ(protocol_.take(0), SlotState::hole);
    EXPECT_EQ(protocol_.reason(0).kind, HoleKind::dropped);
    EXPECT_EQ(claim().index, 1u);
}

TEST_F(ProtocolTest, HandsTheIndexOfTheDeadToTheLiving) {
    make(8, 100);
    const Claim lost = claim(kAlice);
    const auto reaped = protocol_.reap(kAlice, true, "alice");
    EXPECT_EQ(reaped.returned, 1u);
    EXPECT_EQ(reaped.lost, 0u);
    EXPECT_EQ(claim(kBob).index, lost.index);
    EXPECT_FALSE(protocol_.publish(lost.index, lost.word, kLengths)) << "a late publish is refused";
}

TEST_F(ProtocolTest, MakesAHoleAfterThreeDeaths) {
    make(8, 100);
    for (int death = 0; death < 3; ++death) {
        EXPECT_EQ(claim(kAlice).index, 0u);
        protocol_.reap(kAlice, true, "alice");
    }
    EXPECT_EQ(protocol_.take(0), SlotState::hole);
    EXPECT_EQ(protocol_.reason(0).kind, HoleKind::died);
    EXPECT_NE(protocol_.reason(0).text.find("alice"), std::string::npos);
}

TEST_F(ProtocolTest, LeavesAHoleOfADeathInAStreamRing) {
    make(8, 0);
    claim(kAlice);
    EXPECT_EQ(protocol_.reap(kAlice, true, "alice").lost, 1u);
    take_and_release(0, SlotState::hole);
    EXPECT_EQ(claim(kBob).index, 1u);
}

TEST_F(ProtocolTest, ReapsOnlyWhatTheDeadHeld) {
    make(8, 100);
    const Claim alices = claim(kAlice);
    const Claim bobs = claim(kBob);
    const Claim later = claim({kAlice.id, kAlice.incarnation + 1});
    EXPECT_EQ(protocol_.reap(kAlice, true, "alice").returned, 1u);
    EXPECT_TRUE(protocol_.publish(bobs.index, bobs.word, kLengths));
    EXPECT_TRUE(protocol_.publish(later.index, later.word, kLengths));
    EXPECT_EQ(claim(kBob).index, alices.index);
}

// A bit that was set for a drop that never came to be, and a word that the reaper returned.
TEST_F(ProtocolTest, SurvivesADeathBetweenTheBitAndTheWord) {
    make(8, 100);
    const Claim mine = claim(kAlice);
    const Geometry g = Geometry::of(description_.schema, description_.slots);
    auto* bitmap = reinterpret_cast<std::atomic<std::uint64_t>*>(bytes_.data() + g.returned);
    bitmap[0].fetch_or(1);
    protocol_.control().returns.fetch_add(1);
    EXPECT_EQ(claim(kBob).index, 1u) << "the word still says writing";
    protocol_.reap(kAlice, true, "alice");
    EXPECT_EQ(claim(kBob).index, mine.index);
}

TEST_F(ProtocolTest, ForgetsTheHintOfASlotThatMovedOn) {
    make(2, 0);
    EXPECT_TRUE(give_back(claim()));
    publish();  // index 0 again
    take_and_release(0);
    alice_.returns = ~std::uint64_t{0};  // look through the bitmap again
    EXPECT_EQ(claim().index, 1u) << "slot 0 is free for index 2, which is not due yet";
    EXPECT_EQ(claim().index, 2u);
}

TEST_F(ProtocolTest, EndsOnlyWhenNoWorkCanComeBack) {
    make(4, 6);
    std::vector<Claim> held;
    for (int i = 0; i < 4; ++i) {
        publish();
        take_and_release(static_cast<std::uint64_t>(i));
    }
    const Claim last_but_one = claim(kAlice);
    publish(kBob);
    EXPECT_EQ(claim(kBob).state, ClaimState::nothing_yet) << "index 4 may come back";
    EXPECT_TRUE(give_back(last_but_one));
    EXPECT_EQ(publish(kBob).index, 4u);
    EXPECT_EQ(claim(kBob).state, ClaimState::end);
    EXPECT_EQ(claim(kAlice).state, ClaimState::end);
}

TEST_F(ProtocolTest, EndsForProducersInEveryPhaseButOpen) {
    make(4, 0);
    protocol_.set_phase(Phase::drain);
    EXPECT_EQ(claim().state, ClaimState::end);
    protocol_.set_phase(Phase::closed);
    EXPECT_EQ(claim().state, ClaimState::end);
    protocol_.set_phase(Phase::aborted);
    EXPECT_EQ(claim().state, ClaimState::aborted);
}

TEST_F(ProtocolTest, BuriesWhatCameBackWhenNobodyIsLeft) {
    make(8, 0);
    const Claim dropped = claim(kAlice);
    publish(kAlice);
    EXPECT_TRUE(give_back(dropped));
    protocol_.bury_returned();
    take_and_release(0, SlotState::hole);
    take_and_release(1, SlotState::ready);
    EXPECT_FALSE(protocol_.is_settled_at(2)) << "never claimed, so nothing to bury";
}

TEST_F(ProtocolTest, CutsTheReasonOfASkipAtItsPlace) {
    make(4, 0);
    const Claim mine = claim();
    EXPECT_TRUE(protocol_.skip(mine.index, mine.word, {HoleKind::skipped, std::string(200, 'x')}));
    EXPECT_EQ(protocol_.take(0), SlotState::hole);
    EXPECT_EQ(protocol_.reason(0).text, std::string(kMaxReasonBytes, 'x'));
}

TEST_F(ProtocolTest, TakesNothingThatIsNotSettled) {
    make(4, 0);
    EXPECT_EQ(protocol_.take(0), SlotState::free);
    const Claim mine = claim();
    EXPECT_EQ(protocol_.take(0), SlotState::free);
    protocol_.publish(mine.index, mine.word, kLengths);
    EXPECT_EQ(protocol_.take(4), SlotState::free) << "the next lap of the slot";
    EXPECT_EQ(protocol_.take(0), SlotState::ready);
    EXPECT_EQ(protocol_.take(0), SlotState::free) << "once only";
}

TEST_F(ProtocolTest, SleepsNotWhileWhatItWaitsForIsThere) {
    make(4, 0);
    const std::atomic<bool> interrupted{false};
    publish();
    EXPECT_TRUE(protocol_.sleep_as_consumer(0, std::chrono::hours(1), interrupted, take_memory_));
    EXPECT_EQ(protocol_.control().wanted.load(), kNobody);
    const std::atomic<bool> stop{true};
    EXPECT_TRUE(protocol_.sleep_as_consumer(1, std::chrono::hours(1), stop, take_memory_));
    protocol_.set_phase(Phase::drain);
    EXPECT_TRUE(protocol_.sleep_as_consumer(1, std::chrono::hours(1), interrupted, take_memory_));
}

TEST_F(ProtocolTest, RingsForTheIndexThatIsWantedOnly) {
    make(4, 0);
    protocol_.control().wanted.store(1);
    const std::uint32_t before = protocol_.control().ready_bell.load();
    publish();
    EXPECT_EQ(protocol_.control().ready_bell.load(), before);
    publish();
    EXPECT_EQ(protocol_.control().ready_bell.load(), before + 1);
}

TEST_F(ProtocolTest, WakesProducersWhenAQuarterOfTheRingIsFree) {
    make(8, 0);
    for (int i = 0; i < 8; ++i) publish();
    const std::uint32_t bell = protocol_.announce_producer_sleep().bell;
    for (std::uint64_t i = 0; i < 8; ++i) protocol_.take(i);
    protocol_.release(std::vector<std::uint64_t>{0});
    EXPECT_EQ(protocol_.control().space_bell.load(), bell);
    protocol_.release(std::vector<std::uint64_t>{1});
    EXPECT_EQ(protocol_.control().space_bell.load(), bell + 1);
    EXPECT_EQ(protocol_.control().producers_asleep.load(), 0u);
}

TEST_F(ProtocolTest, WakesProducersBeforeTheConsumerSleeps) {
    make(8, 0);
    for (int i = 0; i < 8; ++i) publish();
    const std::uint32_t bell = protocol_.announce_producer_sleep().bell;
    take_and_release(0);  // one is not worth waking for, but it is all there will be
    const std::atomic<bool> interrupted{false};
    EXPECT_FALSE(
        protocol_.sleep_as_consumer(8, std::chrono::milliseconds(1), interrupted, take_memory_));
    EXPECT_EQ(protocol_.control().space_bell.load(), bell + 1);
}

}  // namespace
}  // namespace headrace::ring
