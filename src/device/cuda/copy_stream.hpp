// The loader's stream on a GPU: brings a batch over the link in the way that was chosen, strips or
// fills its padding there. One thread at a time enqueues.
#pragma once

#include <cuda_runtime_api.h>

#include <array>
#include <memory>
#include <optional>

#include "device/backend.hpp"
#include "device/cuda/bounce.hpp"
#include "device/cuda/link_copies.hpp"
#include "device/cuda/owners.hpp"
#include "device/link_cost.hpp"
#include "kernels/field_job.hpp"

namespace headrace::device::cuda {

class CudaEvent final : public Event {
  public:
    explicit CudaEvent(OwnedEvent event) : event_(std::move(event)) {}
    cudaEvent_t get() const noexcept { return event_.get(); }

  private:
    OwnedEvent event_;
};

inline cudaEvent_t event_of(Event& event) noexcept {
    return static_cast<CudaEvent&>(event).get();
}

class CudaCopyStream final : public CopyStream {
  public:
    // `ring` outlives it; with a refusal batches go through a bounce buffer. Measures the link
    // where the transfer is automatic. Throws DeviceError; UsageError for gather from memory that
    // the GPU cannot read.
    CudaCopyStream(int ordinal, const CopyForm& form, const PinnedRing& ring);
    ~CudaCopyStream() override;  // waits for what is enqueued

    void wait(Event& event) override;
    std::uint64_t enqueue(const BatchPlan& plan, const BatchTarget& target, Event& moved) override;
    void record(Event& event) override;
    void mark_begin(Event& event) override;
    void stamp(Event& event) override;

  private:
    // What the kernels of one batch are told.
    struct Work {
        kernels::Jobs gather, strip, pad, fill;
    };
    struct Batch {
        const BatchPlan& plan;
        const BatchTarget& target;
        Work& work;
    };

    void load();
    void allocate_staging();
    std::byte* staging_of(std::size_t field) const noexcept {
        return staging_[turn_].memory.get() + staging_at_[field];
    }
    void unpack(const Work& work, Event& moved);
    bool may_stage() const noexcept { return !staging_at_.empty(); }
    // Rows go straight to their places, and what is in their tails does not matter.
    bool keeps_rows() const noexcept { return form_.layout == Layout::rows; }
    Transfer choose(const BatchPlan& plan, std::size_t field) const;
    kernels::FieldJob job_of(const Batch& batch, std::size_t field) const;
    void add_unpacking(const Batch& batch, const kernels::FieldJob& job) const;
    void add_tails(const Batch& batch, const kernels::FieldJob& job) const;
    // Each enqueues the copies of one field, or adds it to the work, and returns bytes on the link.
    std::uint64_t bring(const Batch& batch, std::size_t field);
    std::uint64_t bring_rows(const Batch& batch, std::size_t field);
    std::uint64_t bring_trimmed(const Batch& batch, std::size_t field);
    std::uint64_t bring_records(const Batch& batch, std::size_t field);
    std::uint64_t bring_by_kernel(const Batch& batch, std::size_t field) const;
    std::uint64_t bring_by_bounce(const Batch& batch, std::size_t field);
    std::uint64_t bring_rows_by_bounce(const Batch& batch, std::size_t field);
    void launch(const kernels::Jobs& jobs,
                cudaError_t (*kernel)(const kernels::Jobs&, unsigned, cudaStream_t),
                unsigned max_blocks, cudaStream_t stream, const char* name) const;

    int ordinal_;
    CopyForm form_;
    const PinnedRing& ring_;
    // Copies and the gather kernel; the kernels that strip and fill, so that the link does not wait
    // for them; the clock, on which nothing is ever enqueued but stamps.
    Stream stream_, unpack_, clock_;
    LinkCopies copies_;
    // Whole rows of a batch, where a way of the transfer needs them: from where, for each field.
    // Two take turns: one is stripped while the next is copied.
    struct Staging {
        DeviceMemory memory;
        OwnedEvent unpacked;
    };
    std::array<Staging, 2> staging_;
    std::size_t turn_ = 0;
    std::vector<std::size_t> staging_at_;
    std::optional<Bounce> bounce_;
    LinkRates rates_;
    unsigned strip_blocks_ = 0;
};

}  // namespace headrace::device::cuda
