#include "device/simulated_parts.hpp"
#include "headrace/error.hpp"

namespace headrace::device {

SimulatedBackend::CopyStream::CopyStream(SimulatedBackend& backend, const CopyForm& form,
                                         const Registration& registration)
    : backend_(backend),
      simulator_(backend.simulator_),
      form_(form),
      registration_(registration),
      host_(backend.host_->make_copy_stream(form, nullptr)),
      link_(simulator_->make_stream()),
      work_(simulator_->make_stream()),
      clock_(simulator_->make_stream()) {}

SimulatedBackend::CopyStream::~CopyStream() {
    simulator_->destroy(clock_);
    // The simulator keeps streams that nobody destroys.
    if (backend_.is_sabotaged(Sabotage::ends_before_its_copies)) return;
    simulator_->destroy(link_);
    simulator_->destroy(work_);
}

void SimulatedBackend::CopyStream::wait(device::Event& event) {
    backend_.check(Fault::copy_stream);
    if (backend_.is_sabotaged(Sabotage::copies_do_not_wait)) return;
    simulator_->wait(link_, event_of(event));
}

void SimulatedBackend::CopyStream::record(device::Event& event) {
    backend_.check(Fault::copy_stream);
    if (backend_.is_sabotaged(Sabotage::filled_early)) {
        return simulator_->record(event_of(event), clock_);
    }
    let_work_wait_for_link();
    simulator_->record(event_of(event), work_);
}

void SimulatedBackend::CopyStream::mark_begin(device::Event& event) {
    backend_.check(Fault::copy_stream);
    simulator_->record(event_of(event), link_);
}

void SimulatedBackend::CopyStream::stamp(device::Event& event) {
    backend_.check(Fault::copy_stream);
    simulator_->record(event_of(event), clock_);
    const auto count = [&backend = backend_](std::size_t) {
        const std::lock_guard lock(backend.mutex_);
        ++backend.seen_.stamped;
    };
    simulator_->enqueue(clock_, {.run = count});
    const std::lock_guard lock(backend_.mutex_);
    ++backend_.seen_.stamps;
}

void SimulatedBackend::CopyStream::let_work_wait_for_link() {
    Event event(simulator_);
    simulator_->record(event.get(), link_);
    simulator_->wait(work_, event.get());
}

std::uint64_t SimulatedBackend::CopyStream::enqueue(const BatchPlan& plan,
                                                    const BatchTarget& target,
                                                    device::Event& moved) {
    std::shared_ptr<SimulatedBatch> batch;
    Way way = Way::bounced;
    double copying_s = 0, stripping_s = 0;
    {
        std::unique_lock lock(backend_.mutex_);
        ++backend_.seen_.entered;
        backend_.changed_.wait(lock, [this] { return !backend_.enqueue_held_; });
        copying_s = backend_.copying_s_;
        stripping_s = backend_.stripping_s_;
        batch = std::make_shared<SimulatedBatch>(form_, host_, plan, target, backend_.random_);
        if (registration_.refusal().empty()) {
            way = backend_.random_() % 2 == 0 ? Way::straight : Way::staged;
        }
    }
    backend_.check(Fault::enqueue);
    spoil(batch);
    enqueue_copy(batch, way, copying_s);
    backend_.check(Fault::enqueue_halfway);
    const bool early = backend_.is_sabotaged(Sabotage::moved_early);
    simulator_->record(event_of(moved), early ? clock_ : link_);
    let_work_wait_for_link();
    const auto strip = [batch, way](std::size_t piece) {
        if (way == Way::staged) batch->unpack(piece);
    };
    simulator_->enqueue(work_, {.run = strip,
                                .pieces = batch->pieces(),
                                .touches = batch->writes(),
                                .seconds = stripping_s});
    const std::lock_guard lock(backend_.mutex_);
    ++backend_.seen_.enqueued;
    return batch->payload_bytes();
}

// Who looks at the target too early, or goes on looking at what was there before, sees rubbish.
void SimulatedBackend::CopyStream::spoil(const std::shared_ptr<SimulatedBatch>& batch) {
    const auto run = [&backend = backend_, batch](std::size_t) {
        batch->fill_target_with_rubbish();
        const std::lock_guard lock(backend.mutex_);
        ++backend.seen_.begun;
    };
    simulator_->enqueue(link_, {.run = run, .touches = batch->writes()});
}

// What comes before `moved`.
void SimulatedBackend::CopyStream::enqueue_copy(const std::shared_ptr<SimulatedBatch>& batch,
                                                Way way, double copying_s) {
    std::vector<Simulator::Access> touches = batch->writes();
    touches.push_back(batch->reads_head());
    // Of its own: while one batch is unpacked the next one comes.
    if (way != Way::straight) {
        batch->set_staging(std::make_shared<std::vector<std::byte>>(form_.values_bytes));
    }
    if (way == Way::bounced) {
        batch->bring_values();
    } else {
        touches.push_back(registration_.reads());
    }
    // What a sabotaged device has told the loader too early, its plan does not outlive.
    const bool looks_at_plan = !backend_.is_sabotaged();
    const bool fails = backend_.is_due(Fault::copying);
    // Not `this`: a sabotaged stream goes before its copies.
    const auto run = [&backend = backend_, batch, way, looks_at_plan, fails](std::size_t piece) {
        if (fails) throw DeviceError("device simulated: copying: a fault that the test asked for");
        const bool is_unchanged = !looks_at_plan || batch->is_unchanged();
        way == Way::bounced ? batch->bring_from_staging(piece) : batch->bring(piece);
        const std::lock_guard lock(backend.mutex_);
        if (!is_unchanged) ++backend.seen_.plans_changed;
        if (piece + 1 == batch->pieces()) ++backend.seen_.carried_out;
    };
    simulator_->enqueue(link_, {.run = run,
                                .pieces = batch->pieces(),
                                .kind = Simulator::Kind::copy,
                                .touches = std::move(touches),
                                .seconds = copying_s});
}

}  // namespace headrace::device
