// The kernels on a real GPU, through their launchers, against plain loops on the host.
#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "gpu/device_memory.hpp"
#include "gtest/seed.hpp"
#include "kernels/forms.hpp"
#include "kernels/launch.hpp"
#include "kernels/reference.hpp"

namespace headrace::kernels {
namespace {

constexpr std::size_t kGuard = 256;

cudaError_t launch(Operation operation, const Jobs& jobs, unsigned max_blocks,
                   cudaStream_t stream) {
    switch (operation) {
        case Operation::strip: return launch_strip(jobs, max_blocks, stream);
        case Operation::pad: return launch_pad(jobs, max_blocks, stream);
        case Operation::fill_tails: return launch_fill_tails(jobs, max_blocks, stream);
        case Operation::gather: return launch_gather(jobs, max_blocks, stream);
    }
    return cudaErrorInvalidValue;
}

// A field on the device, its target between guards; the source of a gather stays on the host.
class DeviceField {
  public:
    DeviceField(Operation operation, const FieldForm& form, Random& random)
        : operation_(operation), field_(form, random) {
        if (operation == Operation::gather) {
            on_host_.emplace(field_.source());
        } else {
            source_ = copy_to_device(field_.source());
        }
        rows_ = copy_to_device(std::as_bytes(std::span(field_.rows())));
        offsets_ = copy_to_device(field_.offsets());
        target_ = allocate_on_device(field_.before().size() + 2 * kGuard);
    }

    FieldJob job() const {
        FieldJob job = field_.job();
        job.source = on_host_ ? on_host_->on_device() : source_.get();
        if (operation_ == Operation::fill_tails) job.source = nullptr;
        job.rows =
            field_.rows().empty() ? nullptr : reinterpret_cast<const std::uint32_t*>(rows_.get());
        job.offsets = offsets_.get();
        job.target = target_.get() + kGuard;
        return job;
    }
    void reset() {
        const Bytes memory = guarded(field_.before());
        check_cuda(cudaMemcpy(target_.get(), memory.data(), memory.size(), cudaMemcpyHostToDevice),
                   "cudaMemcpy of the target");
    }
    testing::AssertionResult is_right() const {
        const Bytes wanted = guarded(field_.after(operation_));
        Bytes memory(wanted.size());
        check_cuda(cudaMemcpy(memory.data(), target_.get(), memory.size(), cudaMemcpyDeviceToHost),
                   "cudaMemcpy from the target");
        const auto at = std::mismatch(memory.begin(), memory.end(), wanted.begin()).first;
        if (at == memory.end()) return testing::AssertionSuccess();
        return testing::AssertionFailure()
               << "byte " << (at - memory.begin()) - static_cast<std::ptrdiff_t>(kGuard) << " of "
               << field_.before().size() << " is wrong";
    }

  private:
    static Bytes guarded(const Bytes& bytes) {
        Bytes memory(bytes.size() + 2 * kGuard, std::byte{0xa5});
        std::copy(bytes.begin(), bytes.end(), memory.begin() + kGuard);
        return memory;
    }

    Operation operation_;
    Field field_;
    std::optional<MappedMemory> on_host_;
    DeviceMemory source_;
    DeviceMemory rows_;
    DeviceMemory offsets_;
    DeviceMemory target_;
};

class KernelsGpuTest : public testing::TestWithParam<Operation> {
  protected:
    KernelsGpuTest() : trace_(__FILE__, __LINE__, seed_note(seed_)) {}

    void SetUp() override {
        if (const std::string reason = no_gpu(); !reason.empty()) GTEST_SKIP() << reason;
        stream_ = make_stream();
    }

