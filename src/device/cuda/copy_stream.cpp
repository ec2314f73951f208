#include "device/cuda/copy_stream.hpp"

#include <algorithm>
#include <cstring>
#include <string>

#include "device/cuda/call.hpp"
#include "device/cuda/link_probe.hpp"
#include "device/cuda/stripping.hpp"
#include "device/slot_runs.hpp"
#include "headrace/error.hpp"
#include "headrace/schema.hpp"
#include "kernels/launch.hpp"

namespace headrace::device::cuda {

namespace {

static_assert(kernels::kMaxJobs >= kMaxFields, "a launch takes all fields of a batch");

// The GPU's widest access: rows that are copied to a staging buffer begin at multiples of it.
constexpr std::size_t kVectorBytes = 16;

// The pad value over and over, in 8 bytes.
std::uint64_t pattern_of(const FieldForm& form) noexcept {
    std::byte pattern[8];
    for (std::size_t i = 0; i < sizeof pattern; ++i) pattern[i] = form.pad[i % form.element_bytes];
    std::uint64_t value = 0;
    std::memcpy(&value, pattern, sizeof value);
    return value;
}

bool is_full(const FieldForm& form, const FieldPlan& field) noexcept {
    return std::all_of(field.lengths.begin(), field.lengths.end(),
                       [&](std::uint32_t length) { return length == form.capacity; });
}

void add(kernels::Jobs& jobs, const kernels::FieldJob& job) noexcept {
    jobs.field[jobs.count++] = job;
}

}  // namespace

CudaCopyStream::CudaCopyStream(int ordinal, const CopyForm& form, const PinnedRing& ring)
    : ordinal_(ordinal),
      form_(form),
      ring_(ring),
      stream_(make_stream(ordinal)),
      unpack_(make_stream(ordinal)),
      clock_(make_stream(ordinal)),
      copies_(ordinal, stream_.get(), ring) {
    const CurrentDevice current(ordinal_);
    load();
    const bool is_pinned = ring_.refusal().empty();
    if (!is_pinned) {
        // Each field begins at a multiple of 256 bytes.
        bounce_.emplace(ordinal_, form_.values_bytes + kBufferAlignment * form_.fields.size());
    }
    allocate_staging();
    if (!is_pinned) return;
    const bool is_mapped = !form_.fields.empty() && ring_.device_address(form_.fields[0].rows);
    if (form_.transfer == Transfer::gather && !is_mapped) {
        throw UsageError("device cuda:" + std::to_string(ordinal_) +
                         ": it cannot read the ring's memory, which transfer gather wants; choose "
                         "automatic, copy, trim or direct");
    }
    if (form_.transfer == Transfer::automatic) {
        rates_ = measure_link(ordinal_, stream_.get(), ring_, strip_blocks_);
    }
}

CudaCopyStream::~CudaCopyStream() {
    pass_over(cudaStreamSynchronize(stream_.get()));
    pass_over(cudaStreamSynchronize(unpack_.get()));
    pass_over(cudaStreamSynchronize(clock_.get()));
}

// What would otherwise happen at the first batch.
void CudaCopyStream::load() {
    check(kernels::load_kernels(), ordinal_, "load_kernels");
    strip_blocks_ = strip_blocks(ordinal_);
}

// Rows as wide as slots, one field behind the other. Not where no way needs them, nor, where a
// choice is left, beyond the limit that the user has set for a batch.
void CudaCopyStream::allocate_staging() {
    const bool is_wanted =
        bounce_ ? form_.layout != Layout::packed
                : form_.transfer != Transfer::direct && form_.transfer != Transfer::gather;
    if (!is_wanted || keeps_rows()) return;
    std::vector<std::size_t> at;
    std::size_t bytes = 0;
    for (const FieldForm& field : form_.fields) {
        at.push_back(bytes);
        bytes += aligned(form_.batch * field.row_bytes);
    }
    if (bounce_) {
        // The payload alone, packed.
        bytes = form_.values_bytes + kBufferAlignment * form_.fields.size();
    } else if (form_.transfer == Transfer::automatic && 2 * bytes > form_.staging_limit) {
        return;
    }
    for (Staging& staging : staging_) {
        staging.memory = allocate_device(ordinal_, bytes);
        staging.unpacked = make_event(ordinal_);
    }
    staging_at_ = std::move(at);
}

// ---- the stream --------------------------------------------------------------------------------

void CudaCopyStream::wait(Event& event) {
    const CurrentDevice current(ordinal_);
    check(cudaStreamWaitEvent(stream_.get(), event_of(event), 0), ordinal_, "cudaStreamWaitEvent");
}

// The second stream has waited for the copies of the last batch, so all is behind its end.
void CudaCopyStream::record(Event& event) {
    const CurrentDevice current(ordinal_);
    check(cudaEventRecord(event_of(event), unpack_.get()), ordinal_, "cudaEventRecord");
}

void CudaCopyStream::mark_begin(Event& event) {
    const CurrentDevice current(ordinal_);
    check(cudaEventRecord(event_of(event), stream_.get()), ordinal_, "cudaEventRecord");
}

void CudaCopyStream::stamp(Event& event) {
    const CurrentDevice current(ordinal_);
    check(cudaEventRecord(event_of(event), clock_.get()), ordinal_, "cudaEventRecord");
}

std::uint64_t CudaCopyStream::enqueue(const BatchPlan& plan, const BatchTarget& target,
                                      Event& moved) {
    const CurrentDevice current(ordinal_);
    Work work;
    const Batch batch{plan, target, work};
    check(cudaMemcpyAsync(target.head, plan.head.data(), plan.head.size(), cudaMemcpyHostToDevice,
                          stream_.get()),
          ordinal_, "cudaMemcpyAsync of a batch's head");
    std::uint64_t bytes = plan.head.size();
    if (!plan.slots.empty()) {
        turn_ = 1 - turn_;
        if (may_stage()) {
            // Its rows of the batch before the last one have been stripped.
            check(cudaStreamWaitEvent(stream_.get(), staging_[turn_].unpacked.get(), 0), ordinal_,
                  "cudaStreamWaitEvent of a staging buffer");
        }
        if (bounce_) bounce_->begin();
        for (std::size_t field = 0; field < plan.fields.size(); ++field) {
            bytes += bring(batch, field);
        }
        copies_.submit();
        if (bounce_) bounce_->end(stream_.get());
        launch(work.gather, kernels::launch_gather, kGatherBlocks, stream_.get(), "gather");
    }
    unpack(work, moved);
    return bytes;
}

// What is left to do when the batch has been moved.
void CudaCopyStream::unpack(const Work& work, Event& moved) {
    cudaStream_t const stream = unpack_.get();
    check(cudaEventRecord(event_of(moved), stream_.get()), ordinal_, "cudaEventRecord");
    check(cudaStreamWaitEvent(stream, event_of(moved), 0), ordinal_, "cudaStreamWaitEvent");
    launch(work.strip, kernels::launch_strip, strip_blocks_, stream, "strip");
    launch(work.pad, kernels::launch_pad, strip_blocks_, stream, "pad");
    launch(work.fill, kernels::launch_fill_tails, strip_blocks_, stream, "fill tails");
    if (!may_stage()) return;
    check(cudaEventRecord(staging_[turn_].unpacked.get(), stream), ordinal_, "cudaEventRecord");
}

void CudaCopyStream::launch(const kernels::Jobs& jobs,
                            cudaError_t (*kernel)(const kernels::Jobs&, unsigned, cudaStream_t),
                            unsigned max_blocks, cudaStream_t stream, const char* name) const {
    if (jobs.count == 0) return;
    const cudaError_t error = kernel(jobs, max_blocks, stream);
    if (error != cudaSuccess) check(error, ordinal_, "launch of the kernel " + std::string(name));
}

// ---- one field of a batch ----------------------------------------------------------------------

Transfer CudaCopyStream::choose(const BatchPlan& plan, std::size_t i) const {
    if (form_.transfer != Transfer::automatic) return form_.transfer;
    const FieldForm& form = form_.fields[i];
    const FieldPlan& field = plan.fields[i];
    return cheapest(
        rates_,
        {.records = plan.slots.size(),
         .runs = count_runs(plan.slots),
         .row_bytes = form.row_bytes,
         .longest_bytes = static_cast<std::uint64_t>(field.longest) * form.element_bytes,
         .payload_bytes = static_cast<std::uint64_t>(field.offsets.back()) * form.element_bytes,
         .element_bytes = form.element_bytes,
         .keeps_rows = keeps_rows(),
         .lengths = field.lengths},
        may_stage() || keeps_rows());
}

std::uint64_t CudaCopyStream::bring(const Batch& batch, std::size_t field) {
    if (bounce_) return bring_by_bounce(batch, field);
    switch (choose(batch.plan, field)) {
        case Transfer::trim: return bring_trimmed(batch, field);
        case Transfer::direct: return bring_records(batch, field);
        case Transfer::gather: return bring_by_kernel(batch, field);
        case Transfer::automatic:
        case Transfer::copy: break;
    }
    return bring_rows(batch, field);
}

// All that does not depend on where the payload comes from.
kernels::FieldJob CudaCopyStream::job_of(const Batch& batch, std::size_t i) const {
    const FieldPlan& field = batch.plan.fields[i];
    return {.source = nullptr,
            .rows = nullptr,
            .row_bytes = 0,
            .target = batch.target.values[i],
            .width = static_cast<std::uint64_t>(field.width),
            .offsets = batch.target.head + field.offsets_at,
            .total = static_cast<std::uint64_t>(field.offsets.back()),
            .pad = pattern_of(form_.fields[i]),
            .records = static_cast<std::uint32_t>(batch.plan.slots.size()),
            .element_bytes = static_cast<std::uint32_t>(form_.fields[i].element_bytes),
            .wide_offsets = field.offsets.wide()};
}

void CudaCopyStream::add_unpacking(const Batch& batch, const kernels::FieldJob& job) const {
    add(form_.layout == Layout::packed ? batch.work.strip : batch.work.pad, job);
}

// The payload is in its rows: what is left are their tails, where these matter.
void CudaCopyStream::add_tails(const Batch& batch, const kernels::FieldJob& job) const {
    if (form_.layout != Layout::packed && !keeps_rows()) add(batch.work.fill, job);
}

// Whole rows, padding and all.
std::uint64_t CudaCopyStream::bring_rows(const Batch& batch, std::size_t i) {
    const FieldForm& form = form_.fields[i];
    // Full records without a gap between them are packed already.
    const bool is_packed = form_.layout == Layout::packed &&
                           form.row_bytes == form.capacity * form.element_bytes &&
                           is_full(form, batch.plan.fields[i]);
    const bool is_in_place = is_packed || keeps_rows();
    std::byte* const to = is_in_place ? batch.target.values[i] : staging_of(i);
    std::uint64_t bytes = 0;
    for_each_run(batch.plan.slots, [&](const SlotRun& run) {
        bytes +=
            copies_.copy(to + run.first_record * form.row_bytes,
                         form.rows + run.first_slot * form.row_bytes, run.records * form.row_bytes);
    });
    if (is_in_place) return bytes;
    kernels::FieldJob job = job_of(batch, i);
    job.source = to;
    job.row_bytes = form.row_bytes;
    add_unpacking(batch, job);
    return bytes;
}

// Rows as wide as the longest record; where the layout has rows, straight into these.
std::uint64_t CudaCopyStream::bring_trimmed(const Batch& batch, std::size_t i) {
    const FieldForm& form = form_.fields[i];
    const FieldPlan& field = batch.plan.fields[i];
    const std::size_t width = static_cast<std::size_t>(field.longest) * form.element_bytes;
    const bool has_rows = form_.layout != Layout::packed;
    const std::size_t pitch = has_rows ? static_cast<std::size_t>(field.width) * form.element_bytes
                                       : (width + kVectorBytes - 1) / kVectorBytes * kVectorBytes;
    std::byte* const to = has_rows ? batch.target.values[i] : staging_of(i);
    std::uint64_t bytes = 0;
    for_each_run(batch.plan.slots, [&](const SlotRun& run) {
        bytes += copies_.copy_rows(to + run.first_record * pitch, pitch,
                                   form.rows + run.first_slot * form.row_bytes, form.row_bytes,
                                   width, run.records);
    });
    kernels::FieldJob job = job_of(batch, i);
    if (has_rows) {
        add_tails(batch, job);
        return bytes;
    }
    job.source = to;
    job.row_bytes = pitch;
    add_unpacking(batch, job);
    return bytes;
}

// Each record by itself, straight to its place.
std::uint64_t CudaCopyStream::bring_records(const Batch& batch, std::size_t i) {
    const FieldForm& form = form_.fields[i];
    const FieldPlan& field = batch.plan.fields[i];
    std::uint64_t bytes = 0;
    for (std::size_t record = 0; record < batch.plan.slots.size(); ++record) {
        const std::int64_t at = field.width == 0 ? field.offsets[record]
                                                 : static_cast<std::int64_t>(record) * field.width;
        bytes +=
            copies_.note(batch.target.values[i] + static_cast<std::size_t>(at) * form.element_bytes,
                         form.rows + batch.plan.slots[record] * form.row_bytes,
                         std::size_t{field.lengths[record]} * form.element_bytes);
    }
    add_tails(batch, job_of(batch, i));
    return bytes;
}

// The payload alone, by a kernel that reads the ring.
std::uint64_t CudaCopyStream::bring_by_kernel(const Batch& batch, std::size_t i) const {
    kernels::FieldJob job = job_of(batch, i);
    job.source = ring_.device_address(form_.fields[i].rows).value();
    job.row_bytes = form_.fields[i].row_bytes;
    // The slots came over with the head.
    job.rows = reinterpret_cast<const std::uint32_t*>(batch.target.head + batch.plan.slots_at);
    add(batch.work.gather, job);
    add_tails(batch, job);
    return job.total * job.element_bytes;
}

// Packed by the host, and copied as it is; rows are made on the GPU.
std::uint64_t CudaCopyStream::bring_by_bounce(const Batch& batch, std::size_t i) {
    if (keeps_rows()) return bring_rows_by_bounce(batch, i);
    kernels::FieldJob job = job_of(batch, i);
    const std::byte* const from =
        bounce_->pack(form_.fields[i], batch.plan.fields[i], batch.plan.slots);
    const std::size_t bytes = job.total * job.element_bytes;
    if (bytes != 0) {
        std::byte* to = batch.target.values[i];
        if (form_.layout != Layout::packed)
            to = staging_[turn_].memory.get() + bounce_->place_of(from);
        job.source = to;
        check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, stream_.get()), ordinal_,
              "cudaMemcpyAsync from a bounce buffer");
    }
    if (form_.layout != Layout::packed) add(batch.work.pad, job);
    return bytes;
}

// Packed by the host, and taken apart by the copies: each record goes to its row.
std::uint64_t CudaCopyStream::bring_rows_by_bounce(const Batch& batch, std::size_t i) {
    const FieldForm& form = form_.fields[i];
    const FieldPlan& field = batch.plan.fields[i];
    const std::byte* from = bounce_->pack(form, field, batch.plan.slots);
    std::uint64_t bytes = 0;
    for (std::size_t record = 0; record < batch.plan.slots.size(); ++record) {
        const std::size_t length = std::size_t{field.lengths[record]} * form.element_bytes;
        bytes += copies_.note_block(batch.target.values[i] + record * form.row_bytes, from, length);
        from += length;
    }
    return bytes;
}

}  // namespace headrace::device::cuda
