#include "device/delayed_backend.hpp"

#include <algorithm>

namespace headrace::device {

// How often an event was recorded, and the last record that is complete.
struct EventState {
    std::uint64_t recorded = 0;
    std::uint64_t done = 0;
};

namespace {

class DelayedEvent final : public Event {
  public:
    const std::shared_ptr<EventState> state = std::make_shared<EventState>();
};

constexpr std::uint64_t kAll = std::numeric_limits<std::uint64_t>::max();

}  // namespace

class DelayedBackend::Stream final : public CopyStream {
  public:
    explicit Stream(DelayedBackend& backend) : backend_(backend) {}
    void wait(Event& event) override {
        const std::lock_guard lock(backend_.mutex_);
        backend_.add({Operation::Kind::wait, mark_of(event, false), {}});
    }
    std::uint64_t enqueue(const BatchPlan& plan, std::span<const FieldTarget> targets) override {
        return backend_.enqueue(plan, targets);
    }
    void record(Event& event) override {
        const std::lock_guard lock(backend_.mutex_);
        backend_.add({Operation::Kind::record, mark_of(event, true), {}});
    }

  private:
    DelayedBackend& backend_;
};

class DelayedBackend::Registration final : public Buffer {
  public:
    Registration(DelayedBackend& backend, std::byte* data) : backend_(backend), data_(data) {}
    ~Registration() override {
        const std::lock_guard lock(backend_.mutex_);
        if (backend_.seen_.carried_out < backend_.seen_.enqueued) {
            ++backend_.seen_.unregistered_early;
        }
    }
    std::byte* data() const noexcept override { return data_; }

  private:
    DelayedBackend& backend_;
    std::byte* data_;
};

DelayedBackend::DelayedBackend() : thread_([this] { carry_out_all(); }) {}

DelayedBackend::~DelayedBackend() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    changed_.notify_all();
    thread_.join();
}

// ---- what the test steers it with --------------------------------------------------------------

void DelayedBackend::hold_copies() {
    const std::lock_guard lock(mutex_);
    allowed_ = 0;
}

void DelayedBackend::let_copies_go(std::uint64_t copies) {
    {
        const std::lock_guard lock(mutex_);
        allowed_ = copies == kAll ? kAll : allowed_ + copies;
    }
    changed_.notify_all();
}

void DelayedBackend::hold_enqueue() {
    const std::lock_guard lock(mutex_);
    enqueue_held_ = true;
}

void DelayedBackend::let_enqueue_go() {
    {
        const std::lock_guard lock(mutex_);
        enqueue_held_ = false;
    }
    changed_.notify_all();
}

void DelayedBackend::set_busy(TrainerStream& stream, bool busy) {
    {
        const std::lock_guard lock(mutex_);
        busy_streams_ += static_cast<std::uint64_t>(busy) - static_cast<std::uint64_t>(stream.busy);
        stream.busy = busy;
        complete_streams();
    }
    changed_.notify_all();
}

void DelayedBackend::fail_at(Fault fault, std::uint64_t calls_before) {
    const std::lock_guard lock(mutex_);
    fault_ = fault;
    calls_before_fault_ = calls_before;
}

void DelayedBackend::synchronize(TrainerStream& stream) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock,
                  [&] { return std::all_of(stream.awaits.begin(), stream.awaits.end(), is_done); });
    stream.awaits.clear();
}

DelayedBackend::Seen DelayedBackend::seen() const {
    const std::lock_guard lock(mutex_);
    return seen_;
}

// ---- the device --------------------------------------------------------------------------------

std::unique_ptr<Buffer> DelayedBackend::register_host(std::span<std::byte> memory) {
    return std::make_unique<Registration>(*this, memory.data());
}

std::unique_ptr<Buffer> DelayedBackend::allocate(std::size_t bytes) {
    {
        const std::lock_guard lock(mutex_);
        check_fault(Fault::allocate);
    }
    return host_->allocate(bytes);
}

std::unique_ptr<Event> DelayedBackend::make_event() {
    return std::make_unique<DelayedEvent>();
}

std::unique_ptr<CopyStream> DelayedBackend::make_copy_stream() {
    return std::make_unique<Stream>(*this);
}

bool DelayedBackend::is_complete(Event& event) {
    const std::lock_guard lock(mutex_);
    return is_done(mark_of(event, false));
}

void DelayedBackend::synchronize(Event& event) {
    std::unique_lock lock(mutex_);
    const Mark mark = mark_of(event, false);
    ++seen_.synchronizing;
    changed_.wait(lock, [&] { return is_done(mark); });
    --seen_.synchronizing;
    check_fault(Fault::synchronize);
}

