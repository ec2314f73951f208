// The host device against plain loops over random records.
#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <utility>

#include "device/backend.hpp"
#include "device/sample_batch.hpp"
#include "device/strip_run.hpp"
#include "gtest/seed.hpp"
#include "headrace/error.hpp"

namespace headrace::device {
namespace {

constexpr std::byte kUntouched{0xcd};

class HostTest : public testing::Test {
  protected:
    // Has the device carry the batch, and compares every byte of the largest one that there could
    // be: also that nothing is written behind the end.
    void expect_carried_as(SampleBatch& batch, Layout layout, bool wide_offsets) {
        SCOPED_TRACE(std::string(name_of(layout)) + (wide_offsets ? ", int64 offsets" : ""));
        batch.layout = layout;
        batch.wide_offsets = wide_offsets;
        const auto values = host_->allocate(batch.values_bytes());
        const auto head = host_->allocate(batch.head_bytes());
        const auto host_head = host_->allocate_host(batch.head_bytes());
        std::memset(values->data(), static_cast<int>(kUntouched), batch.values_bytes());
        batch.write_head(host_head->data());
        const auto stream = host_->make_copy_stream(batch.form(), nullptr);
        const auto event = host_->make_event();
        const std::uint64_t moved = stream->enqueue(
            batch.plan(host_head->data()), batch.target(head->data(), values->data()), *event);
        Bytes found(values->data(), values->data() + batch.values_bytes());
        clear(found, batch.any_bytes());
        EXPECT_EQ(found, batch.expected_values(kUntouched));
        EXPECT_EQ(std::memcmp(head->data(), host_head->data(), batch.head_bytes()), 0);
        EXPECT_EQ(moved, batch.payload_bytes()) << "padding does not cross the link";
    }

    void expect_carried(SampleBatch batch) {
        for (const Layout layout :
             {Layout::packed, Layout::trimmed, Layout::padded, Layout::rows}) {
            for (const bool wide : {false, true}) expect_carried_as(batch, layout, wide);
        }
    }

    std::uint64_t seed_ = test_seed();
    testing::ScopedTrace seed_trace_{__FILE__, __LINE__, seed_note(seed_)};
    std::mt19937_64 random_{seed_};
    std::shared_ptr<Backend> host_ = make_host_backend();
};

TEST_F(HostTest, CarriesAnEmptyBatch) {
    expect_carried(SampleBatch::random(random_, 4, 0));
}

TEST_F(HostTest, CarriesRecordsOfLengthZero) {
    SampleBatch batch = SampleBatch::random(random_, 4, 3);
    batch.set_lengths([](const SampleField&) { return 0u; });
    expect_carried(std::move(batch));
}

TEST_F(HostTest, CarriesFullRecords) {
    SampleBatch batch = SampleBatch::random(random_, 4, 3);
    batch.set_lengths([](const SampleField& field) { return field.capacity; });
    expect_carried(std::move(batch));
}

TEST_F(HostTest, CarriesOneRecord) {
    expect_carried(SampleBatch::random(random_, 1, 1));
}

TEST_F(HostTest, CarriesRandomRecords) {
    for (int round = 0; round < 100; ++round) {
        const std::size_t slots = 1 + random_() % 40;
        expect_carried(SampleBatch::random(random_, slots, random_() % 30));
        if (HasFailure()) break;
    }
}

// Tails are filled by the element, whatever its bytes; zero is a case of its own.
TEST_F(HostTest, FillsTailsWithZeroAndWithNegativeZero) {
    for (const std::byte last : {std::byte{0}, std::byte{0x80}}) {
        SampleBatch batch = SampleBatch::random(random_, 8, 8);
        for (SampleField& field : batch.fields) {
            field.pad = {};
            field.pad[field.element_bytes - 1] = last;
        }
        expect_carried(std::move(batch));
    }
}

TEST_F(HostTest, CarriesASchemaOfNoRecordsTwice) {
    const auto stream = host_->make_copy_stream({}, nullptr);
    const auto event = host_->make_event();
    const auto head = host_->allocate(1);
    for (int i = 0; i < 2; ++i) {
        EXPECT_EQ(stream->enqueue(BatchPlan{}, {head->data(), {}}, *event), 0u);
    }
}

// With and without offsets, of both widths; records of length zero and a batch of none are among
// them.
TEST_F(HostTest, StripsWhatLiesInRowsOrPacked) {
    for (int round = 0; round < 50 && !HasFailure(); ++round) {
        SampleBatch batch = SampleBatch::random(random_, 1 + random_() % 40, random_() % 30);
        if (round % 10 == 0) batch.set_lengths([](const SampleField&) { return 0u; });
        batch.wide_offsets = random_() % 2 == 0;
        for (const Layout layout : {Layout::rows, Layout::packed}) {
            batch.layout = layout;
            const bool wants_offsets = random_() % 4 != 0;
            StripRun run(
                batch, *host_,
                [](const void* address) {
                    return const_cast<std::byte*>(static_cast<const std::byte*>(address));
                },
                wants_offsets);
            run.strip({});
            run.expect_stripped();
        }
    }
}

TEST_F(HostTest, AlignsBuffersTo256Bytes) {
    for (const std::size_t bytes : {0u, 1u, 255u, 256u, 257u, 100'000u}) {
        for (const auto& buffer : {host_->allocate(bytes), host_->allocate_host(bytes)}) {
            ASSERT_NE(buffer->data(), nullptr);
            EXPECT_EQ(reinterpret_cast<std::uintptr_t>(buffer->data()) % 256, 0u) << bytes;
            std::memset(buffer->data(), 1, bytes);
        }
    }
}

TEST_F(HostTest, HasNothingToWaitFor) {
    EXPECT_EQ(host_->name(), "host");
    EXPECT_FALSE(host_->has_streams());
    EXPECT_EQ(host_->register_host({}), nullptr);
    const auto event = host_->make_event();
    const auto stream = host_->make_copy_stream({}, nullptr);
    stream->record(*event);
    stream->stamp(*event);
    stream->wait(*event);
    host_->record(*event, {});
    host_->wait({}, *event);
    host_->synchronize(*event);
    EXPECT_EQ(host_->seconds_between(*event, *event), std::nullopt);
}

// The sanitizers' own allocators end the program here.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST_F(HostTest, ThrowsOurErrorWhenMemoryIsShort) {
    EXPECT_THROW(host_->allocate(std::size_t{1} << 60), Error);
    EXPECT_THROW(host_->allocate_host(std::size_t{1} << 60), Error);
}
#endif

}  // namespace
}  // namespace headrace::device
