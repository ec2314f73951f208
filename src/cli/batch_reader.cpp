#include "cli/batch_reader.hpp"

#include <span>

namespace headrace::cli {

namespace {

constexpr std::size_t kWord = sizeof(std::uint32_t);

// Elements that are there, of all layouts.
std::size_t elements_of(const Batch& batch, std::size_t field) {
    const auto elements = batch.layout() == Layout::packed
                              ? batch.total(field)
                              : batch.width(field) * static_cast<std::int64_t>(batch.size());
    return static_cast<std::size_t>(elements);
}

}  // namespace

BatchReader::BatchReader(device::Backend& backend, device::StepStream& stream,
                         const RecordShape& shape, std::uint32_t batch)
    : stream_(&stream) {
    const std::array<std::size_t, 2> capacities{shape.floats, shape.ints};
    for (std::size_t field = 0; field < copies_.size(); ++field) {
        // Rows of the layout rows are the widest: up to the end of a cache line.
        constexpr std::size_t kLineWords = 16;
        copies_[field].values =
            backend.allocate_host((capacities[field] + kLineWords) * batch * kWord);
        copies_[field].offsets = backend.allocate_host((std::size_t{batch} + 1) * kWord);
    }
}

BatchContent BatchReader::read(const Batch& batch) {
    BatchContent content;
    for (std::size_t field = 0; field < content.fields.size(); ++field) {
        const void* const values = batch.data(field);
        const std::int32_t* const offsets = batch.offsets(field);
        if (stream_ == nullptr) {
            content.fields[field] = {values, offsets};
            continue;
        }
        const Copy& copy = copies_[field];
        stream_->read({copy.values->data(), elements_of(batch, field) * kWord},
                      static_cast<const std::byte*>(values));
        stream_->read({copy.offsets->data(), (batch.size() + 1) * kWord},
                      reinterpret_cast<const std::byte*>(offsets));
        content.fields[field] = {copy.values->data(),
                                 reinterpret_cast<const std::int32_t*>(copy.offsets->data())};
    }
    return content;
}

}  // namespace headrace::cli
