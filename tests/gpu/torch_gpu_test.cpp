// The LibTorch adapter on a real GPU: on which streams things happen, and who owns which memory.
#include <ATen/ATen.h>
#include <c10/core/Event.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <torch/data/dataloader.h>
#include <unistd.h>

#include <cstdlib>
#include <optional>
#include <thread>
#include <vector>

#include "gpu/batch_copy.hpp"
#include "gpu/gate.hpp"
#include "headrace/torch.hpp"
#include "headrace/torch_data.hpp"

namespace headrace {
namespace {

using c10::cuda::CUDAStream;
using c10::cuda::CUDAStreamGuard;
using torch::BatchTensors;
using torch::current_stream;
using torch::to_owned_tensors;
using torch::to_tensors;

template <class T>
std::vector<T> to_vector(const at::Tensor& tensor) {
    const at::Tensor flat = tensor.cpu().contiguous().flatten();
    return {flat.data_ptr<T>(), flat.data_ptr<T>() + flat.numel()};
}

// The payload of a packed field, as it was on the stream that made this copy.
struct Copied {
    explicit Copied(const BatchTensors& batch)
        : items(batch.items),
          floats(batch["floats"].values.clone()),
          ints(batch["ints"].values.clone()) {}
    void expect_content() const {
        std::vector<float> wanted_floats;
        std::vector<std::int32_t> wanted_ints;
        for (const std::uint64_t item : items) {
            const auto more_floats = floats_of(item);
            const auto more_ints = ints_of(item);
            wanted_floats.insert(wanted_floats.end(), more_floats.begin(), more_floats.end());
            wanted_ints.insert(wanted_ints.end(), more_ints.begin(), more_ints.end());
        }
        EXPECT_EQ(to_vector<float>(floats), wanted_floats);
        EXPECT_EQ(to_vector<std::int32_t>(ints), wanted_ints);
    }
    std::vector<std::uint64_t> items;
    at::Tensor floats, ints;
};

class TorchGpuTest : public LoaderGpuFixture {
  protected:
    static LoaderOptions with_depth(LoaderOptions options, std::uint32_t depth) {
        options.depth = depth;
        return options;
    }
    // On LibTorch's current stream.
    static BatchTensors take(Loader& loader) {
        auto batch = loader.next(current_stream(loader.device()));
        if (!batch) throw std::runtime_error("no batch");
        return to_tensors(std::move(*batch));
    }
    // `later` begins with what is enqueued behind all that `earlier` has now.
    static void order(const CUDAStream& later, const CUDAStream& earlier) {
        c10::Event event(c10::DeviceType::CUDA);
        event.record(earlier.unwrap());
        event.block(later.unwrap());
    }
    static CUDAStream pool_stream() { return c10::cuda::getStreamFromPool(false, 0); }
};

// ---- what they hold ----------------------------------------------------------------------------

TEST_F(TorchGpuTest, LieInTheMemoryOfTheBatch) {
    for (const Layout layout : {Layout::packed, Layout::trimmed, Layout::padded, Layout::rows}) {
        for (const DType offsets : {DType::i32, DType::i64}) {
            SCOPED_TRACE(std::string(name_of(layout)));
            Ring ring = Ring::create(options(20));
            const Writer writer(ring);
            LoaderOptions wanted = on_gpu(5, layout);
            wanted.offsets = offsets;
            Loader loader(ring, wanted);
            auto batch = loader.next(current_stream(loader.device()));
            ASSERT_TRUE(batch);
            const void* const memory = batch->data(0);
            const BatchTensors tensors = to_tensors(std::move(*batch));
            const at::Tensor& values = tensors["floats"].values;
            EXPECT_EQ(values.data_ptr(), memory);
            EXPECT_EQ(values.device(), c10::Device(c10::kCUDA, 0));
            const at::Tensor lengths = torch::lengths_of(tensors, "floats");
            EXPECT_EQ(lengths.device(), values.device());
            std::vector<std::int64_t> wanted_lengths;
            for (const std::uint64_t item : tensors.items) {
                wanted_lengths.push_back(static_cast<std::int64_t>(floats_of(item).size()));
            }
            EXPECT_EQ(to_vector<std::int64_t>(lengths), wanted_lengths);
            at::Tensor payload = values;
            if (layout != Layout::packed) {
                const at::Tensor mask = torch::mask_of(tensors, "floats");
                EXPECT_EQ(mask.device(), values.device());
                payload = values.masked_select(mask);
            }
            std::vector<float> floats;
            for (const std::uint64_t item : tensors.items) {
                const auto more = floats_of(item);
                floats.insert(floats.end(), more.begin(), more.end());
            }
            EXPECT_EQ(to_vector<float>(payload), floats);
        }
    }
}

TEST_F(TorchGpuTest, AreNestedWithoutACopy) {
    Ring ring = Ring::create(options(20));
    const Writer writer(ring);
    Loader loader(ring, on_gpu(5));
    const BatchTensors tensors = take(loader);
    const std::vector<at::Tensor> records = torch::nested_of(tensors, "floats").unbind();
    ASSERT_EQ(records.size(), 5u);
    EXPECT_EQ(records[1].data_ptr<float>(),
              tensors["floats"].values.data_ptr<float>() + tensors.host_offsets("floats")[1]);
    EXPECT_EQ(to_vector<float>(records[4]), floats_of(tensors.items[4]));
}

TEST_F(TorchGpuTest, AreThereForABatchWithoutARecord) {
    Ring ring = Ring::create(options(4));
    const Writer writer(ring, {0, 1});
    Loader loader(ring, on_gpu(2, Layout::padded));
    const BatchTensors tensors = take(loader);
    EXPECT_EQ(tensors["floats"].values.sizes(), (at::IntArrayRef{0, 32}));
    EXPECT_EQ(tensors["floats"].values.sum().item<float>(), 0);
    EXPECT_EQ(to_vector<std::int32_t>(tensors["floats"].offsets), std::vector<std::int32_t>{0});
}

// ---- streams -----------------------------------------------------------------------------------

// The host runs ahead: tensors are dropped before the stream has come to them, and their memory is
// filled again behind it.
TEST_F(TorchGpuTest, MayBeDroppedOnceTheWorkIsEnqueued) {
    for (const bool uses_default_stream : {true, false}) {
        std::optional<CUDAStreamGuard> guard;
        if (!uses_default_stream) guard.emplace(pool_stream());
        Ring ring = Ring::create(options(600));
        const Writer writer(ring);
        Loader loader(ring, with_depth(on_gpu(6), 3));
        std::vector<Copied> copies;
        for (int i = 0; i < 100; ++i) copies.emplace_back(take(loader));
        for (const Copied& copy : copies) copy.expect_content();
    }
}

TEST_F(TorchGpuTest, AreKeptForEachStreamThatIsDeclared) {
    Ring ring = Ring::create(options(60));
    const Writer writer(ring);
    Loader loader(ring, on_gpu(5));
    const CUDAStream first = pool_stream(), second = pool_stream();
    const CUDAStreamGuard guard(first);
    // All that allocates, or loads a kernel, comes before a stream is held up.
    for (int i = 0; i < 4; ++i) {
        const BatchTensors tensors = take(loader);
        tensors.used_on(second);
        const CUDAStreamGuard on_second(second);
        tensors["floats"].values.clone();
    }
    first.synchronize();
    second.synchronize();
    at::Tensor copy = at::empty({5 * 32}, at::TensorOptions(at::kFloat).device(at::kCUDA));
    std::vector<float> wanted;
    {
        Gate gate;
        {
            const BatchTensors tensors = take(loader);
            order(second, first);
            gate.hold(second.stream());
            {
                const CUDAStreamGuard on_second(second);
                copy.slice(0, 0, tensors["floats"].total)
                    .copy_(tensors["floats"].values, /*non_blocking=*/true);
            }
            tensors.used_on(second);
            for (const std::uint64_t item : tensors.items) {
                const auto more = floats_of(item);
                wanted.insert(wanted.end(), more.begin(), more.end());
            }
        }
        take(loader);  // in the other memory of the two
        first.synchronize();
        take(loader);  // the host has it at once, the stream does not
        EXPECT_FALSE(first.query()) << "the batch is complete, though its memory is still in use";
    }
    second.synchronize();
    first.synchronize();
    EXPECT_EQ(to_vector<float>(copy.slice(0, 0, static_cast<std::int64_t>(wanted.size()))), wanted);
}

TEST_F(TorchGpuTest, MayBeDroppedOnAnyThread) {
    Ring ring = Ring::create(options(80));
    const Writer writer(ring);
    Loader loader(ring, with_depth(on_gpu(4), 3));
    std::vector<Copied> copies;
    for (int i = 0; i < 20; ++i) {
        BatchTensors tensors = take(loader);
        copies.emplace_back(tensors);
        std::thread([gone = std::move(tensors)] {}).join();
    }
    for (const Copied& copy : copies) copy.expect_content();
    EXPECT_EQ(loader.state().index, 80u);
}

TEST_F(TorchGpuTest, OutliveLoaderAndRing) {
    std::optional<BatchTensors> kept;
    {
        Ring ring = Ring::create(options(20));
        const Writer writer(ring);
        Loader loader(ring, on_gpu(5));
        kept = take(loader);
    }
    Copied(*kept).expect_content();
}

// Where there are two, on the one that is not current.
TEST_F(TorchGpuTest, AreOnTheGpuOfTheLoader) {
    const int last = c10::cuda::device_count() - 1;
    Ring ring = Ring::create(options(20));
    const Writer writer(ring);
    LoaderOptions wanted = on_gpu(5, Layout::rows);
    wanted.device = Device::cuda(last);
    Loader loader(ring, wanted);
    auto batch = loader.next(current_stream(loader.device()));
    ASSERT_TRUE(batch);
    const BatchTensors owned = to_owned_tensors(std::move(*batch));
    EXPECT_EQ(owned["floats"].values.get_device(), last);
    Copied(owned).expect_content();
    EXPECT_EQ(take(loader)["floats"].values.get_device(), last);
}

// ---- owned tensors -----------------------------------------------------------------------------

TEST_F(TorchGpuTest, AreLibTorchsWhenOwned) {
    for (const Layout layout : {Layout::rows, Layout::packed}) {
        SCOPED_TRACE(std::string(name_of(layout)));
        Ring ring = Ring::create(options(120));
        const Writer writer(ring);
        Loader loader(ring, on_gpu(5, layout));
        const CUDAStreamGuard guard(pool_stream());
        std::vector<BatchTensors> all;  // of many more batches than the loader has
        for (int i = 0; i < 24; ++i) {
            // Every other one comes on another stream than that which strips it.
            auto batch = loader.next(i % 2 == 0 ? current_stream(loader.device())
                                                : StreamRef(stream_.get()));
            ASSERT_TRUE(batch);
            all.push_back(to_owned_tensors(std::move(*batch)));
            EXPECT_EQ(loader.state().index, 5u * static_cast<unsigned>(i + 1));
        }
        EXPECT_NE(all[0]["floats"].values.storage().allocator(), nullptr);
        for (const BatchTensors& batch : all) {
            const Copied copy(batch);
            copy.expect_content();
            EXPECT_EQ(to_vector<std::int32_t>(batch["floats"].offsets).back(),
                      batch["floats"].total);
        }
    }
}

TEST_F(TorchGpuTest, AreNotHandedOutAgainWhileADeclaredStreamUsesThem) {
    Ring ring = Ring::create(options(20));
    const Writer writer(ring);
    Loader loader(ring, on_gpu(5, Layout::rows));
    const CUDAStream first = pool_stream(), second = pool_stream();
    const CUDAStreamGuard guard(first);
    auto batch = loader.next(current_stream(loader.device()));
    ASSERT_TRUE(batch);
    std::optional<BatchTensors> owned = to_owned_tensors(std::move(*batch));
    const std::int64_t bytes = owned->fields[0].total * 4;
    const void* const memory = owned->fields[0].values.data_ptr();
    const auto allocate = [bytes] {
        return at::empty({bytes}, at::TensorOptions(at::kByte).device(at::kCUDA));
    };
    allocate();  // so that LibTorch has another place of this size
    first.synchronize();
    {
        Gate gate;
        gate.hold(second.stream());
        owned->used_on(second);
        owned.reset();
        EXPECT_NE(allocate().data_ptr(), memory);
    }
    second.synchronize();
}

// ---- producers ---------------------------------------------------------------------------------

TEST_F(TorchGpuTest, AreWrittenIntoRecords) {
    RingOptions wanted = options(1);
    Ring ring = Ring::create(wanted);
    Loader loader(ring, {.batch = 1});
    Producer producer = ring.producer();
    auto record = producer.claim();
    const auto on_gpu_ = at::TensorOptions().device(at::kCUDA);
    torch::publish(*record, {at::arange(6, on_gpu_.dtype(at::kFloat)).view({2, 3}).t(),
                             at::full({2}, 7, on_gpu_.dtype(at::kInt))});
    auto batch = loader.next();
    ASSERT_TRUE(batch);
    const BatchTensors tensors = to_tensors(std::move(*batch));
    EXPECT_EQ(to_vector<float>(tensors["floats"].values), (std::vector<float>{0, 3, 1, 4, 2, 5}));
    EXPECT_EQ(to_vector<std::int32_t>(tensors["ints"].values), (std::vector<std::int32_t>{7, 7}));
}

// ---- torch::data -------------------------------------------------------------------------------

// On the stream of the thread that loops, whoever fetches the batches.
TEST_F(TorchGpuTest, ComeByTorchDataOnTheStreamOfTheLoop) {
    for (const std::size_t workers : {std::size_t{0}, std::size_t{1}}) {
        const CUDAStreamGuard guard(pool_stream());
        torch_data::RingDataset dataset(options(300), with_depth(on_gpu(5), 3));
        const Writer writer(dataset.ring());
        const auto data_loader = ::torch::data::make_data_loader(
            dataset, ::torch::data::DataLoaderOptions(5).workers(workers));
        std::vector<Copied> copies;
        for (auto& batch : *data_loader) copies.emplace_back(batch);
        EXPECT_EQ(copies.size(), 60u);
        for (const Copied& copy : copies) copy.expect_content();
    }
}

// ---- the end of a program ----------------------------------------------------------------------

// Takes two batches of a loader that is then gone.
void take_two(std::vector<BatchTensors>& kept) {
    RingOptions wanted;
    wanted.name = "at-exit-" + std::to_string(getpid());
    wanted.schema = Schema::float_int(32, 4);
    wanted.slots = 16;
    wanted.epoch_records = 8;
    Ring ring = Ring::create(wanted);
    Producer producer = ring.producer();
    for (int i = 0; i < 8; ++i) Writer::fill(std::move(*producer.claim()));
    LoaderOptions options;
    options.batch = 4;
    options.device = Device::cuda(0);
    Loader loader(ring, options);
    for (int i = 0; i < 2; ++i) {
        auto batch = loader.next(current_stream(loader.device()));
        kept.push_back(to_tensors(std::move(*batch)));
    }
}

// Statics that were there before CUDA die after it.
TEST(TorchGpuDeathTest, TensorsMayBeFreedAfterCuda) {
    if (const std::string reason = no_gpu(); !reason.empty()) GTEST_SKIP() << reason;
    GTEST_FLAG_SET(death_test_style, "threadsafe");  // CUDA does not survive a fork
    EXPECT_EXIT(
        {
            static std::vector<BatchTensors> kept;
            take_two(kept);
            std::exit(Copied(kept.front()).floats.numel() == 0 ? 1 : 0);
        },
        testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace headrace
