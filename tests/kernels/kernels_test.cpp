// What each kernel writes, and reads, against plain loops; its body run on the host.
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "gtest/seed.hpp"
#include "headrace/schema.hpp"
#include "kernels/forms.hpp"
#include "kernels/host_run.hpp"
#include "kernels/reference.hpp"

namespace headrace::kernels {
namespace {

static_assert(kMaxJobs == kMaxFields);

constexpr std::uint32_t kElements[] = {1, 2, 4, 8};

class KernelsTest : public testing::TestWithParam<Operation> {
  protected:
    KernelsTest() : trace_(__FILE__, __LINE__, seed_note(seed_)) {}

    // Of the same lengths: rows in order and scattered, packed, with offsets of both kinds, and
    // all widths that the operation may meet.
    void expect_all(std::uint32_t element_bytes, const std::vector<std::uint32_t>& lengths,
                    std::uint32_t capacity) {
        const std::uint64_t row = std::uint64_t{capacity} * element_bytes;
        for (const std::uint64_t row_bytes : {std::uint64_t{0}, whole_blocks(row + 1)}) {
            for (const bool flag : {false, true}) {
                FieldForm form;
                form.element_bytes = element_bytes;
                form.lengths = lengths;
                form.row_bytes = row_bytes;
                form.scattered = row_bytes != 0 && flag;
                form.wide_offsets = flag == (row_bytes != 0);
                draw_width(random_, GetParam(), capacity, form);
                expect_right(GetParam(), {form}, random_);
            }
        }
    }

    const std::uint64_t seed_ = test_seed();
    Random random_{seed_};

  private:
    testing::ScopedTrace trace_;
};

TEST_P(KernelsTest, DoesNothingWithoutJobs) {
    expect_right(GetParam(), {}, random_);
}

TEST_P(KernelsTest, DoesNothingWithoutRecords) {
    for (const std::uint32_t element_bytes : kElements) expect_all(element_bytes, {}, 5);
}

TEST_P(KernelsTest, TakesOneRecordOfEveryLength) {
    for (const std::uint32_t element_bytes : kElements) {
        for (std::uint32_t length = 0; length < 70; ++length) {
            expect_all(element_bytes, {length}, 70);
        }
    }
}

TEST_P(KernelsTest, TakesPairsOfEveryLength) {
    for (std::uint32_t first = 0; first < 35; ++first) {
        for (std::uint32_t second = 0; second < 35; ++second) {
            FieldForm form;
            form.element_bytes = 1;
            form.lengths = {first, second};
            form.row_bytes = 48;
            draw_width(random_, GetParam(), 35, form);
            expect_right(GetParam(), {form}, random_);
        }
    }
}

TEST_P(KernelsTest, TakesRecordsOfAllKinds) {
    for (const std::uint32_t element_bytes : kElements) {
        for (const Lengths kind : kAllLengths) {
            for (const std::uint32_t capacity : {1u, 4u, 33u, 700u}) {
                expect_all(element_bytes, draw_lengths(random_, kind, 60, capacity), capacity);
            }
        }
    }
}

TEST_P(KernelsTest, TakesEmptyRecordsBeforeAndBehindTheOthers) {
    for (const std::uint32_t element_bytes : kElements) {
        std::vector<std::uint32_t> lengths(200);
        lengths[99] = 700;
        expect_all(element_bytes, lengths, 900);
        lengths[100] = 3;
        lengths[199] = 1;
        expect_all(element_bytes, lengths, 900);
        lengths[0] = 2;
        expect_all(element_bytes, lengths, 900);
    }
}

// A job of more than 256 KiB is cut into larger tiles.
TEST_P(KernelsTest, TakesLargeFields) {
    for (const std::uint32_t element_bytes : kElements) {
        expect_all(element_bytes, {400'001 / element_bytes}, 410'000 / element_bytes);
        expect_all(element_bytes, draw_lengths(random_, Lengths::any, 300, 4000 / element_bytes),
                   4000 / element_bytes);
        expect_all(element_bytes, draw_lengths(random_, Lengths::all, 40'000, 1), 2);
    }
}

TEST_P(KernelsTest, TakesAsManyFieldsAsASchemaHas) {
    for (int round = 0; round < 20; ++round) {
        std::vector<FieldForm> forms(kMaxJobs);
        for (FieldForm& form : forms) form = draw_form(random_, GetParam(), 2000);
        expect_right(GetParam(), forms, random_);
    }
}

TEST_P(KernelsTest, TakesSmallFieldsAtRandom) {
    expect_right_at_random(GetParam(), 1000, 1000, random_);
}

TEST_P(KernelsTest, TakesFieldsAtRandom) {
    expect_right_at_random(GetParam(), 60, 60'000, random_);
}

TEST_P(KernelsTest, TakesLargeFieldsAtRandom) {
    expect_right_at_random(GetParam(), 6, 2'000'000, random_);
}

INSTANTIATE_TEST_SUITE_P(Of, KernelsTest,
                         testing::Values(Operation::strip, Operation::pad, Operation::fill_tails,
                                         Operation::gather),
                         [](const auto& one) { return name_of(one.param); });

}  // namespace
}  // namespace headrace::kernels
