#include "kernels/tiles.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <map>
#include <tuple>
#include <vector>

#include "kernels/grid.hpp"

namespace headrace::kernels {
namespace {

constexpr std::uint64_t kGib = std::uint64_t{1} << 30;

TEST(TilesTest, CoverAJobWithoutGapOrOverlap) {
    for (const std::uint64_t bytes :
         {1u, 15u, 16u, 17u, 511u, 512u, 513u, 262'144u, 262'145u, 1'000'001u}) {
        std::uint64_t covered = 0;
        const std::uint64_t tiles = tiles_of(vectors_of(bytes));
        for (std::uint64_t tile = 0; tile < tiles; ++tile) {
            const Range range = tile_bytes(bytes, tile);
            EXPECT_EQ(range.begin, covered) << bytes;
            EXPECT_GT(range.end, range.begin) << bytes;
            covered = range.end;
        }
        EXPECT_EQ(covered, bytes);
    }
    EXPECT_EQ(tiles_of(0), 0u);
}

TEST(TilesTest, ReachBeyondTwoToThe32) {
    const std::uint64_t bytes = 40 * kGib + 5;
    const std::uint64_t tiles = tiles_of(vectors_of(bytes));
    EXPECT_EQ(tiles, 40 * kGib / kTileBytes + 1);
    EXPECT_EQ(tile_bytes(bytes, tiles - 2).begin, 40 * kGib - kTileBytes);
    EXPECT_EQ(tile_bytes(bytes, tiles - 1).begin, 40 * kGib);
    EXPECT_EQ(tile_bytes(bytes, tiles - 1).end, bytes);
}

// Counts who does what: `total` of a job is its number of vectors, `pad` its name.
struct Counted {
    static inline std::map<std::tuple<std::uint64_t, std::uint64_t, std::uint32_t>, int> done;
    static inline int wide = 0;

    static std::uint64_t vectors(const FieldJob& job) { return job.total; }
    template <class Offset>
    static void tile(const FieldJob& job, std::uint64_t number, std::uint32_t lane) {
        ++done[{job.pad, number, lane}];
        if (sizeof(Offset) == 8) ++wide;
        EXPECT_EQ(job.wide_offsets, sizeof(Offset) == 8);
    }
};

TEST(TilesTest, AreEachDoneOnceByAllLanesOfOneWarp) {
    Jobs jobs;
    std::uint64_t tiles = 0;
    for (const std::uint64_t vectors : {0u, 1u, 33u, 20'000u, 0u, 32u, 16'384u, 16'385u, 0u}) {
        FieldJob& job = jobs.field[jobs.count];
        job.total = vectors;
        job.pad = jobs.count;
        job.wide_offsets = ++jobs.count % 2 == 0;
        tiles += tiles_of(vectors);
    }
    EXPECT_EQ(all_tiles<Counted>(jobs), tiles);
    for (const std::uint64_t warps : {1u, 3u, 8u, 2000u}) {
        Counted::done.clear();
        Counted::wide = 0;
        for (std::uint64_t thread = 0; thread < warps * kLanes; ++thread) {
            run_thread<Counted>(jobs, thread, warps * kLanes);
        }
        EXPECT_EQ(Counted::done.size(), tiles * kLanes);
        EXPECT_TRUE(std::all_of(Counted::done.begin(), Counted::done.end(),
                                [](const auto& one) { return one.second == 1; }));
        EXPECT_GT(Counted::wide, 0);
    }
}

TEST(GridTest, HasAWarpForEachTileUpToTheCap) {
    EXPECT_EQ(blocks_for(1, 100), 1u);
    EXPECT_EQ(blocks_for(8, 100), 1u);
    EXPECT_EQ(blocks_for(9, 100), 2u);
    EXPECT_EQ(blocks_for(10'000, 100), 100u);
    EXPECT_EQ(blocks_for(std::numeric_limits<std::uint64_t>::max(), 100), 100u);
    EXPECT_EQ(blocks_for(std::uint64_t{1} << 60, std::numeric_limits<unsigned>::max()),
              kMostBlocks);
}

TEST(GridTest, IsNeverEmpty) {
    EXPECT_EQ(blocks_for(10, 0), 1u);
    EXPECT_EQ(blocks_for(0, 10), 1u);
}

}  // namespace
}  // namespace headrace::kernels
