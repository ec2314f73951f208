// A run's trainer. Its producers are in storm_producers.cpp.
#include "loader/storm_run.hpp"

#include <algorithm>

#include "headrace/error.hpp"
#include "loader/storm_check.hpp"

namespace headrace::storm {

namespace {

using Fault = device::SimulatedBackend::Fault;
constexpr std::chrono::microseconds kShort{100};
constexpr std::chrono::seconds kLong{20};

}  // namespace

Run::Run(World& world, const Plan& plan)
    : world_(world), plan_(plan), random_(plan.seed + 1), ring_(world.ring_for(plan)) {}

void Run::complain(const std::string& text) {
    const std::lock_guard lock(mutex_);
    if (wrong_.empty()) wrong_ = text;
}

std::string Run::run() {
    const Stats before = ring_.ring.stats();
    start_ = next_ = before.delivered + before.discarded + before.lost;
    claimed_ = std::max(before.claimed, start_ + plan_.records);
    const std::uint64_t left_over = plan_.records % plan_.batch;
    goal_ = start_ + plan_.records - (plan_.flushes ? 0 : left_over);
    tickets_ = static_cast<std::int64_t>(plan_.records) - static_cast<std::int64_t>(before.ready);

    world_.device().fail_at(plan_.fault, plan_.calls_before_fault);
    if (plan_.refuses_registration) world_.device().refuse_registration("so the seed wants it");
    start_producers();
    try {
        make_loader();
        take_batches();
    } catch (const DeviceError& error) {
        has_failed_ = true;
        if (plan_.fault == Fault::none) complain(error.what());
    } catch (const SystemError& error) {
        has_failed_ = true;
        const bool is_told =
            std::string(error.what()).find("batch_bytes_limit") != std::string::npos;
        if (plan_.limit != Plan::Limit::short_of_it || !is_told) complain(error.what());
    } catch (const std::exception& error) {
        has_failed_ = true;
        complain(error.what());
    }
    if (plan_.limit == Plan::Limit::short_of_it && has_enough() && batches_ != 0 &&
        batches_ < plan_.batches_before_end && limit()) {
        complain("a batch over the limit was delivered");
    }
    end_loader();
    check_books();
    return wrong_;
}

// ---- the beginning -----------------------------------------------------------------------------

// Of all batches that there may be.
std::optional<std::uint64_t> Run::limit() const {
    if (plan_.limit == Plan::Limit::none) return std::nullopt;
    std::uint64_t most = 0;
    if (plan_.has_epochs) {
        for (std::uint64_t epoch = 0; epoch < plan_.epochs; ++epoch) {
            const std::uint64_t end = (epoch + 1) * plan_.epoch_records;
            for (std::uint64_t at = end - plan_.epoch_records; at < end; at += plan_.batch) {
                most = std::max(most, batch_bytes(plan_, at, std::min(at + plan_.batch, end)));
            }
        }
    } else {
        for (std::uint64_t at = start_; at + plan_.batch <= claimed_; at += plan_.batch) {
            most = std::max(most, batch_bytes(plan_, at, at + plan_.batch));
        }
    }
    if (plan_.limit == Plan::Limit::exact) return most;
    return most == 0 ? std::nullopt : std::optional(most - 1);
}

void Run::make_loader() {
    LoaderOptions options{.batch = plan_.batch,
                          .layout = plan_.layout,
                          .device = Device::custom(world_.shared_device()),
                          .depth = plan_.depth,
                          .offsets = plan_.wide_offsets ? DType::i64 : DType::i32,
                          .batch_bytes_limit = limit(),
                          .drop_last = plan_.drop_last};
    if (plan_.pad) options.pad_values[ring_.ring.schema()[0].name] = *plan_.pad;
    if (plan_.flushes) options.flush_after = std::chrono::milliseconds(1);
    loader_.emplace(ring_.ring, options);
    if (loader_->state().index != start_) complain("the loader goes on somewhere else");
}

// ---- batches -----------------------------------------------------------------------------------

bool Run::has_enough() const {
    if (has_ended_ || batches_ >= plan_.batches_before_end) return true;
    return !plan_.has_epochs && !plan_.resets && next_ >= goal_;
}

void Run::take_batches() {
    while (!has_enough() && take_one()) {
        while (!leases_.empty() && draw(3) != 0) give_back_one();
        if (plan_.resets && draw(4) == 0) {
            ring_.ring.reset();
            was_reset_ = true;
        }
        if (leases_.size() == plan_.depth) give_back_one();
    }
}

bool Run::take_one() {
    if (plan_.producers == 0) write_what_fits();
    const std::size_t stream = draw(plan_.streams);
    const StreamRef ref = world_.stream(stream).ref();
    Result<Batch> batch =
        plan_.producers == 0 ? loader_->next_for(kShort, ref) : loader_->next(ref);
    switch (batch.outcome()) {
        case Outcome::ready: break;
        case Outcome::timed_out: return true;
        case Outcome::end_of_epoch: pass_epoch_end(); return true;
        case Outcome::end:
            has_ended_ = true;
            if (!plan_.has_epochs || epoch_ != plan_.epochs) complain("the end comes too early");
            return true;
    }
    ++batches_;
    note_batch(*batch);
    use(*batch, stream);
    leases_.push_back(std::move(*batch));
    return true;
}

// Its range is the next one; as long as a whole batch, but where an epoch ends or time was short.
void Run::note_batch(const Batch& batch) {
    if (std::exchange(was_reset_, false)) pass_reset(batch);
    std::uint64_t last = next_ + plan_.batch;
    if (plan_.has_epochs) {
        last = std::min(last, (epoch_ + 1) * plan_.epoch_records);
        if (plan_.drop_last && last - next_ < plan_.batch) complain("the last batch is unwanted");
    }
    const bool may_be_short = plan_.flushes && batch.last_index() > next_;
    if (batch.first_index() != next_ ||
        (may_be_short ? batch.last_index() > last : batch.last_index() != last)) {
        complain("batch of " + std::to_string(batch.first_index()) + " to " +
                 std::to_string(batch.last_index()) + ", wanted from " + std::to_string(next_));
    }
    next_ = batch.last_index();
}

// It begins a lap or more above all that there was; where there was nothing, a reset does nothing.
void Run::pass_reset(const Batch& batch) {
    if (batch.first_index() < next_ + ring_.ring.slots() && batches_ > 1) {
        complain("batch of " + std::to_string(batch.first_index()) + " from before the reset at " +
                 std::to_string(next_));
    }
    next_ = std::max(next_, batch.first_index());
}

void Run::pass_epoch_end() {
    ++epoch_;
    const std::uint64_t end = epoch_ * plan_.epoch_records;
    const std::uint64_t left_out = end - next_;
    if (plan_.drop_last ? left_out >= plan_.batch : left_out != 0) {
        complain("an epoch ends at record " + std::to_string(next_));
    }
    next_ = end;
}

// What a trainer does with a batch: it looks at it, late, and on more than one stream; then it
// writes over it.
void Run::use(Batch& batch, std::size_t number) {
    const auto check = std::make_shared<Check>(plan_, batch);
    const Simulator::Work look{.run =
                                   [this, check](std::size_t) {
                                       const std::string wrong = check->look();
                                       if (!wrong.empty()) complain(wrong);
                                   },
                               .touches = check->touches(false)};
    const Simulator::Work scribble{.run = [check](std::size_t) { check->scribble(); },
                                   .touches = check->touches(true)};
    device::SimulatedStream* stream = &world_.stream(number);
    if (draw(2) == 0) {  // other work first
        stream->enqueue({.run = [](std::size_t) {}, .pieces = 1 + draw(8)});
    }
    stream->enqueue(look);
    if (plan_.streams > 1 && draw(2) == 0) {
        device::SimulatedStream& other = world_.stream((number + 1) % plan_.streams);
        other.wait_for(*stream);
        if (draw(2) == 0) batch.used_on(other.ref());
        other.enqueue(look);
        batch.used_on(other.ref());
        stream = &other;
    }
    const bool writes = draw(2) == 0;
    if (plan_.strips && draw(2) == 0) {
        // Any stream, which need not wait for the batch by itself.
        device::SimulatedStream& other = world_.stream(draw(plan_.streams));
        strip(batch, other);
        if (writes && &other != stream) stream->wait_for(other);
    }
    if (writes) stream->enqueue(scribble);
}

// Into memory that holds rubbish before, is looked at on the same stream, and goes when that has
// passed.
void Run::strip(Batch& batch, device::SimulatedStream& stream) {
    const std::shared_ptr<Simulator> simulator = world_.device().simulator();
    const auto allocate = [&](std::size_t bytes) {
        stripped_.emplace_back(simulator->allocate(bytes, Simulator::Memory::device),
                               [simulator](void* memory) { simulator->free(memory); });
        return stripped_.back().get();
    };
    std::vector<StripTarget> targets;
    for (std::size_t i = 0; i < batch.schema().size(); ++i) {
        const auto total = static_cast<std::size_t>(batch.total(i));
        targets.push_back(
            {.values = allocate(total * bytes_of(batch.schema()[i].dtype)),
             .offsets = allocate((batch.size() + 1) * bytes_of(batch.offsets_dtype()))});
    }
    batch.strip_into(targets, stream.ref());
    const auto check = std::make_shared<Check>(plan_, batch, targets);
    const auto run = [this, check](std::size_t) {
        const std::string wrong = check->look();
        if (!wrong.empty()) complain(wrong);
    };
    // Where the batch's memory has gone too early there is nothing to look at.
    std::vector<Simulator::Access> touches = check->touches(false);
    for (const Simulator::Access& access : Check(plan_, batch).touches(false)) {
        touches.push_back(access);
    }
    stream.enqueue({.run = run, .touches = std::move(touches)});
}

// ---- leases ------------------------------------------------------------------------------------

void Run::give_back_one() {
    const auto lease = leases_.begin() + static_cast<std::ptrdiff_t>(draw(leases_.size()));
    Batch batch = std::move(*lease);
    leases_.erase(lease);
    if (plan_.gives_back_elsewhere && draw(2) == 0) world_.giver().give(std::move(batch));
}

void Run::give_back_all() {
    while (!leases_.empty()) give_back_one();
    world_.giver().wait();
}

// ---- the end -----------------------------------------------------------------------------------

void Run::end_loader() {
    const bool was_made = loader_.has_value();
    if (loader_ && !plan_.leases_outlive) {
        give_back_all();
        expect_fault_to_be_told();
        expect_state();
    }
    if (has_failed_ && was_made) expect_let_go();
    const bool producers_first = draw(2) == 0;
    if (!producers_first) loader_.reset();
    stop_ = true;
    for (std::thread& producer : producers_) producer.join();
    loader_.reset();
    give_back_all();
    for (std::size_t i = 0; i < World::kStreams; ++i) world_.stream(i).synchronize();
    stripped_.clear();
}

// One that has come by now.
void Run::expect_fault_to_be_told() {
    if (has_failed_ || world_.device().seen().faults == 0) return;
    try {
        while (!has_ended_) {
            const Result<Batch> batch = loader_->next_for(kLong, world_.stream(0).ref());
            if (batch) next_ = batch->last_index();
            if (batch.outcome() == Outcome::end_of_epoch) pass_epoch_end();
            if (batch.outcome() == Outcome::end) has_ended_ = true;
            if (batch.outcome() != Outcome::timed_out) continue;
            complain("a fault was not told");
            return;
        }
    } catch (const DeviceError&) {
        has_failed_ = true;
    }
}

void Run::expect_state() {
    const std::uint64_t found = loader_->state().index;
    const bool is_right = was_reset_ ? found >= next_ : found == next_;
    if (!is_right) {
        complain("the state is " + std::to_string(found) + ", wanted " + std::to_string(next_));
    }
}

void Run::check_books() {
    if (plan_.resets) ring_.ring.consumer().try_get();  // passes over what the loader has not
    const Stats stats = ring_.ring.stats();
    // After a reset the books do not tell where the next run begins.
    ring_.is_used_up = stats.phase != Phase::open || plan_.resets;
    const device::SimulatedBackend::Seen seen = world_.device().seen();
    const Simulator::Mistakes mistakes = world_.device().simulator()->mistakes();
    // Where no event could be recorded nothing tells when the trainer's work is done; on a device
    // that fails so it is done for.
    const std::uint64_t excused =
        plan_.fault == Fault::record_on_stream && seen.faults != 0 ? mistakes.freed_early : 0;
    if (world_.device().mistakes() != excused) {
        complain("mistakes: out of order " + std::to_string(mistakes.out_of_order) +
                 ", freed early " + std::to_string(mistakes.freed_early) + ", unregistered early " +
                 std::to_string(mistakes.unregistered_early) + ", unknown memory " +
                 std::to_string(mistakes.unknown_memory) + ", plans changed " +
                 std::to_string(seen.plans_changed));
    }
    if (world_.device().simulator()->allocations() != 0) complain("memory is left");
    const bool may_fail = seen.faults != 0 || plan_.limit == Plan::Limit::short_of_it;
    if (stats.phase == Phase::aborted && !may_fail) complain("the ring ended by an error");
    if (stats.phase == Phase::aborted || has_failed_ || seen.faults != 0) return;
    if (stats.claimed !=
            stats.delivered + stats.in_ring + stats.prefetched + stats.lost + stats.discarded ||
        stats.prefetched != 0 || stats.leased != 0) {
        complain("the books: claimed " + std::to_string(stats.claimed) + ", delivered " +
                 std::to_string(stats.delivered) + ", in the ring " +
                 std::to_string(stats.in_ring) + ", prefetched " +
                 std::to_string(stats.prefetched) + ", lost " + std::to_string(stats.lost) +
                 ", discarded " + std::to_string(stats.discarded));
    }
    if (stats.alarms != 0) complain("a wake-up was lost");
    // What the host has shown of a wait and what the device tells of it are of two clocks here.
    constexpr double kTolerance = 1e-3;
    const double split = stats.waited_for_producers_s + stats.waited_for_copies_s;
    if (split > stats.trainer_waited_s + kTolerance) {
        complain("waited " + std::to_string(stats.trainer_waited_s) +
                 " s, for producers and copies " + std::to_string(split));
    }
}

}  // namespace headrace::storm
