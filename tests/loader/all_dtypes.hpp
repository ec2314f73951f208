// Records of every dtype in random bytes, and what a batch of them must be without its padding.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "headrace/producer.hpp"
#include "headrace/schema.hpp"
#include "loader/strip_memory.hpp"

namespace headrace {

class AllDtypes {
  public:
    explicit AllDtypes(std::mt19937_64& random) : random_(random) {
        std::vector<Field> fields;
        for (int dtype = 1; dtype <= 9; ++dtype) {
            fields.push_back({"f" + std::to_string(dtype), static_cast<DType>(dtype),
                              static_cast<std::uint32_t>(1 + random() % 40)});
        }
        schema_ = Schema(fields);
    }
    const Schema& schema() const { return schema_; }

    // So many; what they hold is expected until it is forgotten.
    void write(Producer& producer, int records, bool are_empty) {
        for (int i = 0; i < records; ++i) {
            auto record = producer.claim();
            std::vector<std::int64_t> lengths;
            for (std::size_t field = 0; field < schema_.size(); ++field) {
                const std::span<std::byte> row = record->field_bytes(field);
                for (std::byte& byte : row) byte = static_cast<std::byte>(random_());
                const std::uint64_t any = random_() % (schema_[field].capacity + 1);
                lengths.push_back(are_empty ? 0 : static_cast<std::int64_t>(any));
                const auto payload = row.first(static_cast<std::size_t>(lengths.back()) *
                                               bytes_of(schema_[field].dtype));
                payload_[field].insert(payload_[field].end(), payload.begin(), payload.end());
                offsets_[field].push_back(lengths.back() +
                                          (offsets_[field].empty() ? 0 : offsets_[field].back()));
            }
            record->publish_lengths(lengths);
        }
    }
    void forget() {
        payload_.clear();
        offsets_.clear();
    }
    template <class Offset>
    void expect(const StripMemory& memory) {
        for (std::size_t field = 0; field < schema_.size(); ++field) {
            SCOPED_TRACE(schema_[field].name);
            EXPECT_EQ(memory.values(field), payload_[field]);
            std::vector<Offset> offsets{0};
            for (const std::int64_t end : offsets_[field]) {
                offsets.push_back(static_cast<Offset>(end));
            }
            EXPECT_EQ(memory.offsets<Offset>(field), offsets);
        }
        EXPECT_TRUE(memory.is_untouched_behind());
    }

  private:
    std::mt19937_64& random_;
    Schema schema_;
    std::map<std::size_t, std::vector<std::byte>> payload_;
    std::map<std::size_t, std::vector<std::int64_t>> offsets_;  // the ends of the records
};

}  // namespace headrace
