// Where records lie, in fields larger than this machine has memory for: offsets alone tell.
#include "kernels/records.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

#include "gtest/seed.hpp"
#include "kernels/reference.hpp"
#include "kernels/target.hpp"

namespace headrace::kernels {
namespace {

constexpr std::uint64_t kGib = std::uint64_t{1} << 30;

template <class Offset>
FieldJob job_over(const std::vector<Offset>& offsets, std::uint32_t element_bytes) {
    FieldJob job;
    job.offsets = offsets.data();
    job.records = static_cast<std::uint32_t>(offsets.size() - 1);
    job.total = static_cast<std::uint64_t>(offsets.back());
    job.element_bytes = element_bytes;
    job.wide_offsets = sizeof(Offset) == 8;
    return job;
}

// Records of up to some GiB, many of them empty.
std::vector<std::int64_t> far_offsets(Random& random) {
    std::vector<std::int64_t> offsets{0};
    for (int i = 0; i < 100; ++i) {
        const std::uint64_t length = below(random, 3) == 0 ? below(random, 9 * kGib) : 0;
        offsets.push_back(offsets.back() + static_cast<std::int64_t>(length));
    }
    return offsets;
}

TEST(RecordsTest, SearchesWithoutOverflowAmongAllRecordsThatThereCanBe) {
    constexpr std::uint32_t kMost = std::numeric_limits<std::uint32_t>::max();
    const auto key = [](std::uint32_t record) { return std::uint64_t{record} * 3; };
    for (const std::uint64_t wanted : {0u, 1u, kMost / 2, kMost - 2, kMost - 1}) {
        EXPECT_EQ(last_not_above(0, kMost, wanted * 3, key), wanted);
        EXPECT_EQ(last_not_above(0, kMost, wanted * 3 + 2, key), wanted);
        for (const std::uint64_t first : {std::uint64_t{0}, wanted / 2, wanted}) {
            const auto from = static_cast<std::uint32_t>(first);
            EXPECT_EQ(next_not_above(from, kMost, wanted * 3 + 2, key), wanted);
        }
    }
}

TEST(RecordsTest, AreFoundBehindEmptyOnes) {
    const std::vector<std::int32_t> offsets{0, 0, 0, 5, 5, 5, 9, 9};
    const FieldJob job = job_over(offsets, 2);
    const Records<std::int32_t> records(job);
    for (std::uint64_t position = 0; position < 18; ++position) {
        EXPECT_EQ(records.holding(0, 7, position), position < 10 ? 2u : 5u) << position;
    }
}

TEST(RecordsTest, LieInRowsOrEndToEnd) {
    const std::vector<std::int32_t> offsets{0, 3, std::numeric_limits<std::int32_t>::max()};
    const std::vector<std::uint32_t> rows{4'000'000'000, 2};
    FieldJob job = job_over(offsets, 8);
    EXPECT_EQ(Records<std::int32_t>(job).source(1), 24u);
    EXPECT_EQ(Records<std::int32_t>(job).source(2), std::uint64_t{0x7fffffff} * 8);
    job.row_bytes = 6 * kGib;
    EXPECT_EQ(Records<std::int32_t>(job).source(1), 6 * kGib);
    job.rows = rows.data();
    EXPECT_EQ(Records<std::int32_t>(job).source(0), 4'000'000'000 * 6 * kGib);
    EXPECT_EQ(Records<std::int32_t>(job).source(1), 12 * kGib);
}

TEST(PackedTargetTest, KnowsSpotsBeyondTwoToThe32) {
    const std::uint64_t seed = test_seed();
    SCOPED_TRACE(seed_note(seed));
    Random random(seed);
    const std::vector<std::int64_t> offsets = far_offsets(random);
    const FieldJob job = job_over(offsets, 2);
    const std::uint64_t bytes = job.total * job.element_bytes;
    for (int i = 0; bytes != 0 && i < 2000; ++i) {
        // At random, or where a record begins.
        const auto near = static_cast<std::uint64_t>(offsets[below(random, offsets.size())]) * 2;
        const std::uint64_t at =
            below(random, 2) == 0 ? below(random, bytes) : std::min(near, bytes - 1);
        const Range tile = tile_bytes(bytes, at / kTileBytes);
        const Spot spot = PackedTarget<std::int64_t>(job, tile).at(at);
        const auto behind =
            std::upper_bound(offsets.begin(), offsets.end(), static_cast<std::int64_t>(at / 2));
        EXPECT_EQ(spot.record, behind - offsets.begin() - 1);
        EXPECT_EQ(spot.column, at - static_cast<std::uint64_t>(*(behind - 1)) * 2);
        EXPECT_EQ(spot.payload, static_cast<std::uint64_t>(*behind - *(behind - 1)) * 2);
        EXPECT_EQ(spot.end, spot.payload);
    }
}

TEST(RowTargetTest, KnowsSpotsBeyondTwoToThe32) {
    const std::uint64_t seed = test_seed();
    SCOPED_TRACE(seed_note(seed));
    Random random(seed);
    std::vector<std::int64_t> offsets(5'000'001);  // record r has r % 3 elements
    for (std::size_t i = 1; i < offsets.size(); ++i) {
        offsets[i] = offsets[i - 1] + static_cast<std::int64_t>((i - 1) % 3);
    }
    FieldJob job = job_over(offsets, 4);
    for (const std::uint64_t width : {2ul, 3ul, 1000ul, 1023ul, 1024ul, 1025ul, 5 * kGib}) {
        job.width = width;
        const std::uint64_t row = width * 4;
        const std::uint64_t bytes = row * job.records;
        for (int i = 0; i < 2000; ++i) {
            const std::uint64_t near = row * below(random, job.records);
            const std::uint64_t at = below(random, 2) == 0 ? below(random, bytes) : near;
            const Range tile = tile_bytes(bytes, at / kTileBytes);
            const Spot spot = RowTarget<std::int64_t>(job, tile).at(at);
            EXPECT_EQ(spot.record, at / row) << at << " in rows of " << width;
            EXPECT_EQ(spot.column, at % row) << at << " in rows of " << width;
            EXPECT_EQ(spot.payload, spot.record % 3 * 4);
            EXPECT_EQ(spot.end, row);
        }
    }
}

}  // namespace
}  // namespace headrace::kernels