    void expect_right(const std::vector<FieldForm>& forms) {
        std::deque<DeviceField> fields;
        Jobs jobs;
        std::string text = name_of(GetParam());
        for (const FieldForm& form : forms) {
            fields.emplace_back(GetParam(), form, random_);
            jobs.field[jobs.count++] = fields.back().job();
            text += "\n  " + text_of(form);
        }
        SCOPED_TRACE(text);
        for (const unsigned max_blocks : {0u, 1u, 7u, 1000u}) {
            for (DeviceField& field : fields) field.reset();
            // A copy out of pageable memory may still be under way when its call returns, and the
            // stream does not wait for it.
            check_cuda(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
            check_cuda(launch(GetParam(), jobs, max_blocks, stream_.get()), "launch");
            check_cuda(cudaStreamSynchronize(stream_.get()), "cudaStreamSynchronize");
            for (std::size_t i = 0; i < fields.size(); ++i) {
                EXPECT_TRUE(fields[i].is_right()) << "field " << i << ", blocks " << max_blocks;
            }
            if (HasFailure()) return;
        }
    }

    void expect_right_at_random(int rounds, std::uint64_t most_bytes) {
        for (int round = 0; round < rounds && !HasFailure(); ++round) {
            std::vector<FieldForm> forms(1 + below(random_, 4));
            for (FieldForm& form : forms) form = draw_form(random_, GetParam(), most_bytes);
            expect_right(forms);
        }
    }

    const std::uint64_t seed_ = test_seed();
    Random random_{seed_};
    OwnedStream stream_;

  private:
    testing::ScopedTrace trace_;
};

TEST_P(KernelsGpuTest, LaunchesNothingWhereThereIsNothingToDo) {
    expect_right({});
    FieldForm form;
    form.row_bytes = 16;
    expect_right({form});
    form.lengths = {0, 0, 0};
    expect_right({form});
}

TEST_P(KernelsGpuTest, TakesSmallFieldsAtRandom) {
    expect_right_at_random(40, 1000);
}

TEST_P(KernelsGpuTest, TakesFieldsAtRandom) {
    expect_right_at_random(30, 60'000);
}

TEST_P(KernelsGpuTest, TakesLargeFieldsAtRandom) {
    expect_right_at_random(6, 4'000'000);
}

TEST_P(KernelsGpuTest, TakesAsManyFieldsAsASchemaHas) {
    for (int round = 0; round < 3; ++round) {
        std::vector<FieldForm> forms(kMaxJobs);
        for (FieldForm& form : forms) form = draw_form(random_, GetParam(), 20'000);
        expect_right(forms);
    }
}

INSTANTIATE_TEST_SUITE_P(Of, KernelsGpuTest,
                         testing::Values(Operation::strip, Operation::pad, Operation::fill_tails,
                                         Operation::gather),
                         [](const auto& one) { return name_of(one.param); });

// Two records in rows of 3 GiB, of one byte an element, packed to more than 2^32 of them.
TEST(KernelsFarGpuTest, StripsBeyondTwoToThe32) {
    if (const std::string reason = no_gpu(); !reason.empty()) GTEST_SKIP() << reason;
    constexpr std::uint64_t kRow = std::uint64_t{3} << 30;
    constexpr std::uint64_t kLengths[] = {kRow - 3, kRow - 5};
    std::size_t free_bytes = 0;
    std::size_t all_bytes = 0;
    check_cuda(cudaMemGetInfo(&free_bytes, &all_bytes), "cudaMemGetInfo");
    if (free_bytes < 5 * kRow) {
        GTEST_SKIP() << free_bytes << " bytes of the GPU are free, wanted " << 5 * kRow;
    }
    const std::uint64_t seed = test_seed();
    SCOPED_TRACE(seed_note(seed));
    Random random(seed);
    const DeviceMemory source = allocate_on_device(2 * kRow);
    const DeviceMemory target = allocate_on_device(2 * kRow);
    const std::vector<std::int64_t> offsets{0, kLengths[0], kLengths[0] + kLengths[1]};
    const DeviceMemory offsets_there = copy_to_device(std::as_bytes(std::span(offsets)));
    check_cuda(cudaMemset(source.get(), 0, 2 * kRow), "cudaMemset");

    // A mebibyte here and there is random; the last lie at the ends of the records.
    constexpr std::uint64_t kPatch = 1 << 20;
    std::vector<std::uint64_t> columns;
    for (int i = 0; i < 20; ++i) columns.push_back(below(random, kLengths[1] - kPatch));
    const auto column_of = [&](std::size_t record, std::size_t i) {
        return i < columns.size() ? columns[i] : kLengths[record] - kPatch;
    };
    for (std::size_t record = 0; record < 2; ++record) {
        for (std::size_t i = 0; i <= columns.size(); ++i) {
            const Bytes patch = random_bytes(random, kPatch);
            check_cuda(cudaMemcpy(source.get() + record * kRow + column_of(record, i), patch.data(),
                                  kPatch, cudaMemcpyHostToDevice),
                       "cudaMemcpy of a patch");
        }
    }
    Jobs jobs;
    jobs.count = 1;
    FieldJob& job = jobs.field[0];
    job.source = source.get();
    job.row_bytes = kRow;
    job.target = target.get();
    job.offsets = offsets_there.get();
    job.total = kLengths[0] + kLengths[1];
    job.records = 2;
    job.element_bytes = 1;
    job.wide_offsets = true;
    const OwnedStream stream = make_stream();
    check_cuda(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
    check_cuda(launch_strip(jobs, 1000, stream.get()), "launch_strip");
    check_cuda(cudaStreamSynchronize(stream.get()), "cudaStreamSynchronize");

    const auto read = [](const std::byte* from) {
        Bytes bytes(kPatch);
        check_cuda(cudaMemcpy(bytes.data(), from, kPatch, cudaMemcpyDeviceToHost), "cudaMemcpy");
        return bytes;
    };
    for (std::size_t record = 0; record < 2; ++record) {
        for (std::size_t i = 0; i <= columns.size(); ++i) {
            const std::uint64_t column = column_of(record, i);
            EXPECT_EQ(read(target.get() + record * kLengths[0] + column),
                      read(source.get() + record * kRow + column))
                << "byte " << column << " of record " << record;
        }
    }
}

}  // namespace
}  // namespace headrace::kernels
