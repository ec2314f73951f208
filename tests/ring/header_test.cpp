// The header that whoever attaches reads: every way in which it can be wrong is refused by name.
#include <gtest/gtest.h>

#include <cstddef>
#include <cstring>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "headrace/error.hpp"
#include "ring/layout.hpp"

namespace headrace::ring {
namespace {

struct alignas(kPage) Page {
    std::byte bytes[kPage];
};

Description example() {
    Description description{.name = "voices",
                            .schema = {{"mel", DType::f32, 1000}, {"text", DType::i16, 7}},
                            .slots = 6,
                            .sampler = {},
                            .start_index = 40,
                            .trainer_pid = 77,
                            .created_ns = 5};
    description.sampler.emplace(SamplerOptions{.epoch_records = 100,
                                               .epochs = 3,
                                               .shuffle_seed = 9,
                                               .rank = 1,
                                               .world_size = 2,
                                               .remainder = Remainder::pad,
                                               .origin_epoch = 1,
                                               .origin_position = 31});
    return description;
}

// FNV-1a over the bytes, with magic and hash zero.
std::uint64_t hash_of(const Header& header) {
    std::byte bytes[sizeof(Header)];
    std::memcpy(bytes, &header, sizeof(Header));
    std::memset(bytes + offsetof(Header, magic), 0, sizeof(header.magic));
    std::memset(bytes + offsetof(Header, hash), 0, sizeof(header.hash));
    std::uint64_t hash = 0xcbf29ce484222325u;
    for (const std::byte byte : bytes) {
        hash = (hash ^ std::to_integer<std::uint64_t>(byte)) * 0x100000001b3u;
    }
    return hash;
}

class HeaderTest : public testing::Test {
  protected:
    HeaderTest() {
        const Geometry g = Geometry::of(example().schema, example().slots);
        pages_.resize(g.memory_bytes / kPage);
        bytes_ = {pages_[0].bytes, g.memory_bytes};
        std::memset(bytes_.data(), 0, bytes_.size());
        format(bytes_, example());
    }
    Header& header() { return *reinterpret_cast<Header*>(bytes_.data()); }
    std::string refusal(std::string_view name = "voices") {
        try {
            read_header(bytes_, name);
        } catch (const SystemError& error) {
            return error.what();
        }
        return "accepted";
    }
    std::vector<Page> pages_;
    std::span<std::byte> bytes_;
};

TEST_F(HeaderTest, ReadsBackWhatWasWritten) {
    const Description found = read_header(bytes_, "voices");
    const Description wanted = example();
    EXPECT_EQ(found.name, wanted.name);
    EXPECT_EQ(found.schema, wanted.schema);
    EXPECT_EQ(found.slots, wanted.slots);
    ASSERT_TRUE(found.sampler);
    EXPECT_EQ(found.sampler->options(), wanted.sampler->options());
    EXPECT_EQ(found.start_index, 40u);
    EXPECT_EQ(found.trainer_pid, 77);
}

TEST_F(HeaderTest, RefusesEveryFlippedByte) {
    for (std::size_t at = 0; at < sizeof(Header); ++at) {
        bytes_[at] ^= std::byte{0x10};
        EXPECT_NE(refusal(), "accepted") << "byte " << at;
        bytes_[at] ^= std::byte{0x10};
    }
    EXPECT_EQ(refusal(), "accepted");
}

TEST_F(HeaderTest, NamesTheVersionsThatDiffer) {
    header().version = kLayoutVersion + 3;
    const std::string wanted = "layout version " + std::to_string(kLayoutVersion + 3) +
                               ", this program reads " + std::to_string(kLayoutVersion);
    EXPECT_NE(refusal().find(wanted), std::string::npos) << refusal();
}

// Numbers that no sampler can have, under a hash that is right.
TEST_F(HeaderTest, RefusesAnOrderThatCannotBe) {
    const std::vector<std::pair<std::string, std::function<void()>>> changes{
        {"rank 2 of world_size 2", [this] { header().rank = 2; }},
        {"rank 1 of world_size 0", [this] { header().world_size = 0; }},
        {"remainder 2", [this] { header().remainder = 2; }},
        {"origin_position 101 of origin_epoch 1", [this] { header().origin_position = 101; }},
        {"origin_epoch 4 lies behind 3 epochs", [this] { header().origin_epoch = 4; }},
        {"wanted at most 2^62", [this] { header().epoch_records = ~0ull; }},
        {"start_index 86 of 85", [this] { header().start_index = 86; }}};
    const Header good = header();
    for (const auto& [text, change] : changes) {
        change();
        header().hash = hash_of(header());
        EXPECT_NE(refusal().find("the header is not valid"), std::string::npos) << text;
        EXPECT_NE(refusal().find(text), std::string::npos) << refusal();
        std::memcpy(bytes_.data(), &good, sizeof(good));
        ASSERT_EQ(refusal(), "accepted");
    }
}

TEST_F(HeaderTest, TellsAnotherByteOrder) {
    header().endian = __builtin_bswap32(kEndianMark);
    EXPECT_NE(refusal().find("byte order"), std::string::npos);
}

TEST_F(HeaderTest, TellsAnotherRing) {
    EXPECT_NE(refusal("faces").find("that of ring \"voices\""), std::string::npos);
}

TEST_F(HeaderTest, TellsMemoryOfAnotherSize) {
    bytes_ = bytes_.first(bytes_.size() - kPage);
    EXPECT_NE(refusal().find("the memory has"), std::string::npos);
    bytes_ = bytes_.first(10);
    EXPECT_NE(refusal().find("no header"), std::string::npos);
}

TEST_F(HeaderTest, RefusesMemoryWithoutItsMark) {
    header().magic = 0;
    EXPECT_NE(refusal().find("mark"), std::string::npos);
}

TEST(GeometryTest, KeepsEveryFieldAlignedAndApart) {
    const Schema schema{{"a", DType::u8, 1}, {"b", DType::f64, 1000}, {"c", DType::i16, 33}};
    const Geometry g = Geometry::of(schema, 10);
    std::uint64_t end = 0;
    for (std::size_t i = 0; i < schema.size(); ++i) {
        EXPECT_EQ(g.field_offset[i] % kPage, 0u);
        EXPECT_EQ(g.row_bytes[i] % 16, 0u);
        EXPECT_GE(g.row_bytes[i], schema[i].capacity * bytes_of(schema[i].dtype));
        EXPECT_GE(g.field_offset[i], end);
        end = g.field_offset[i] + 10 * g.row_bytes[i];
    }
    EXPECT_GE(g.memory_bytes, end);
    EXPECT_EQ(g.row_bytes[2], 128u) << "66 bytes start a second cache line";
}

TEST(GeometryTest, RefusesMoreThanAnAddressSpace) {
    const Schema schema{{"a", DType::f64, 4'000'000'000u}};
    EXPECT_THROW(Geometry::of(schema, kMaxSlots), UsageError);
}

}  // namespace
}  // namespace headrace::ring