void DelayedBackend::record(Event& event, StreamRef stream) {
    {
        const std::lock_guard lock(mutex_);
        check_fault(Fault::record_on_stream);
        auto* const trainer = static_cast<TrainerStream*>(stream.native);
        on_streams_.push_back({trainer, mark_of(event, true), trainer->awaits});
        complete_streams();
    }
    changed_.notify_all();
}

void DelayedBackend::wait(StreamRef stream, Event& event) {
    const std::lock_guard lock(mutex_);
    static_cast<TrainerStream*>(stream.native)->awaits.push_back(mark_of(event, false));
}

std::uint64_t DelayedBackend::enqueue(const BatchPlan& plan, std::span<const FieldTarget> targets) {
    std::unique_lock lock(mutex_);
    ++seen_.entered;
    changed_.wait(lock, [this] { return !enqueue_held_; });
    check_fault(Fault::enqueue);
    Copy copy{.plan = plan,
              .targets = {targets.begin(), targets.end()},
              .slots = {plan.slots.begin(), plan.slots.end()},
              .lengths = {},
              .offsets = {}};
    std::uint64_t bytes = 0;
    for (const FieldPlan& field : plan.fields) {
        copy.lengths.emplace_back(field.lengths.begin(), field.lengths.end());
        copy.offsets.emplace_back(field.offsets.begin(), field.offsets.end());
        bytes += static_cast<std::uint64_t>(field.offsets.back()) * field.element_bytes;
    }
    ++seen_.enqueued;
    add({Operation::Kind::copy, {}, std::move(copy)});
    return bytes;
}

// ---- its thread --------------------------------------------------------------------------------

void DelayedBackend::carry_out_all() {
    std::unique_lock lock(mutex_);
    for (;;) {
        changed_.wait(lock, [this] { return stopping_ || can_go_on(); });
        if (stopping_) return;
        Operation next = std::move(operations_.front());
        operations_.pop_front();
        if (next.kind == Operation::Kind::record) next.mark.first->done = next.mark.second;
        if (next.kind == Operation::Kind::copy) {
            if (allowed_ != kAll) --allowed_;
            if (busy_streams_ != 0) ++seen_.copies_while_busy;
            lock.unlock();
            const bool unchanged = next.copy->is_unchanged();
            if (unchanged) host_->make_copy_stream()->enqueue(next.copy->plan, next.copy->targets);
            lock.lock();
            if (!unchanged) ++seen_.plans_changed;
            ++seen_.carried_out;
        }
        complete_streams();
        changed_.notify_all();
    }
}

bool DelayedBackend::can_go_on() const {
    if (operations_.empty()) return false;
    const Operation& next = operations_.front();
    switch (next.kind) {
        case Operation::Kind::copy: return allowed_ != 0;
        case Operation::Kind::wait: return is_done(next.mark);
        case Operation::Kind::record: break;
    }
    return true;
}

// Events on trainers' streams: complete when the stream is done with its own work, and all that it
// waited for before is.
void DelayedBackend::complete_streams() {
    std::erase_if(on_streams_, [](const OnStream& pending) {
        if (pending.stream->busy ||
            !std::all_of(pending.awaits.begin(), pending.awaits.end(), is_done)) {
            return false;
        }
        pending.mark.first->done = pending.mark.second;
        return true;
    });
}

void DelayedBackend::add(Operation operation) {
    operations_.push_back(std::move(operation));
    changed_.notify_all();
}

void DelayedBackend::check_fault(Fault fault) {
    if (fault_ != fault || calls_before_fault_-- != 0) return;
    fault_ = Fault::none;
    throw DelayedError("delayed: a fault that the test asked for");
}

bool DelayedBackend::is_done(const Mark& mark) {
    return mark.first->done >= mark.second;
}

DelayedBackend::Mark DelayedBackend::mark_of(Event& event, bool next) {
    const auto& state = static_cast<DelayedEvent&>(event).state;
    if (next) ++state->recorded;
    return {state, state->recorded};
}

bool DelayedBackend::Copy::is_unchanged() const {
    if (!std::equal(slots.begin(), slots.end(), plan.slots.begin(), plan.slots.end())) return false;
    for (std::size_t i = 0; i < plan.fields.size(); ++i) {
        const FieldPlan& field = plan.fields[i];
        if (!std::equal(lengths[i].begin(), lengths[i].end(), field.lengths.begin()) ||
            !std::equal(offsets[i].begin(), offsets[i].end(), field.offsets.begin())) {
            return false;
        }
    }
    return true;
}

}  // namespace headrace::device
