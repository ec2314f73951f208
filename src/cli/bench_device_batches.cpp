#include "cli/bench_device_batches.hpp"

#include <cstring>

#include "headrace/error.hpp"
#include "headrace/loader.hpp"

namespace headrace::cli {

namespace {

constexpr std::size_t kPlaces = 2;
constexpr std::byte kJunk{0xa5};

template <class T>
std::vector<T> read_back(device::Ceilings& ceilings, const std::byte* from, std::int64_t count) {
    std::vector<T> values(static_cast<std::size_t>(count));
    ceilings.read(std::as_writable_bytes(std::span(values)), from);
    return values;
}

}  // namespace

// ---- RingRows ----

RingRows::RingRows(std::uint32_t floats, std::uint32_t ints, std::uint32_t slots)
    : schema_(Schema::float_int(floats, ints)),
      slots_(slots),
      geometry_(ring::Geometry::of(schema_, slots)),
      file_(ring::make_memory("bench-device", geometry_.memory_bytes)),
      mapping_(file_.get(), geometry_.memory_bytes, ring::Mapping::Access::read_write) {
    static_cast<void>(mapping_.collapse_into_huge_pages());  // as a ring asks for them
    for (std::uint32_t field = 0; field < schema_.size(); ++field) {
        for (std::uint32_t slot = 0; slot < slots; ++slot) {
            auto* const row =
                reinterpret_cast<std::uint32_t*>(rows(field) + slot * row_bytes(field));
            write_pattern(std::span(row, schema_[field].capacity), pattern_base(slot, field));
        }
    }
}

// ---- CarriedBatches ----

CarriedBatches::CarriedBatches(device::Backend& backend, const RingRows& rows, std::uint32_t batch,
                               double fill)
    : backend_(backend),
      rows_(rows),
      shape_{rows.schema()[kFloats].capacity, rows.schema()[kInts].capacity, fill},
      begun_(backend.make_event()),
      ended_(backend.make_event()) {
    LoaderOptions options;
    options.batch = batch;
    form_ = detail::BatchForm::of(rows.schema(), rows.slots(), options);
    for (std::size_t i = 0; i < kPlaces; ++i) {
        places_.push_back({backend.allocate(form_.values_bytes),
                           backend.allocate(form_.head_bytes()), backend.make_event()});
    }
    batches_.reserve(rows.slots() / batch);
    for (std::uint32_t first = 0; first + batch <= rows.slots(); first += batch) plan(first);
}

void CarriedBatches::plan(std::uint32_t first_slot) {
    const RecordCheck expected(shape_);
    const Place& place = places_[batches_.size() % kPlaces];
    Batch& batch = batches_.emplace_back();
    for (std::uint32_t i = 0; i < form_.batch; ++i) {
        batch.slots.push_back(first_slot + i);
        batch.taken.indices.push_back(first_slot + i);
    }
    for (const std::uint32_t slot : batch.slots) {
        batch.taken.lengths.push_back(expected.floats_of(slot));
    }
    for (const std::uint32_t slot : batch.slots) {
        batch.taken.lengths.push_back(expected.ints_of(slot));
    }
    batch.host_head = backend_.allocate_host(form_.head_bytes());
    std::memset(batch.host_head->data(), 0, form_.head_bytes());
    batch.moved = backend_.make_event();
    detail::make_plan(form_, batch.taken, batch.slots,
                      {place.values->data(), place.head->data(), batch.host_head->data()},
                      batch.shapes, batch.plan, batch.target);
    for (const detail::FieldShape& shape : batch.shapes) {
        payload_bytes_ += static_cast<std::uint64_t>(shape.total) * sizeof(std::uint32_t);
    }
}

device::CopyForm CarriedBatches::form(Transfer transfer) const {
    return form_.copy_form(transfer, rows_.memory().data(), rows_.geometry());
}

CarriedBatches::Carried CarriedBatches::carry(device::CopyStream& stream, unsigned rounds) {
    Carried carried{.payload_bytes = payload_bytes_ * rounds};
    stream.mark_begin(*begun_);
    for (unsigned round = 0; round < rounds; ++round) {
        for (std::size_t i = 0; i < batches_.size(); ++i) {
            // As the loader does: the batch that was here before is complete.
            device::Event& filled = *places_[i % kPlaces].filled;
            stream.wait(filled);
            carried.link_bytes +=
                stream.enqueue(batches_[i].plan, batches_[i].target, *batches_[i].moved);
            stream.record(filled);
        }
    }
    stream.record(*ended_);
    backend_.synchronize(*ended_);
    const std::optional<double> seconds = backend_.seconds_between(*begun_, *ended_);
    if (!seconds || *seconds <= 0) {
        throw DeviceError("device " + backend_.name() + ": it does not tell how long copies took");
    }
    carried.seconds = *seconds;
    return carried;
}

std::string CarriedBatches::fault_of(device::CopyStream& stream, device::Ceilings& ceilings) {
    for (std::size_t i = 0; i < batches_.size(); ++i) {
        Batch& batch = batches_[i];
        const Place& place = places_[i % kPlaces];
        ceilings.fill(place.values->data(), kJunk, form_.values_bytes);
        ceilings.fill(place.head->data(), kJunk, form_.head_bytes());
        stream.enqueue(batch.plan, batch.target, *batch.moved);
        stream.record(*ended_);
        backend_.synchronize(*ended_);
        std::string fault = fault_of(batch, ceilings);
        if (!fault.empty()) return fault;
    }
    return {};
}

std::string CarriedBatches::fault_of(const Batch& batch, device::Ceilings& ceilings) const {
    std::vector<std::byte> head(form_.head_bytes());
    ceilings.read(head, batch.target.head);
    if (std::memcmp(head.data(), batch.host_head->data(), head.size()) != 0) {
        return "the offsets on the device are not those on the host";
    }
    const auto floats = read_back<float>(ceilings, batch.target.values[kFloats],  //
                                         batch.shapes[kFloats].total);
    const auto ints = read_back<std::int32_t>(ceilings, batch.target.values[kInts],  //
                                              batch.shapes[kInts].total);
    RecordCheck check(shape_);
    std::size_t float_at = 0, int_at = 0;
    for (const std::uint64_t index : batch.taken.indices) {
        const std::span some_floats(floats.data() + float_at, check.floats_of(index));
        const std::span some_ints(ints.data() + int_at, check.ints_of(index));
        if (!check.check(index, some_floats, some_ints)) return check.mismatch();
        float_at += some_floats.size();
        int_at += some_ints.size();
    }
    return {};
}

}  // namespace headrace::cli
