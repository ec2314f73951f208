// The host device against plain loops over random records.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <random>
#include <vector>

#include "device/backend.hpp"
#include "gtest/seed.hpp"
#include "headrace/error.hpp"

namespace headrace::device {
namespace {

using Bytes = std::vector<std::byte>;

constexpr std::byte kUntouched{0xcd};

// One field of a ring of `slots` rows with random bytes, and a batch of random records of it.
struct Field {
    std::size_t element_bytes = 4;
    std::uint32_t capacity = 0;
    std::uint64_t row_bytes = 0;
    Bytes rows;
    std::vector<std::uint32_t> lengths;
    std::vector<std::int32_t> offsets;
    schema::Element pad{};

    std::int64_t longest() const {
        return lengths.empty() ? 0 : *std::max_element(lengths.begin(), lengths.end());
    }
    std::int64_t width(Layout layout) const {
        if (layout == Layout::packed) return 0;
        return layout == Layout::trimmed ? longest() : capacity;
    }
    FieldPlan plan(Layout layout) const {
        return {.element_bytes = element_bytes,
                .capacity = capacity,
                .row_bytes = row_bytes,
                .rows = rows.data(),
                .lengths = lengths,
                .offsets = offsets,
                .longest = longest(),
                .width = width(layout),
                .pad = pad};
    }
};

struct Records {
    std::vector<std::uint64_t> slots;
    std::vector<Field> fields;

    BatchPlan plan(Layout layout) const {
        BatchPlan plan{.layout = layout, .slots = slots, .fields = {}};
        for (const Field& field : fields) plan.fields.push_back(field.plan(layout));
        return plan;
    }
};

// What a batch of a field must be, said as simply as can be.
Bytes expected_values(const Field& field, const std::vector<std::uint64_t>& slots, Layout layout) {
    Bytes values;
    for (std::size_t record = 0; record < slots.size(); ++record) {
        const std::byte* const row = field.rows.data() + slots[record] * field.row_bytes;
        values.insert(values.end(), row, row + field.lengths[record] * field.element_bytes);
        if (layout == Layout::packed) continue;
        for (std::int64_t i = field.lengths[record]; i < field.width(layout); ++i) {
            values.insert(values.end(), field.pad.begin(),
                          field.pad.begin() + static_cast<std::ptrdiff_t>(field.element_bytes));
        }
    }
    return values;
}

class HostTest : public testing::Test {
  protected:
    Field random_field(std::size_t element_bytes, std::uint32_t capacity, std::size_t slots,
                       std::size_t records) {
        Field field;
        field.element_bytes = element_bytes;
        field.capacity = capacity;
        field.row_bytes = (capacity * element_bytes + 63) / 64 * 64;
        field.rows.resize(field.row_bytes * slots);
        for (std::byte& byte : field.rows) byte = static_cast<std::byte>(random_());
        field.offsets.push_back(0);
        for (std::size_t i = 0; i < records; ++i) {
            // None and all are as likely as anything between.
            const std::uint32_t any = static_cast<std::uint32_t>(random_() % (capacity + 1));
            const std::uint32_t length = random_() % 4 == 0   ? 0
                                         : random_() % 4 == 0 ? capacity
                                                              : any;
            field.lengths.push_back(length);
            field.offsets.push_back(field.offsets.back() + static_cast<std::int32_t>(length));
        }
        for (std::size_t i = 0; i < element_bytes; ++i) {
            field.pad[i] = static_cast<std::byte>(random_());
        }
        return field;
    }

    Records random_records(std::size_t slots, std::size_t records) {
        Records result;
        result.slots.resize(records);
        for (auto& slot : result.slots) slot = random_() % slots;
        for (const std::size_t width : {1u, 2u, 4u, 8u}) {
            const auto capacity = static_cast<std::uint32_t>(1 + random_() % 50);
            result.fields.push_back(random_field(width, capacity, slots, records));
        }
        return result;
    }

