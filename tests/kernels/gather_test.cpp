// How gather reads: what kernels_test.cpp cannot see in what it writes.
#include "kernels/gather.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "gtest/seed.hpp"
#include "kernels/forms.hpp"
#include "kernels/reference.hpp"

namespace headrace::kernels {
namespace {

class SourceLinesTest : public testing::Test {
  protected:
    SourceLinesTest() : trace_(__FILE__, __LINE__, seed_note(seed_)) {}

    // How often each block is read, by vectors in the order of their numbers.
    template <class Offset>
    void read_all(const Field& field) {
        const Bytes offsets = field.offsets();
        FieldJob job = field.job();
        job.offsets = offsets.data();
        job.rows = field.rows().empty() ? nullptr : field.rows().data();
        const SourceLines<Offset> lines(job);
        reads_.assign(field.source().size() / 16, 0);
        bytes_ = 0;
        vectors_ = SourceLines<Offset>::vectors(job);
        for (std::uint64_t vector = 0; vector < vectors_; ++vector) {
            const auto piece = lines.piece(job, 0, job.records, vector);
            bytes_ += piece.until - piece.from;
            if (piece.from < piece.until) ++reads_.at(piece.source / 16);
        }
    }
    void read_all(const Field& field) {
        field.form().wide_offsets ? read_all<std::int64_t>(field) : read_all<std::int32_t>(field);
    }

    const std::uint64_t seed_ = test_seed();
    Random random_{seed_};
    std::vector<int> reads_;
    std::uint64_t bytes_ = 0;
    std::uint64_t vectors_ = 0;

  private:
    testing::ScopedTrace trace_;
};

TEST_F(SourceLinesTest, HoldEachBlockWithPayloadOnceAndNoOther) {
    for (int round = 0; round < 300 && !HasFailure(); ++round) {
        FieldForm form = draw_form(random_, Operation::gather, 100'000);
        if (form.row_bytes == 0) continue;
        SCOPED_TRACE(text_of(form));
        const Field field(form, random_);
        read_all(field);
        const std::vector<bool> blocks = field.payload_blocks();
        ASSERT_EQ(reads_.size(), blocks.size());
        for (std::size_t i = 0; i < blocks.size(); ++i) {
            ASSERT_EQ(reads_[i], blocks[i] ? 1 : 0) << "block " << i;
        }
        EXPECT_EQ(bytes_, field.job().total * form.element_bytes);
    }
}

TEST_F(SourceLinesTest, HoldEachBlockOfAPackedSourceOnceForEachRecordInIt) {
    for (int round = 0; round < 300 && !HasFailure(); ++round) {
        FieldForm form = draw_form(random_, Operation::gather, 100'000);
        form.row_bytes = 0;
        form.scattered = false;
        SCOPED_TRACE(text_of(form));
        const Field field(form, random_);
        std::vector<int> wanted(field.source().size() / 16);
        for (std::size_t record = 0; record < form.lengths.size(); ++record) {
            if (form.lengths[record] == 0) continue;
            const std::uint64_t first = field.source_of(record);
            const std::uint64_t last = first + field.bytes_of(record) - 1;
            for (std::uint64_t block = first / 16; block <= last / 16; ++block) ++wanted[block];
        }
        read_all(field);
        EXPECT_EQ(reads_, wanted);
        EXPECT_EQ(bytes_, field.job().total * form.element_bytes);
    }
}

// Little more lanes than blocks: for a label a lane, for a long record hardly more than it has.
TEST_F(SourceLinesTest, LeaveFewLanesIdle) {
    FieldForm labels;
    labels.lengths.assign(1000, 1);
    labels.row_bytes = 16;
    read_all(Field(labels, random_));
    EXPECT_EQ(vectors_, 1000u);

    FieldForm images;
    images.element_bytes = 1;
    images.lengths.assign(10, 10'000);
    images.row_bytes = 10'240;
    read_all(Field(images, random_));
    EXPECT_LE(vectors_, 10 * (10'000 / 16 + 16u));
}

TEST_F(SourceLinesTest, ReachBeyondTwoToThe32) {
    constexpr std::uint64_t kElements = std::uint64_t{6} << 30;
    const std::vector<std::int64_t> offsets{0, kElements, kElements, 2 * kElements};
    FieldJob job;
    job.offsets = offsets.data();
    job.records = 3;
    job.element_bytes = 2;
    job.total = 2 * kElements;
    job.row_bytes = 2 * kElements;
    const SourceLines<std::int64_t> lines(job);
    for (const std::uint64_t width : {std::uint64_t{0}, kElements + 1}) {
        job.width = width;
        const std::uint64_t last = lines.first_line(3) * 8 - 1;
        EXPECT_EQ(last, SourceLines<std::int64_t>::vectors(job) - 1);
        // The last line of the last record that has payload.
        const std::uint64_t first = lines.first_line(2) * 8;
        const auto piece = lines.piece(job, 0, 3, first + kElements * 2 / 16 - 1);
        EXPECT_EQ(piece.source, 3 * job.row_bytes - 16);
        EXPECT_EQ(piece.target, (width == 0 ? 2 * kElements : 2 * width + kElements) * 2 - 16);
        EXPECT_EQ(piece.from, 0u);
        EXPECT_EQ(piece.until, 16u);
    }
}

}  // namespace
}  // namespace headrace::kernels
