// Fields beyond 4 GiB, of which only some tiles are done: memory is reserved, not used.
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "gtest/seed.hpp"
#include "kernels/host_run.hpp"
#include "kernels/reference.hpp"

namespace headrace::kernels {
namespace {

constexpr std::uint64_t kGib = std::uint64_t{1} << 30;

class Reserved {
  public:
    explicit Reserved(std::size_t bytes) : bytes_(bytes) {
        void* const memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (memory != MAP_FAILED) data_ = static_cast<std::byte*>(memory);
    }
    Reserved(const Reserved&) = delete;
    Reserved& operator=(const Reserved&) = delete;
    ~Reserved() {
        if (data_ != nullptr) munmap(data_, bytes_);
    }
    std::byte* data() const { return data_; }

  private:
    std::size_t bytes_;
    std::byte* data_ = nullptr;
};

// Four records in rows of 5 GiB, the third of them empty, in elements of a byte.
class FarTest : public testing::TestWithParam<Operation> {
  protected:
    static constexpr std::uint64_t kRow = 5 * kGib;
    static constexpr std::uint64_t kLengths[] = {kRow - 3, 4 * kGib + 7, 0, 1000};

    FarTest() : trace_(__FILE__, __LINE__, seed_note(seed_)) {}

    void make_job(std::uint64_t width) {
        for (const std::uint64_t length : kLengths) {
            offsets_.push_back(offsets_.back() + static_cast<std::int64_t>(length));
        }
        job_.offsets = offsets_.data();
        job_.wide_offsets = true;
        job_.records = 4;
        job_.element_bytes = 1;
        job_.total = static_cast<std::uint64_t>(offsets_.back());
        job_.row_bytes = kRow;
        job_.width = width;
        job_.source = source_.data();
        job_.target = target_.data();
        job_.pad = 0x5a5a5a5a5a5a5a5a;
        jobs_.field[0] = job_;
        jobs_.count = 1;
    }
    std::uint64_t target_of(std::size_t record) const {
        return job_.width == 0 ? static_cast<std::uint64_t>(offsets_[record]) : record * job_.width;
    }
    // Lets the warps run that do what lies around a byte of a record: before, at and behind it.
    void run_around(std::uint64_t target_byte, std::uint64_t source_vector) {
        const bool by_source = GetParam() == Operation::gather;
        const std::uint64_t tile =
            by_source ? source_vector >> kTileShift : target_byte / kTileBytes;
        // A grid with a warp for each tile: each does one.
        const std::uint64_t warps = std::uint64_t{1} << 40;
        for (std::uint64_t warp = tile - std::min<std::uint64_t>(tile, 1); warp < tile + 2;
             ++warp) {
            for (std::uint64_t lane = 0; lane < kLanes; ++lane) {
                run_one(GetParam(), jobs_, warp * kLanes + lane, warps * kLanes);
            }
        }
    }
    // That the payload around byte `column` of a record comes to its place.
    void expect_payload(std::size_t record, std::uint64_t column) {
        const std::uint64_t begin = column - std::min<std::uint64_t>(column, 100);
        const std::uint64_t end = std::min(column + 100, kLengths[record]);
        for (std::uint64_t i = begin; i < end; ++i) {
            source_.data()[record * kRow + i] = static_cast<std::byte>(1 + below(random_, 255));
        }
        const SourceLines<std::int64_t> lines(job_);
        run_around(target_of(record) + column, lines.first_line(record) * 8 + column / 16);
        for (std::uint64_t i = begin; i < end; ++i) {
            ASSERT_EQ(target_.data()[target_of(record) + i], source_.data()[record * kRow + i])
                << "byte " << i << " of record " << record << ", width " << job_.width;
        }
    }
    void expect_all_payload() {
        for (const std::uint64_t column : {std::uint64_t{0}, 2 * kGib, 4 * kGib}) {
            expect_payload(0, column + 5);
            expect_payload(1, column + 5);
        }
        expect_payload(0, kLengths[0] - 1);
        expect_payload(1, kLengths[1] - 1);
        expect_payload(3, 5);
        expect_payload(3, 990);
    }

    const std::uint64_t seed_ = test_seed();
    Random random_{seed_};
    Reserved source_{4 * kRow};
    Reserved target_{4 * (kRow + 16)};
    std::vector<std::int64_t> offsets_{0};
    FieldJob job_;
    Jobs jobs_;

  private:
    testing::ScopedTrace trace_;
};

TEST_P(FarTest, ReachesBeyondTwoToThe32) {
    if (source_.data() == nullptr || target_.data() == nullptr) {
        GTEST_SKIP() << "this machine does not reserve 40 GiB of addresses";
    }
    const bool packs = GetParam() == Operation::strip || GetParam() == Operation::gather;
    const bool rows = GetParam() != Operation::strip;
    if (packs) {
        make_job(0);
        expect_all_payload();
    }
    offsets_ = {0};
    if (rows) {
        make_job(kRow + 1);
        if (GetParam() != Operation::fill_tails) expect_all_payload();
    }
    if (rows && GetParam() != Operation::gather) {
        for (const std::size_t record : {1u, 2u, 3u}) {
            const std::uint64_t end = target_of(record) + job_.width;
            run_around(end - 1, 0);
            EXPECT_EQ(target_.data()[end - 1], std::byte{0x5a}) << record;
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Of, FarTest,
                         testing::Values(Operation::strip, Operation::pad, Operation::fill_tails,
                                         Operation::gather),
                         [](const auto& one) { return name_of(one.param); });

}  // namespace
}  // namespace headrace::kernels
