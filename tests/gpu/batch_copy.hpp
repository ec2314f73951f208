// A batch of the tests' classic pair, copied back to the host by the trainer's stream, and compared
// bit by bit with what its items are.
#pragma once

#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "gpu/device_memory.hpp"
#include "headrace/batch.hpp"
#include "loader/loader_fixture.hpp"

namespace headrace {

inline constexpr float kFloatPad = 0.25f;
inline constexpr std::int32_t kIntPad = -1;

// Pinned: a copy to other memory would hold up the host until the stream has come to it.
class PinnedBytes {
  public:
    explicit PinnedBytes(std::size_t bytes) : size_(bytes) {
        void* memory = nullptr;
        check_cuda(cudaHostAlloc(&memory, bytes == 0 ? 1 : bytes, cudaHostAllocDefault),
                   "cudaHostAlloc");
        memory_.reset(static_cast<std::byte*>(memory));
        std::memset(memory_.get(), 0xee, bytes);
    }
    std::byte* data() const { return memory_.get(); }
    std::size_t size() const { return size_; }

  private:
    struct Free {
        void operator()(std::byte* memory) const { cudaFreeHost(memory); }
    };
    std::unique_ptr<std::byte, Free> memory_;
    std::size_t size_;
};

class BatchCopy {
  public:
    // Room for a batch of so many records; Offset is what the loader's offsets are.
    BatchCopy(std::size_t records, const Schema& schema, bool wide_offsets)
        : wide_offsets_(wide_offsets) {
        for (std::size_t field = 0; field < schema.size(); ++field) {
            values_.emplace_back(records * schema[field].capacity * 4);
            offsets_.emplace_back((records + 1) * (wide_offsets ? 8 : 4));
        }
    }

    // Allocates nothing, waits for nothing. With targets, of what the batch was stripped into.
    void enqueue(const Batch& batch, cudaStream_t stream,
                 std::span<const StripTarget> targets = {}) {
        layout_ = targets.empty() ? batch.layout() : Layout::packed;
        items_.assign(batch.items().begin(), batch.items().end());
        for (std::size_t field = 0; field < values_.size(); ++field) {
            widths_[field] = batch.width(field);
            totals_[field] = batch.total(field);
            const std::int64_t elements =
                layout_ == Layout::packed
                    ? totals_[field]
                    : widths_[field] * static_cast<std::int64_t>(batch.size());
            copy(values_[field], targets.empty() ? batch.data(field) : targets[field].values,
                 static_cast<std::size_t>(elements) * 4, stream);
            const void* const offsets =
                wide_offsets_ ? static_cast<const void*>(batch.offsets<std::int64_t>(field))
                              : batch.offsets(field);
            copy(offsets_[field], targets.empty() ? offsets : targets[field].offsets,
                 (batch.size() + 1) * (wide_offsets_ ? 8 : 4), stream);
        }
    }

    // The stream has passed.
    void expect_content() const {
        expect_field<float>(0, floats_of, kFloatPad);
        expect_field<std::int32_t>(1, ints_of, kIntPad);
    }

  private:
    static void copy(const PinnedBytes& to, const void* from, std::size_t bytes,
                     cudaStream_t stream) {
        ASSERT_LE(bytes, to.size());
        check_cuda(cudaMemcpyAsync(to.data(), from, bytes, cudaMemcpyDeviceToHost, stream),
                   "cudaMemcpyAsync to the host");
    }
    template <class T>
    static T element(const PinnedBytes& bytes, std::size_t i) {
        T value;
        std::memcpy(&value, bytes.data() + i * sizeof value, sizeof value);
        return value;
    }

    template <class T>
    void expect_field(std::size_t field,
                      const std::function<std::vector<T>(std::uint64_t)>& content_of, T pad) const {
        SCOPED_TRACE("field " + std::to_string(field));
        std::vector<T> wanted;
        std::int64_t end = 0;
        for (std::size_t record = 0; record <= items_.size(); ++record) {
            const std::int64_t offset = wide_offsets_
                                            ? element<std::int64_t>(offsets_[field], record)
                                            : element<std::int32_t>(offsets_[field], record);
            ASSERT_EQ(offset, end) << "offset " << record;
            if (record == items_.size()) break;
            std::vector<T> row = content_of(items_[record]);
            end += static_cast<std::int64_t>(row.size());
            // What is behind a record of the layout rows may be anything.
            while (layout_ != Layout::packed &&
                   row.size() < static_cast<std::size_t>(widths_[field])) {
                const std::size_t at = wanted.size() + row.size();
                row.push_back(layout_ == Layout::rows ? element<T>(values_[field], at) : pad);
            }
            wanted.insert(wanted.end(), row.begin(), row.end());
        }
        EXPECT_EQ(totals_[field], end);
        for (std::size_t i = 0; i < wanted.size(); ++i) {
            const T found = element<T>(values_[field], i);
            ASSERT_EQ(std::memcmp(&found, &wanted[i], sizeof found), 0)
                << "element " << i << ": found " << found << ", wanted " << wanted[i];
        }
    }

    bool wide_offsets_;
    Layout layout_ = Layout::packed;
    std::vector<std::uint64_t> items_;
    std::vector<PinnedBytes> values_, offsets_;
    std::array<std::int64_t, 2> widths_{}, totals_{};
};

// The loader on a GPU; skipped without one.
class LoaderGpuFixture : public LoaderFixture {
  protected:
    void SetUp() override {
        if (const std::string reason = no_gpu(); !reason.empty()) GTEST_SKIP() << reason;
        stream_ = make_stream();
    }
    void TearDown() override {
        if (stream_) {
            EXPECT_EQ(cudaGetLastError(), cudaSuccess) << "left behind for the trainer";
        }
    }

    static LoaderOptions on_gpu(std::uint32_t batch, Layout layout = Layout::packed,
                                Transfer transfer = Transfer::automatic) {
        LoaderOptions options;
        options.batch = batch;
        options.layout = layout;
        options.device = Device::cuda(0);
        options.transfer = transfer;
        options.pad_values = {{"floats", kFloatPad}, {"ints", kIntPad}};
        return options;
    }
    static void synchronize(const OwnedStream& stream) {
        check_cuda(cudaStreamSynchronize(stream.get()), "cudaStreamSynchronize");
    }
    // Copies a batch back, waits, and compares.
    void expect_content_of(const Batch& batch, bool wide_offsets = false) {
        SCOPED_TRACE("batch of records " + std::to_string(batch.first_index()) + " to " +
                     std::to_string(batch.last_index()));
        BatchCopy copy(batch.size(), batch.schema(), wide_offsets);
        copy.enqueue(batch, stream_.get());
        synchronize(stream_);
        copy.expect_content();
    }

    OwnedStream stream_;
};

}  // namespace headrace
