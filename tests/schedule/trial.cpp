#include "schedule/trial.hpp"

#include <algorithm>
#include <cstring>

namespace headrace::ring::schedule {

namespace {

// A floor, without what a reset marks it with meanwhile: no index is as high as that.
std::uint64_t without_mark(std::uint64_t floor) {
    return floor & ~(std::uint64_t{1} << 63);
}

Description describe(const Plan& plan) {
    Description description;
    description.name = "schedule";
    description.schema = Schema{{"record", DType::i64, kRecordWords}};
    description.slots = plan.slots;
    description.start_index = plan.start;
    description.shared_consumers = plan.sharers != 0;
    if (!plan.is_stream) {
        description.sampler.emplace(
            SamplerOptions{.epoch_records = plan.epoch_records, .epochs = plan.epochs});
    }
    return description;
}

std::span<std::byte> aligned(std::vector<std::byte>& buffer, std::size_t bytes) {
    buffer.resize(std::max(buffer.size(), bytes + kPage));
    const auto address = reinterpret_cast<std::uintptr_t>(buffer.data());
    return {buffer.data() + (kPage - address % kPage) % kPage, bytes};
}

}  // namespace

std::string Trial::carry_out(const Plan& plan, std::size_t steps_told) {
    plan_ = &plan;
    scheduler_.begin(plan.seed, plan.strategy, plan.buffers_stores, *this);
    make_ring();
    add_actors();
    plan_fates();
    std::string wrong;
    if (!scheduler_.run()) wrong = scheduler_.failure();
    if (wrong.empty()) wrong = what_is_wrong_at_end();
    if (wrong.empty()) return wrong;
    return "seed " + std::to_string(plan.seed) + ": " + wrong + "\n" + plan.to_string() + "\n" +
           scheduler_.trace(steps_told) +
           "run again with HEADRACE_SCHEDULE_SEED=" + std::to_string(plan.seed) + "\n";
}

// ---- the beginning ----

void Trial::make_ring() {
    const Description description = describe(*plan_);
    const Geometry g = Geometry::of(description.schema, description.slots);
    memory_ = aligned(buffer_, g.memory_bytes);
    // All but the header, which format() writes, the producers' cells, which no protocol reads, and
    // those of consumers that never come.
    std::memset(memory_.data() + g.control, 0, g.producers - g.control);
    std::memset(memory_.data() + g.consumers, 0, kMostIds * sizeof(ConsumerCell));
    std::memset(memory_.data() + g.returned, 0, g.memory_bytes - g.returned);
    format(memory_, description);
    protocol_ = members_protocol_ = ScheduledProtocol(memory_, description);
    protocol_.keep_floor_in(trainers_floor_);
    cells_at_ = g.consumers;
    returned_at_ = g.returned;
    words_at_ = g.descriptors;
    words_end_ = g.descriptors + sizeof(SlotDescriptor) * plan_->slots;
    records_at_ = g.field_offset[0];
    row_bytes_ = g.row_bytes[0];
    if (plan_->counters_wrap) {
        protocol_.control().space_bell.store(~std::uint32_t{0});
        protocol_.control().ready_bell.store(~std::uint32_t{1});
    }
    interrupted_.store(false);
    books_.begin(plan_->slots, plan_->start, plan_->is_stream);
}

void Trial::add_actors() {
    events_.clear();
    producers_.clear();
    sharers_.clear();
    consumer_.reset();
    releaser_.reset();
    service_ = std::make_unique<ServiceActor>(*this);
    trainer_ = std::make_unique<TrainerActor>(*this);
    if (plan_->sharers == 0) consumer_ = std::make_unique<ConsumerActor>(*this);
    if (plan_->leases == Leases::by_another) releaser_ = std::make_unique<ReleaserActor>(*this);
    for (Party* const party : std::initializer_list<Party*>{service_.get(), trainer_.get(),
                                                            consumer_.get(), releaser_.get()}) {
        if (party != nullptr) scheduler_.add(*party);
    }
    is_revoked_ = false;
    kills_left_ = plan_->kills;
    stops_left_ = plan_->stops;
    for (std::uint32_t i = 0; i < plan_->producers; ++i) service_->admit();
    for (std::uint32_t i = 0; i < plan_->sharers; ++i) service_->admit_consumer();
}

void Trial::add_producer(Owner owner) {
    producers_.push_back(std::make_unique<ProducerActor>(*this, owner));
    scheduler_.add(*producers_.back());
    choose_fate_of(*producers_.back());
}

void Trial::add_sharer(Owner owner) {
    sharers_.push_back(std::make_unique<SharerActor>(*this, owner));
    scheduler_.add(*sharers_.back());
    choose_fate_of(*sharers_.back());
}

void Trial::plan_fates() {
    const std::uint64_t steps = plan_->strategy.expected_steps;
    const auto plan_some = [&](Fate what, std::uint32_t times) {
        for (std::uint32_t i = 0; i < times; ++i) plan_fate(what, nullptr, random().below(steps));
    };
    plan_some(Fate::newcomer, plan_->newcomers);
    plan_some(Fate::killed, plan_->kills / 2);  // the others at a step of their own
    plan_some(Fate::revoked, plan_->revokes ? 1 : 0);
    plan_some(Fate::woken, plan_->spurious);
    plan_some(Fate::time_over, plan_->time_overs);
    plan_some(Fate::interrupted, plan_->interrupts);
    plan_some(Fate::reset, plan_->resets);
    plan_some(Fate::ended, plan_->family == Family::ended ? 1 : 0);
    if (consumer_) choose_fate_of(*consumer_);
    if (releaser_) choose_fate_of(*releaser_);
}

// A step of its own, for it is between two of its steps that something is half done.
void Trial::choose_fate_of(Party& party) {
    if (kills_left_ == 0 && stops_left_ == 0) return;
    const std::uint64_t most = 40 + 25 * plan_->records() / plan_->producers;
    scheduler_.meet_fate_at(party, scheduler_.steps_of(party) + random().between(1, most));
}

// ---- what befalls whom ----

void Trial::plan_fate(Fate what, Party* who, std::uint64_t after_steps) {
    const Event event{scheduler_.steps() + after_steps, what, who};
    const auto place = std::find_if(events_.begin(), events_.end(),
                                    [&event](const Event& other) { return other.at <= event.at; });
    events_.insert(place, event);
    scheduler_.wake_world_at(events_.back().at);
}

void Trial::happen() {
    while (!events_.empty() && events_.back().at <= scheduler_.steps()) {
        const Event event = events_.back();
        events_.pop_back();
        befall(event);
    }
    scheduler_.wake_world_at(events_.empty() ? ~std::uint64_t{0} : events_.back().at);
}

bool Trial::befall_first(Fate what) {
    const auto found = std::find_if(events_.rbegin(), events_.rend(),
                                    [what](const Event& event) { return event.what == what; });
    if (found == events_.rend()) return false;
    const Event event = *found;
    events_.erase(std::next(found).base());
    befall(event);
    return true;
}

void Trial::befall(const Event& event) {
    switch (event.what) {
        case Fate::death_noticed: service_->tell({Message::Kind::died, event.who}); break;
        case Fate::goes_on: scheduler_.go_on(*event.who); break;
        case Fate::comes_back: scheduler_.rouse(*event.who); break;
        case Fate::newcomer: service_->tell({Message::Kind::newcomer}); break;
        case Fate::linger_over: service_->tell({Message::Kind::linger_over}); break;
        case Fate::killed:
        case Fate::revoked: strike_somebody(event.what); break;
        case Fate::woken:
            if (Party* const party =
                    anybody([](const Party& p) { return p.state() == Actor::State::asleep; })) {
                scheduler_.wake_spuriously(*party);
            }
            break;
        case Fate::time_over:
            if (Party* const party = anybody([](const Party& p) { return p.has_deadline; })) {
                scheduler_.end_time_of(*party);
            }
            break;
        case Fate::reset: trainer_->reset(); break;
        case Fate::interrupted: trainer_->interrupt(); break;
        case Fate::ended:
            trainer_->end_ring(random().one_in(2) ? Phase::closed : Phase::aborted);
            break;
    }
}

// One of the parties that is as asked for, or nobody.
Party* Trial::anybody(bool (*is_it)(const Party&)) {
    const std::vector<Party*> all = parties();
    const std::size_t first = random().below(all.size());
    for (std::size_t i = 0; i < all.size(); ++i) {
        Party* const party = all[(first + i) % all.size()];
        if (!party->is_over() && is_it(*party)) return party;
    }
    return nullptr;
}

void Trial::strike_somebody(Fate how) {
    const bool revokes = how == Fate::revoked;
    Party* const party = revokes ? anybody([](const Party& p) { return p.can_die && !p.shares; })
                                 : anybody([](const Party& p) { return p.can_die; });
    if (party == nullptr) return;
    if (revokes) {
        is_revoked_ = true;
        party->can_die = false;
        service_->tell({Message::Kind::died, party});
    } else if (kills_left_ != 0) {
        kill(*party);
    }
}

void Trial::kill(Party& party) {
    --kills_left_;
    scheduler_.kill(party);
    plan_fate(Fate::death_noticed, &party, random().below(60));
}

void Trial::meet_fate(Actor& actor) {
    auto& party = static_cast<Party&>(actor);
    const bool can_die = kills_left_ != 0 && party.can_die;
    if (can_die && (stops_left_ == 0 || random().one_in(2))) {
        kill(party);
    } else if (stops_left_ != 0) {
        --stops_left_;
        scheduler_.stop(party);
        plan_fate(Fate::goes_on, &party, random().between(20, 600));
        choose_fate_of(party);
    }
}

void Trial::go_away(Party& party) {
    if (!random().one_in(plan_->away_one_in)) return;
    scheduler_.note("goes away");
    plan_fate(Fate::comes_back, &party, random().between(20, 600));
    scheduler_.wait();
}

// ---- what the scheduler asks and tells ----

void Trial::wrote(const Actor& by, const void* place, std::uint64_t before, std::uint64_t after) {
    if (place == &trainers_floor_) {
        books_.set_floor(without_mark(after), without_mark(after) != after);
    }
    const std::ptrdiff_t at = static_cast<const std::byte*>(place) - memory_.data();
    if (at < static_cast<std::ptrdiff_t>(words_at_) ||
        at >= static_cast<std::ptrdiff_t>(words_end_))
        return;
    const std::uint64_t offset = static_cast<std::uint64_t>(at) - words_at_;
    if (offset % sizeof(SlotDescriptor) != 0) return;  // a length
    const std::string wrong =
        books_.wrote(static_cast<const Party&>(by), offset / sizeof(SlotDescriptor), before, after);
    if (!wrong.empty()) fail(wrong);
}

bool Trial::is_reset_under_way(Party& waits) {
    if (!trainer_->is_resetting()) return false;
    trainer_->tell_when_reset(waits);
    scheduler_.wait();
    return true;
}

std::uint64_t Trial::end_now() const noexcept {
    return plan_->is_stream ? Sampler::kEndless
                            : without_mark(trainers_floor_.peek()) + plan_->records();
}

Atomic<std::uint64_t>& Trial::record_word(std::uint64_t index, std::uint64_t word) noexcept {
    return *reinterpret_cast<Atomic<std::uint64_t>*>(
        memory_.data() + records_at_ + protocol_.slot_of(index) * row_bytes_ + word * 8);
}

}  // namespace headrace::ring::schedule
