// Where the host finds what a batch holds, wherever the batch lives: on the host device in the
// batch itself, on a GPU in a copy of it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "cli/record_check.hpp"
#include "device/backend.hpp"
#include "device/ceilings.hpp"
#include "headrace/batch.hpp"
#include "headrace/device.hpp"

namespace headrace::cli {

/// What a batch of the classic pair holds, in memory of the host.
struct BatchContent {
    struct Field {
        const void* values = nullptr;
        const std::int32_t* offsets = nullptr;  ///< as they are on the device
    };
    std::array<Field, 2> fields;
};

/// Reads batches of a trainer's stream. One thread.
class BatchReader {
  public:
    /// Of batches in ordinary memory.
    BatchReader() = default;
    /// Of batches of up to `batch` records, used on `stream`, which outlives it. Takes pinned
    /// memory for one.
    BatchReader(device::Backend& backend, device::StepStream& stream, const RecordShape& shape,
                std::uint32_t batch);

    /// Waits for the copy, on a GPU. Valid until the next call, or until the batch is given back.
    BatchContent read(const Batch& batch);

  private:
    struct Copy {
        std::unique_ptr<device::Buffer> values, offsets;
    };
    device::StepStream* stream_ = nullptr;  // none: batches are on the host
    std::array<Copy, 2> copies_;
};

}  // namespace headrace::cli
