#include "ring/word.hpp"

#include <gtest/gtest.h>

namespace headrace::ring {
namespace {

TEST(WordTest, KeepsEveryPartApart) {
    const Word parts{.tag = kTagMask,
                     .owner = 255,
                     .incarnation = 127,
                     .attempts = 3,
                     .state = SlotState::leased};
    const std::uint64_t word =
        pack(parts.tag, parts.state, parts.owner, parts.incarnation, parts.attempts);
    EXPECT_EQ(unpack(word), parts);
    for (unsigned bit = 0; bit < 64; ++bit) {
        const std::uint64_t flipped = word ^ (std::uint64_t{1} << bit);
        const Word other = unpack(flipped);
        const int changed = (other.tag != parts.tag) + (other.owner != parts.owner) +
                            (other.incarnation != parts.incarnation) +
                            (other.attempts != parts.attempts) + (other.state != parts.state);
        EXPECT_EQ(changed, 1) << "bit " << bit;
    }
}

TEST(WordTest, TellsLapsApart) {
    const std::uint64_t word = pack(1000, SlotState::ready);
    EXPECT_EQ(distance(word, 1000), 0);
    EXPECT_EQ(distance(word, 1008), -8);
    EXPECT_EQ(distance(word, 992), 8);
}

TEST(WordTest, TellsLapsApartWhereTheTagWraps) {
    const std::uint64_t wrap = std::uint64_t{1} << kTagBits;
    for (const std::uint64_t index : {wrap - 1, wrap, wrap + 1, 5 * wrap + 3, ~std::uint64_t{0}}) {
        EXPECT_EQ(distance(pack(index, SlotState::free), index), 0) << index;
        EXPECT_EQ(distance(pack(index - 16, SlotState::free), index), -16) << index;
        EXPECT_EQ(distance(pack(index + 16, SlotState::free), index), 16) << index;
    }
}

}  // namespace
}  // namespace headrace::ring