    // Has the device carry the records, and compares every byte of the largest batch that there
    // could be: also that nothing is written behind the end.
    void expect_carried(const Records& records, Layout layout) {
        SCOPED_TRACE(name_of(layout));
        const std::size_t count = records.slots.size();
        std::vector<std::unique_ptr<Buffer>> values, offsets;
        std::vector<std::size_t> value_bytes;
        std::vector<FieldTarget> targets;
        for (const Field& field : records.fields) {
            value_bytes.push_back(std::max<std::size_t>(1, count) * field.capacity *
                                  field.element_bytes);
            values.push_back(host_->allocate(value_bytes.back()));
            offsets.push_back(host_->allocate((count + 2) * sizeof(std::int32_t)));
            std::memset(values.back()->data(), static_cast<int>(kUntouched), value_bytes.back());
            std::memset(offsets.back()->data(), static_cast<int>(kUntouched),
                        (count + 2) * sizeof(std::int32_t));
            targets.push_back(
                {values.back()->data(), reinterpret_cast<std::int32_t*>(offsets.back()->data())});
        }
        const auto stream = host_->make_copy_stream();
        const std::uint64_t moved = stream->enqueue(records.plan(layout), targets);
        std::uint64_t payload = 0;
        for (std::size_t i = 0; i < records.fields.size(); ++i) {
            const Field& field = records.fields[i];
            SCOPED_TRACE("elements of " + std::to_string(field.element_bytes) + " bytes");
            Bytes wanted = expected_values(field, records.slots, layout);
            wanted.resize(value_bytes[i], kUntouched);
            EXPECT_EQ(Bytes(targets[i].values, targets[i].values + value_bytes[i]), wanted);
            EXPECT_EQ(std::vector<std::int32_t>(targets[i].offsets, targets[i].offsets + count + 1),
                      field.offsets);
            EXPECT_EQ(offsets[i]->data()[(count + 1) * sizeof(std::int32_t)], kUntouched);
            payload += static_cast<std::uint64_t>(field.offsets.back()) * field.element_bytes;
        }
        EXPECT_EQ(moved, payload) << "padding does not cross the link";
    }

    void expect_carried(const Records& records) {
        for (const Layout layout : {Layout::packed, Layout::trimmed, Layout::padded}) {
            expect_carried(records, layout);
        }
    }

    std::uint64_t seed_ = test_seed();
    testing::ScopedTrace seed_trace_{__FILE__, __LINE__, seed_note(seed_)};
    std::mt19937_64 random_{seed_};
    std::shared_ptr<Backend> host_ = make_host_backend();
};

TEST_F(HostTest, CarriesAnEmptyBatch) {
    expect_carried(random_records(4, 0));
}

TEST_F(HostTest, CarriesRecordsOfLengthZero) {
    Records records = random_records(4, 3);
    for (Field& field : records.fields) {
        std::fill(field.lengths.begin(), field.lengths.end(), 0u);
        std::fill(field.offsets.begin(), field.offsets.end(), 0);
    }
    expect_carried(records);
}

TEST_F(HostTest, CarriesFullRecords) {
    Records records = random_records(4, 3);
    for (Field& field : records.fields) {
        for (std::size_t i = 0; i < 3; ++i) {
            field.lengths[i] = field.capacity;
            field.offsets[i + 1] = static_cast<std::int32_t>((i + 1) * field.capacity);
        }
    }
    expect_carried(records);
}

TEST_F(HostTest, CarriesOneRecord) {
    expect_carried(random_records(1, 1));
}

TEST_F(HostTest, CarriesRandomRecords) {
    for (int round = 0; round < 100; ++round) {
        const std::size_t slots = 1 + random_() % 40;
        expect_carried(random_records(slots, random_() % 30));
        if (HasFailure()) break;
    }
}

// Tails are filled by the element, whatever its bytes; zero is a case of its own.
TEST_F(HostTest, FillsTailsWithZeroAndWithNegativeZero) {
    Records records = random_records(8, 8);
    for (Field& field : records.fields) field.pad = {};
    expect_carried(records);
    for (Field& field : records.fields) field.pad[field.element_bytes - 1] = std::byte{0x80};
    expect_carried(records);
}

TEST_F(HostTest, CarriesASchemaOfNoRecordsTwice) {
    const auto stream = host_->make_copy_stream();
    for (int i = 0; i < 2; ++i) EXPECT_EQ(stream->enqueue(BatchPlan{}, {}), 0u);
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

TEST_F(HostTest, IsCompleteAtOnce) {
    EXPECT_EQ(host_->name(), "host");
    EXPECT_FALSE(host_->has_streams());
    const auto event = host_->make_event();
    EXPECT_TRUE(host_->is_complete(*event)) << "an event is complete until it is recorded";
    const auto stream = host_->make_copy_stream();
    stream->record(*event);
    stream->wait(*event);
    host_->record(*event, {});
    host_->wait({}, *event);
    host_->synchronize(*event);
    EXPECT_TRUE(host_->is_complete(*event));
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
