#include "device/simulated_backend.hpp"

#include <cstring>

#include "device/simulated_parts.hpp"
#include "headrace/error.hpp"

namespace headrace::device {

namespace {

class SimulatedBuffer final : public Buffer {
  public:
    SimulatedBuffer(std::shared_ptr<Simulator> simulator, std::size_t bytes,
                    Simulator::Memory memory)
        : simulator_(std::move(simulator)),
          data_(static_cast<std::byte*>(simulator_->allocate(bytes, memory))) {}
    SimulatedBuffer(const SimulatedBuffer&) = delete;
    SimulatedBuffer& operator=(const SimulatedBuffer&) = delete;
    ~SimulatedBuffer() override { simulator_->free(data_); }
    std::byte* data() const noexcept override { return data_; }

  private:
    std::shared_ptr<Simulator> simulator_;
    std::byte* data_;
};

// Where a field lies on its way to the trainer's memory, in bytes.
struct Extents {
    Extents(const StripField& field, std::size_t records, bool wide_offsets)
        : payload(field.total * field.element_bytes),
          values(field.row_bytes == 0 ? payload : records * field.row_bytes),
          offsets((records + 1) * Offsets::bytes_of_one(wide_offsets)) {}
    std::size_t payload, values, offsets;
};

std::vector<Simulator::Access> touches_of(const StripField& field, const Extents& bytes) {
    std::vector<Simulator::Access> touches{{field.offsets, bytes.offsets, false}};
    if (field.to_offsets != nullptr) touches.push_back({field.to_offsets, bytes.offsets, true});
    if (field.total == 0) return touches;
    touches.push_back({field.values, bytes.values, false});
    touches.push_back({field.to_values, bytes.payload, true});
    return touches;
}

// Records [first, last). Where the offsets are none of the batch's, nothing: what was in the
// trainer's memory stays there.
void strip_records(const StripField& field, const Offsets& offsets, std::size_t first,
                   std::size_t last) {
    for (std::size_t record = first; record < last; ++record) {
        const std::int64_t begin = offsets[record], end = offsets[record + 1];
        if (begin < 0 || end <= begin || end > static_cast<std::int64_t>(field.total)) continue;
        const std::size_t at = static_cast<std::size_t>(begin) * field.element_bytes;
        const std::size_t bytes = static_cast<std::size_t>(end - begin) * field.element_bytes;
        const bool is_packed = field.row_bytes == 0;
        if (!is_packed && bytes > field.row_bytes) continue;
        const std::size_t from = is_packed ? at : record * field.row_bytes;
        std::memcpy(field.to_values + at, field.values + from, bytes);
    }
}

Simulator::Stream* stream_of(StreamRef stream) {
    return static_cast<Simulator::Stream*>(stream.native);
}

std::string_view name_of(SimulatedBackend::Fault fault) {
    using Fault = SimulatedBackend::Fault;
    switch (fault) {
        case Fault::none: break;
        case Fault::allocate: return "allocate";
        case Fault::make_copy_stream: return "make_copy_stream";
        case Fault::enqueue:
        case Fault::enqueue_halfway: return "enqueue";
        case Fault::copy_stream: return "copy stream";
        case Fault::copying: return "copying";
        case Fault::synchronize: return "synchronize";
        case Fault::record_on_stream: return "record";
        case Fault::wait_on_stream: return "wait";
        case Fault::strip: return "strip";
        case Fault::is_complete: return "is_complete";
    }
    return "?";
}

}  // namespace

void SimulatedStream::wait_for(const SimulatedStream& other) {
    Simulator::Event* const event = simulator_->make_event();
    simulator_->record(event, other.stream_);
    simulator_->wait(stream_, event);
    simulator_->destroy(event);
}

SimulatedBackend::SimulatedBackend(std::uint64_t seed)
    : SimulatedBackend(std::make_shared<Simulator>(seed), seed) {}

SimulatedBackend::SimulatedBackend(std::shared_ptr<Simulator> simulator, std::uint64_t seed)
    : simulator_(std::move(simulator)), random_(seed) {}

// ---- what the test steers it with --------------------------------------------------------------

void SimulatedBackend::start_again(std::uint64_t seed) {
    simulator_->synchronize();
    simulator_->forget();
    simulator_->reseed(seed);
    const std::lock_guard lock(mutex_);
    random_.seed(seed);
    refusal_.clear();
    copying_s_ = stripping_s_ = 0;
    fault_ = Fault::none;
    sabotage_ = Sabotage::none;
    seen_ = {};
}

void SimulatedBackend::hold_enqueue() {
    const std::lock_guard lock(mutex_);
    enqueue_held_ = true;
}

void SimulatedBackend::let_enqueue_go() {
    {
        const std::lock_guard lock(mutex_);
        enqueue_held_ = false;
    }
    changed_.notify_all();
}

void SimulatedBackend::fail_at(Fault fault, std::uint64_t calls_before) {
    const std::lock_guard lock(mutex_);
    fault_ = fault;
    calls_before_fault_ = calls_before;
}

void SimulatedBackend::take(double copying_s, double stripping_s) {
    const std::lock_guard lock(mutex_);
    copying_s_ = copying_s;
    stripping_s_ = stripping_s;
}

void SimulatedBackend::refuse_registration(std::string reason) {
    const std::lock_guard lock(mutex_);
    refusal_ = std::move(reason);
}

void SimulatedBackend::sabotage(Sabotage sabotage) {
    const std::lock_guard lock(mutex_);
    sabotage_ = sabotage;
}

SimulatedBackend::Seen SimulatedBackend::seen() const {
    const std::lock_guard lock(mutex_);
    return seen_;
}

std::uint64_t SimulatedBackend::mistakes() const {
    return simulator_->mistakes().total() + seen().plans_changed;
}

bool SimulatedBackend::is_sabotaged() const {
    const std::lock_guard lock(mutex_);
    return sabotage_ != Sabotage::none;
}

bool SimulatedBackend::is_sabotaged(Sabotage sabotage) const {
    const std::lock_guard lock(mutex_);
    return sabotage_ == sabotage;
}

bool SimulatedBackend::is_due(Fault fault) {
    const std::lock_guard lock(mutex_);
    if (fault_ != fault || calls_before_fault_-- != 0) return false;
    fault_ = Fault::none;
    ++seen_.faults;
    return true;
}

// Throws when this call shall fail, or a copy has failed before.
void SimulatedBackend::check(Fault fault) {
    if (const std::exception_ptr failure = simulator_->failure()) std::rethrow_exception(failure);
    if (!is_due(fault)) return;
    throw DeviceError("device simulated: " + std::string(name_of(fault)) +
                      ": a fault that the test asked for");
}

// ---- the device --------------------------------------------------------------------------------

std::unique_ptr<device::Registration> SimulatedBackend::register_host(std::span<std::byte> memory) {
    const std::lock_guard lock(mutex_);
    return std::make_unique<Registration>(simulator_, memory, refusal_);
}

std::unique_ptr<Buffer> SimulatedBackend::allocate(std::size_t bytes) {
    check(Fault::allocate);
    return std::make_unique<SimulatedBuffer>(simulator_, bytes, Simulator::Memory::device);
}

std::unique_ptr<Buffer> SimulatedBackend::allocate_host(std::size_t bytes) {
    check(Fault::allocate);
    return std::make_unique<SimulatedBuffer>(simulator_, bytes, Simulator::Memory::pinned);
}

std::unique_ptr<device::Event> SimulatedBackend::make_event() {
    return std::make_unique<Event>(simulator_);
}

std::unique_ptr<device::CopyStream> SimulatedBackend::make_copy_stream(
    const CopyForm& form, device::Registration* registration) {
    check(Fault::make_copy_stream);
    return std::make_unique<CopyStream>(*this, form, dynamic_cast<Registration&>(*registration));
}

void SimulatedBackend::synchronize(device::Event& event) {
    if (!is_sabotaged(Sabotage::synchronizes_early)) simulator_->synchronize(event_of(event));
    check(Fault::synchronize);
}

void SimulatedBackend::record(device::Event& event, StreamRef stream) {
    check(Fault::record_on_stream);
    const bool early = is_sabotaged(Sabotage::used_not_recorded);
    simulator_->record(event_of(event), early ? nullptr : stream_of(stream));
    const std::lock_guard lock(mutex_);
    ++seen_.recorded;
}

void SimulatedBackend::wait(StreamRef stream, device::Event& event) {
    check(Fault::wait_on_stream);
    if (is_sabotaged(Sabotage::trainer_does_not_wait)) return;
    simulator_->wait(stream_of(stream), event_of(event));
}

void SimulatedBackend::strip(const StripPlan& plan, StreamRef stream) {
    for (const StripField& field : plan.fields) {
        std::size_t pieces = 1;
        {
            const std::lock_guard lock(mutex_);
            pieces += random_() % 4;
        }
        const Extents bytes(field, plan.records, plan.wide_offsets);
        const Offsets offsets(field.offsets, plan.records + 1, plan.wide_offsets);
        const auto run = [field, bytes, offsets, pieces](std::size_t piece) {
            const std::size_t records = offsets.size() - 1;
            strip_records(field, offsets, records * piece / pieces, records * (piece + 1) / pieces);
            if (piece != 0 || field.to_offsets == nullptr) return;
            std::memcpy(field.to_offsets, field.offsets, bytes.offsets);
        };
        simulator_->enqueue(stream_of(stream),
                            {.run = run, .pieces = pieces, .touches = touches_of(field, bytes)});
        check(Fault::strip);
    }
    const std::lock_guard lock(mutex_);
    ++seen_.strips;
}

std::optional<double> SimulatedBackend::seconds_between(device::Event& from, device::Event& to) {
    for (device::Event* const event : {&from, &to}) {
        if (!simulator_->is_complete(event_of(*event))) return std::nullopt;
    }
    return simulator_->seconds_between(event_of(from), event_of(to));
}

bool SimulatedBackend::is_complete(device::Event& event) {
    check(Fault::is_complete);
    return simulator_->is_complete(event_of(event));
}

void SimulatedBackend::begin_stage(const char* name) noexcept {
    const std::lock_guard lock(mutex_);
    seen_.stages.insert(name);
    ++seen_.open_stages;
}

void SimulatedBackend::end_stage() noexcept {
    const std::lock_guard lock(mutex_);
    --seen_.open_stages;
}

Simulator::Event* SimulatedBackend::event_of(device::Event& event) {
    return static_cast<Event&>(event).get();
}

}  // namespace headrace::device
