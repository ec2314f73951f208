// What the kernels are held to: a field with random contents, and by plain loops what each kernel
// should make of it. For the tests on the host and those on a GPU.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "kernels/field_job.hpp"

namespace headrace::kernels {

using Random = std::mt19937_64;
using Bytes = std::vector<std::byte>;

inline std::uint64_t below(Random& random, std::uint64_t end) {
    return std::uniform_int_distribution<std::uint64_t>(0, end - 1)(random);
}

inline Bytes random_bytes(Random& random, std::size_t count) {
    Bytes bytes(count);
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
    return bytes;
}

enum class Operation { strip, pad, fill_tails, gather };

inline std::string name_of(Operation operation) {
    constexpr const char* kNames[] = {"strip", "pad", "fill_tails", "gather"};
    return kNames[static_cast<int>(operation)];
}

struct FieldForm {
    std::uint32_t element_bytes = 4;
    std::vector<std::uint32_t> lengths;  // elements
    std::uint64_t row_bytes = 0;         // of the source; 0: packed
    bool scattered = false;              // the records' rows are told, in no order
    bool wide_offsets = false;
    std::uint64_t width = 0;  // of the target's rows, elements; 0: packed
};

inline std::string text_of(const FieldForm& form) {
    std::string text = std::to_string(form.lengths.size()) + " records of " +
                       std::to_string(form.element_bytes) + "-byte elements, row_bytes " +
                       std::to_string(form.row_bytes) + ", width " + std::to_string(form.width);
    if (form.scattered) text += ", scattered";
    if (form.wide_offsets) text += ", wide offsets";
    text += ", lengths";
    const std::size_t shown = std::min<std::size_t>(form.lengths.size(), 20);
    for (std::size_t i = 0; i < shown; ++i) text += ' ' + std::to_string(form.lengths[i]);
    return text + (shown < form.lengths.size() ? " ..." : "");
}

// The memory of a field, as bytes to be laid where a kernel can reach them.
class Field {
  public:
    Field(FieldForm form, Random& random) : form_(std::move(form)) {
        const std::size_t records = form_.lengths.size();
        begins_.resize(records + 1);
        for (std::size_t i = 0; i < records; ++i) begins_[i + 1] = begins_[i] + form_.lengths[i];
        lay_rows(random);
        source_ = random_bytes(random, source_bytes());
        pad_ = repeated(random(), form_.element_bytes);
        before_ = random_bytes(random, target_bytes());
    }

    const FieldForm& form() const { return form_; }
    const Bytes& source() const { return source_; }  // whole blocks of 16 bytes
    const Bytes& before() const { return before_; }  // what the target holds at first
    const std::vector<std::uint32_t>& rows() const { return rows_; }  // empty: in order

    Bytes offsets() const {
        return form_.wide_offsets ? offsets_as<std::int64_t>() : offsets_as<std::int32_t>();
    }

    // All but the pointers.
    FieldJob job() const {
        FieldJob job;
        job.row_bytes = form_.row_bytes;
        job.width = form_.width;
        job.total = begins_.back();
        job.pad = pad_;
        job.records = static_cast<std::uint32_t>(form_.lengths.size());
        job.element_bytes = form_.element_bytes;
        job.wide_offsets = form_.wide_offsets;
        return job;
    }

    // Where a record begins, in bytes.
    std::uint64_t source_of(std::size_t record) const {
        if (form_.row_bytes == 0) return begins_[record] * form_.element_bytes;
        return (rows_.empty() ? record : rows_[record]) * form_.row_bytes;
    }
    std::uint64_t target_of(std::size_t record) const {
        const std::uint64_t at = form_.width == 0 ? begins_[record] : record * form_.width;
        return at * form_.element_bytes;
    }
    std::uint64_t bytes_of(std::size_t record) const {
        return std::uint64_t{form_.lengths[record]} * form_.element_bytes;
    }

    // What the target should hold in the end.
    Bytes after(Operation operation) const {
        Bytes target = before_;
        const bool copies = operation != Operation::fill_tails;
        const bool fills = operation == Operation::pad || operation == Operation::fill_tails;
        for (std::size_t record = 0; record < form_.lengths.size(); ++record) {
            const std::uint64_t to = target_of(record);
            const std::uint64_t bytes = bytes_of(record);
            for (std::uint64_t i = 0; copies && i < bytes; ++i) {
                target[to + i] = source_[source_of(record) + i];
            }
            for (std::uint64_t i = bytes; fills && i < form_.width * form_.element_bytes; ++i) {
                target[to + i] = static_cast<std::byte>(pad_ >> (8 * (i % form_.element_bytes)));
            }
        }
        return target;
    }

    // Of each 16 bytes of the source, whether there is payload in them.
    std::vector<bool> payload_blocks() const {
        std::vector<bool> blocks(source_.size() / 16);
        for (std::size_t record = 0; record < form_.lengths.size(); ++record) {
            for (std::uint64_t i = 0; i < bytes_of(record); ++i) {
                blocks[(source_of(record) + i) / 16] = true;
            }
        }
        return blocks;
    }

  private:
    std::size_t source_bytes() const {
        const std::size_t rows = rows_.empty() ? form_.lengths.size()
                                               : 1 + *std::max_element(rows_.begin(), rows_.end());
        const std::uint64_t packed = (begins_.back() * form_.element_bytes + 15) / 16 * 16;
        return form_.row_bytes == 0 ? packed : rows * form_.row_bytes;
    }
    std::size_t target_bytes() const {
        const std::uint64_t rows = form_.lengths.size() * form_.width;
        return (form_.width == 0 ? begins_.back() : rows) * form_.element_bytes;
    }

    static std::uint64_t repeated(std::uint64_t element, std::uint32_t element_bytes) {
        std::uint64_t all = 0;
        for (std::uint32_t i = 0; i < 8; ++i) {
            all |= (element >> (8 * (i % element_bytes)) & 0xff) << (8 * i);
        }
        return all;
    }

    // Some rows belong to no record.
    void lay_rows(Random& random) {
        if (!form_.scattered) return;
        rows_.resize(form_.lengths.size() + form_.lengths.size() / 4 + 1);
        std::iota(rows_.begin(), rows_.end(), 0u);
        std::shuffle(rows_.begin(), rows_.end(), random);
        rows_.resize(form_.lengths.size());
    }

    template <class Offset>
    Bytes offsets_as() const {
        Bytes bytes(begins_.size() * sizeof(Offset));
        for (std::size_t i = 0; i < begins_.size(); ++i) {
            const auto offset = static_cast<Offset>(begins_[i]);
            std::memcpy(bytes.data() + i * sizeof(offset), &offset, sizeof(offset));
        }
        return bytes;
    }

    FieldForm form_;
    std::vector<std::uint64_t> begins_;  // elements, [records + 1]
    std::vector<std::uint32_t> rows_;
    Bytes source_;
    Bytes before_;
    std::uint64_t pad_ = 0;
};

}  // namespace headrace::kernels
