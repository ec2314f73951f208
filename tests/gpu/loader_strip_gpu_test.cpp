// The loader on a real GPU, with batches that go into memory of the trainer's.
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <vector>

#include "gpu/batch_copy.hpp"
#include "gpu/device_memory.hpp"

namespace headrace {
namespace {

class LoaderStripGpuTest : public LoaderGpuFixture {
  protected:
    // The trainer's memory for one batch, full of something else.
    class Memory {
      public:
        explicit Memory(const Batch& batch) {
            const std::size_t offset = bytes_of(batch.offsets_dtype());
            for (std::size_t field = 0; field < batch.schema().size(); ++field) {
                targets_.push_back(
                    {.values = make(static_cast<std::size_t>(batch.total(field)) * 4),
                     .offsets = make((batch.size() + 1) * offset)});
            }
            // What is to be written over is there.
            check_cuda(cudaStreamSynchronize(nullptr), "cudaStreamSynchronize");
        }
        const std::vector<StripTarget>& targets() const { return targets_; }

      private:
        void* make(std::size_t bytes) {
            blocks_.push_back(copy_to_device(std::vector<std::byte>(bytes, std::byte{0xcd})));
            return blocks_.back().get();
        }
        std::vector<DeviceMemory> blocks_;
        std::vector<StripTarget> targets_;
    };
};

// Given back right behind the call, on the stream given to next() and on another one, which waits
// for the batch by itself.
TEST_F(LoaderStripGpuTest, WritesEachBatchIntoMemoryOfTheTrainers) {
    constexpr std::uint64_t kRecords = 240;
    const OwnedStream other = make_stream();
    for (const Layout layout : {Layout::rows, Layout::packed}) {
        for (const Transfer transfer : {Transfer::automatic, Transfer::copy, Transfer::trim,
                                        Transfer::direct, Transfer::gather}) {
            for (const DType offsets : {i32, i64}) {
                SCOPED_TRACE(std::string(name_of(layout)) + ", " + std::string(name_of(transfer)) +
                             ", " + std::string(name_of(offsets)));
                Ring ring = Ring::create(options(kRecords));
                const Writer writer(ring, {3, 17, 40});
                LoaderOptions wanted = on_gpu(6, layout, transfer);
                wanted.offsets = offsets;
                Loader loader(ring, wanted);
                std::deque<Memory> memories;
                std::deque<BatchCopy> copies;
                for (Batch& batch : loader.epoch(stream_.get())) {
                    cudaStream_t const stream =
                        copies.size() % 3 == 0 ? stream_.get() : other.get();
                    memories.emplace_back(batch);
                    copies.emplace_back(6, ring.schema(), offsets == i64);
                    batch.strip_into(memories.back().targets(), stream);
                    copies.back().enqueue(batch, stream, memories.back().targets());
                    batch.release();
                }
                synchronize(stream_);
                synchronize(other);
                EXPECT_EQ(copies.size(), kRecords / 6);
                for (const BatchCopy& copy : copies) copy.expect_content();
            }
        }
    }
}

TEST_F(LoaderStripGpuTest, WritesToTheDefaultStream) {
    Ring ring = Ring::create(options(20));
    const Writer writer(ring);
    Loader loader(ring, on_gpu(5, Layout::rows));
    for (Batch& batch : loader.epoch(stream_.get())) {
        const Memory memory(batch);
        BatchCopy copy(5, ring.schema(), false);
        batch.strip_into(memory.targets(), StreamRef());
        copy.enqueue(batch, nullptr, memory.targets());
        check_cuda(cudaStreamSynchronize(nullptr), "cudaStreamSynchronize");
        copy.expect_content();
    }
}

}  // namespace
}  // namespace headrace
