#include "loader/cuda_loader_run.hpp"

#include <algorithm>
#include <cstring>
#include <memory>

#include "headrace/error.hpp"

namespace headrace {

// ---- a batch's memory --------------------------------------------------------------------------

LateCheck::LateCheck(const Batch& batch) : LateCheck(batch, {}) {}

LateCheck::LateCheck(const Batch& batch, std::span<const StripTarget> targets)
    : first_(batch.first_index()) {
    std::vector<std::vector<float>> floats;
    std::vector<std::vector<std::int32_t>> ints;
    for (const std::uint64_t item : batch.items()) {
        floats.push_back(floats_of(item));
        ints.push_back(ints_of(item));
    }
    add_field(batch, 0, floats, targets);
    add_field(batch, 1, ints, targets);
}

template <class T>
void LateCheck::add_field(const Batch& batch, std::size_t field,
                          const std::vector<std::vector<T>>& rows,
                          std::span<const StripTarget> targets) {
    FieldCheck check;
    const auto append = [](std::vector<std::byte>& bytes, const void* data, std::size_t size) {
        const auto* const from = static_cast<const std::byte*>(data);
        bytes.insert(bytes.end(), from, from + size);
    };
    const bool is_wide = batch.offsets_dtype() == DType::i64;
    const bool is_packed = !targets.empty() || batch.layout() == Layout::packed;
    const auto width = is_packed ? 0 : static_cast<std::size_t>(batch.width(field));
    std::int64_t end = 0;
    const auto append_offset = [&] {
        const auto narrow = static_cast<std::int32_t>(end);
        if (is_wide) {
            append(check.wanted_offsets, &end, sizeof end);
        } else {
            append(check.wanted_offsets, &narrow, sizeof narrow);
        }
    };
    append_offset();
    for (std::vector<T> row : rows) {
        end += static_cast<std::int64_t>(row.size());
        append_offset();
        // What is behind it in the layout rows may be anything.
        const std::size_t payload = row.size();
        if (width != 0) row.resize(width);
        const std::size_t looked_at = batch.layout() == Layout::rows ? payload : row.size();
        check.parts.push_back({check.wanted_values.size(), looked_at * sizeof(T)});
        append(check.wanted_values, row.data(), row.size() * sizeof(T));
    }
    const void* const offsets = is_wide
                                    ? static_cast<const void*>(batch.offsets<std::int64_t>(field))
                                    : batch.offsets<std::int32_t>(field);
    check.values =
        SimulatedCuda::place_of(targets.empty() ? batch.data(field) : targets[field].values);
    check.offsets = SimulatedCuda::place_of(targets.empty() ? offsets : targets[field].offsets);
    fields_.push_back(std::move(check));
}

std::string LateCheck::look() const {
    for (std::size_t i = 0; i < fields_.size(); ++i) {
        const FieldCheck& field = fields_[i];
        const std::string where =
            "batch of " + std::to_string(first_) + ", field " + std::to_string(i) + ": its ";
        if (!std::equal(field.wanted_offsets.begin(), field.wanted_offsets.end(), field.offsets)) {
            return where + "offsets";
        }
        for (const Part& part : field.parts) {
            const auto wanted = field.wanted_values.begin() + static_cast<std::ptrdiff_t>(part.at);
            if (!std::equal(wanted, wanted + static_cast<std::ptrdiff_t>(part.bytes),
                            field.values + part.at)) {
                return where + "values";
            }
        }
    }
    return {};
}

void LateCheck::scribble() const {
    for (const FieldCheck& field : fields_) {
        std::fill_n(field.values, field.wanted_values.size(), std::byte{0x5c});
    }
}

std::vector<Simulator::Access> LateCheck::touches(bool writes) const {
    std::vector<Simulator::Access> accesses;
    for (const FieldCheck& field : fields_) {
        accesses.push_back({field.values, field.wanted_values.size(), writes});
        accesses.push_back({field.offsets, field.wanted_offsets.size(), false});
    }
    return accesses;
}

// ---- a seed ------------------------------------------------------------------------------------

CudaLoaderPlan CudaLoaderPlan::of(std::uint64_t seed) {
    std::mt19937_64 random(seed);
    const auto draw = [&](std::uint64_t below) {
        return static_cast<std::uint32_t>(random() % below);
    };
    CudaLoaderPlan plan{.seed = seed};
    // Measuring the link takes longer than all the rest.
    constexpr Transfer kTransfers[] = {Transfer::copy, Transfer::trim, Transfer::direct,
                                       Transfer::gather};
    plan.transfer = draw(12) == 0 ? Transfer::automatic : kTransfers[draw(4)];
    constexpr Layout kLayouts[] = {Layout::packed, Layout::trimmed, Layout::padded, Layout::rows};
    plan.layout = kLayouts[draw(4)];
    plan.wide_offsets = draw(2) == 0;
    plan.batch = 1 + draw(8);
    plan.depth = 1 + draw(4);
    plan.slots = 2 * plan.batch + draw(2 * plan.batch);
    plan.epoch_records = 1 + draw(60);
    plan.epochs = 1 + draw(3);
    plan.producers = 1 + draw(2);
    plan.streams = 1 + draw(3);
    plan.strips = (plan.layout == Layout::rows || plan.layout == Layout::packed) && draw(3) != 0;
    plan.uses_default_stream = draw(4) == 0;
    plan.gives_back_elsewhere = draw(2) == 0;
    plan.leases_outlive = draw(4) == 0;
    if (draw(4) == 0) plan.most_batches = draw(20);
    return plan;
}

std::string CudaLoaderPlan::describe() const {
    return "seed " + std::to_string(seed) + ": " + std::string(name_of(transfer)) + ", " +
           std::string(name_of(layout)) + (strips ? ", stripped" : "") + ", batch " +
           std::to_string(batch) + ", depth " + std::to_string(depth) + ", slots " +
           std::to_string(slots) + ", " + std::to_string(epochs) + " epochs of " +
           std::to_string(epoch_records);
}

// ---- the run -----------------------------------------------------------------------------------

CudaLoaderRun::CudaLoaderRun(SimulatedCuda& cuda, const CudaLoaderPlan& plan, RingOptions options,
                             int ordinal)
    : cuda_(cuda),
      plan_(plan),
      options_(std::move(options)),
      ordinal_(ordinal),
      random_(plan.seed + 1),
      seen_(plan.epoch_records) {
    options_.slots = plan_.slots;
    options_.epoch_records = plan_.epoch_records;
    options_.epochs = static_cast<std::uint32_t>(plan_.epochs);
    options_.shuffle_seed = plan_.seed;
    for (unsigned i = 0; i < plan_.streams; ++i) {
        const bool is_default = i == 0 && plan_.uses_default_stream;
        streams_.push_back(is_default ? nullptr : cuda_.make_stream(ordinal_));
    }
}

void CudaLoaderRun::run() {
    // The streams have passed when all else is gone, whatever is thrown.
    struct AtTheEnd {
        CudaLoaderRun& run;
        ~AtTheEnd() {
            for (std::thread& giver : run.givers_) giver.join();
            for (const cudaStream_t stream : run.streams_) {
                run.cuda_.synchronize(stream, run.ordinal_);
            }
            for (std::byte* const memory : run.memory_) run.cuda_.free(memory, run.ordinal_);
        }
    } at_the_end{*this};
    Ring ring = Ring::create(options_);
    std::vector<std::unique_ptr<Writer>> writers;
    for (unsigned i = 0; i < plan_.producers; ++i)
        writers.push_back(std::make_unique<Writer>(ring));
    std::vector<Batch> leases;
    std::optional<Loader> loader;
    loader.emplace(ring, LoaderOptions{.batch = plan_.batch,
                                       .layout = plan_.layout,
                                       .device = Device::cuda(ordinal_),
                                       .depth = plan_.depth,
                                       .transfer = plan_.transfer,
                                       .offsets = plan_.wide_offsets ? DType::i64 : DType::i32});
    has_begun_ = true;
    take_batches(*loader, leases);
    if (!plan_.leases_outlive) leases.clear();
    loader.reset();
    writers.clear();  // who writes on moves the books while they are read
    stats_ = ring.stats();
}

void CudaLoaderRun::take_batches(Loader& loader, std::vector<Batch>& leases) {
    std::uint64_t epoch = 0;
    while (batches_ < plan_.most_batches) {
        const std::size_t stream = draw(streams_.size());
        Result<Batch> batch = loader.next({streams_[stream]});
        if (batch.outcome() == Outcome::end) break;
        if (batch.outcome() == Outcome::end_of_epoch) ++epoch;
        if (!batch) continue;
        ++batches_;
        if (batch->epoch() != epoch) complain("a batch of another epoch");
        for (const std::uint64_t item : batch->items()) ++seen_[item];
        use(*batch, stream);
        leases.push_back(std::move(*batch));
        while (!leases.empty() && (leases.size() == plan_.depth || draw(3) != 0)) {
            give_back_one(leases);
        }
    }
    if (batches_ == plan_.most_batches) return;
    const std::vector<std::uint64_t> wanted(plan_.epoch_records, plan_.epochs);
    if (seen_ != wanted) complain("not each record once an epoch");
}

// Late: other work comes first. Then perhaps on another stream, too, which waits for this one.
void CudaLoaderRun::use(Batch& batch, std::size_t number) {
    const auto check = std::make_shared<LateCheck>(batch);
    cudaStream_t stream = streams_[number];
    cuda_.enqueue(stream, {.run = [](std::size_t) {}, .pieces = 1 + draw(6)}, ordinal_);
    look(stream, check);
    if (streams_.size() > 1 && draw(2) == 0) {
        const cudaStream_t other = streams_[(number + 1) % streams_.size()];
        cuda_.wait_for(other, stream, ordinal_);
        batch.used_on({other});
        look(other, check);
        stream = other;
    }
    const bool writes = draw(2) == 0;
    if (plan_.strips && draw(2) == 0) {
        // Any stream, which need not wait for the batch by itself.
        const cudaStream_t other = streams_[draw(streams_.size())];
        strip(batch, other);
        if (writes && other != stream) cuda_.wait_for(stream, other, ordinal_);
    }
    if (!writes) return;
    cuda_.enqueue(
        stream,
        {.run = [check](std::size_t) { check->scribble(); }, .touches = check->touches(true)},
        ordinal_);
}

void CudaLoaderRun::look(cudaStream_t stream, const std::shared_ptr<LateCheck>& check,
                         std::vector<Simulator::Access> touches) {
    const auto run = [this, check](std::size_t) {
        const std::string wrong = check->look();
        if (!wrong.empty()) complain(wrong);
    };
    for (const Simulator::Access& access : check->touches(false)) touches.push_back(access);
    cuda_.enqueue(stream, {.run = run, .touches = std::move(touches)}, ordinal_);
}

// Into memory that holds rubbish before, and is looked at on the same stream.
void CudaLoaderRun::strip(Batch& batch, cudaStream_t stream) {
    std::vector<StripTarget> targets;
    for (std::size_t field = 0; field < batch.schema().size(); ++field) {
        const auto total = static_cast<std::size_t>(batch.total(field));
        for (const std::size_t bytes : {total * 4, (batch.size() + 1) * 8}) {
            memory_.push_back(cuda_.allocate(bytes, ordinal_));
        }
        targets.push_back({.values = memory_[memory_.size() - 2], .offsets = memory_.back()});
    }
    batch.strip_into(targets, {stream});
    // Where the batch's memory has gone too early there is nothing to look at.
    look(stream, std::make_shared<LateCheck>(batch, targets), LateCheck(batch).touches(false));
}

void CudaLoaderRun::give_back_one(std::vector<Batch>& leases) {
    const auto lease = leases.begin() + static_cast<std::ptrdiff_t>(draw(leases.size()));
    Batch batch = std::move(*lease);
    leases.erase(lease);
    if (!plan_.gives_back_elsewhere || draw(4) != 0) return;
    givers_.emplace_back([given = std::move(batch)]() mutable { given.release(); });
}

void CudaLoaderRun::complain(const std::string& text) {
    const std::lock_guard lock(mutex_);
    if (wrong_.empty()) wrong_ = text;
}

std::string CudaLoaderRun::wrong() const {
    const std::lock_guard lock(mutex_);
    return wrong_;
}

}  // namespace headrace
