#include "headrace/error.hpp"
#include "loader/storm_content.hpp"
#include "loader/storm_run.hpp"

namespace headrace::storm {

// Where the end comes by an error they write until that lets them go; a ring with epochs ends by
// itself; and nobody knows how much is discarded by resets.
bool Run::is_endless() const noexcept {
    return plan_.has_epochs || plan_.resets || plan_.fault != Plan::Fault::none ||
           plan_.limit == Plan::Limit::short_of_it;
}

bool Run::take_ticket() {
    if (is_endless()) return true;
    std::int64_t left = tickets_;
    while (left > 0 && !tickets_.compare_exchange_weak(left, left - 1)) {
    }
    return left > 0;
}

void Run::start_producers() {
    for (unsigned i = 0; i < plan_.producers; ++i) {
        producers_.emplace_back(
            [this, i] { produce(ring_.producers[i], scatter(plan_.seed + i)); });
    }
}

void Run::produce(Producer& producer, std::uint64_t seed) {
    // A poll: a producer that waits for a place learns of no loader that is gone for good.
    constexpr std::chrono::microseconds kPatience{500};
    std::minstd_rand random(static_cast<unsigned>(seed));
    try {
        while (take_ticket()) {
            Result<ClaimedRecord> record = Outcome::timed_out;
            while (record.outcome() == Outcome::timed_out && !stop_) {
                record = producer.claim_for(kPatience);
            }
            if (!record) return;
            if (plan_.drops && record->attempt() == 0 && random() % 16 == 0) {
                // It is back before anybody may write one in its stead.
                { const ClaimedRecord dropped = std::move(*record); }
                ++tickets_;
                continue;
            }
            write(std::move(*record));
        }
    } catch (const RingAborted&) {
        ++let_go_;
    } catch (const std::exception& error) {
        complain("producer: " + std::string(error.what()));
    }
}

void Run::write_what_fits() {
    Producer& producer = ring_.producers[WorldRing::kProducers];
    while (take_ticket()) {
        Result<ClaimedRecord> record = [&]() -> Result<ClaimedRecord> {
            try {
                return producer.try_claim();
            } catch (const RingAborted&) {  // the trainer will hear of it at its next call
                return Outcome::end;
            }
        }();
        if (!record) {
            ++tickets_;
            return;
        }
        write(std::move(*record));
    }
}

void Run::write(ClaimedRecord&& record) {
    const std::uint64_t index = record.index();
    if (is_hole(index)) return record.skip("so the index wants it");
    const Schema& schema = ring_.ring.schema();
    std::vector<std::int64_t> lengths;
    for (std::size_t i = 0; i < schema.size(); ++i) {
        const std::uint32_t length = length_of(index, i, schema[i].capacity);
        write_content(index, i, record.field_bytes(i).first(length * bytes_of(schema[i].dtype)));
        lengths.push_back(length);
    }
    record.publish_lengths(lengths);
}

// The loader has failed: nobody waits for a place any more.
void Run::expect_let_go() {
    for (std::thread& producer : producers_) producer.join();
    producers_.clear();
    if (!plan_.has_epochs && let_go_ != plan_.producers) {
        complain("producers were not let go by the loader's error");
    }
    try {
        // One more than there are places: what it waits for is the end. The trainer's thread may
        // hear of the error a little before it.
        constexpr std::chrono::seconds kLong{20};
        Producer& producer = ring_.producers[WorldRing::kProducers];
        for (std::uint32_t i = 0; i <= ring_.ring.slots(); ++i) {
            if (auto record = producer.claim_for(kLong)) write(std::move(*record));
        }
        complain("the ring was not ended by the loader's error");
    } catch (const RingAborted&) {
    }
}

}  // namespace headrace::storm
