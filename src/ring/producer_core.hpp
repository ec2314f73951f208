// A producer's inside: the protocol over its mapping, its identity in the ring, its waits.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "headrace/producer.hpp"
#include "ring/deadline.hpp"
#include "ring/participant.hpp"

namespace headrace::detail {

class ProducerCore {
  public:
    using Clock = ring::Clock;

    explicit ProducerCore(Attachment attachment);
    ProducerCore(std::shared_ptr<RingCore> ring, const std::string& identity);
    ~ProducerCore() = default;

    // Waits until `deadline`; without one, as long as it takes.
    Result<ClaimedRecord> claim(std::optional<Clock::time_point> deadline);
    Result<ClaimedRecord> try_claim();
    void publish(std::uint64_t index, std::uint64_t word, std::span<const std::int64_t> lengths);
    void skip(std::uint64_t index, std::uint64_t word, std::string_view reason);
    void drop(std::uint64_t index, std::uint64_t word) noexcept;
    void finish(bool left) noexcept { part_.finish(left); }

    const Schema& schema() const noexcept { return description().schema; }
    const ring::Description& description() const noexcept { return part_.description(); }

  private:
    Result<ClaimedRecord> made_of(const ring::Claim& claim);
    Result<ClaimedRecord> wait_and_claim(std::optional<Clock::time_point> deadline);
    [[noreturn]] void refuse_lengths(std::uint64_t index,
                                     std::span<const std::int64_t> lengths) const;
    void look_after_alarm();
    [[noreturn]] void throw_revoked(std::uint64_t index) const;

    Participant part_;
    ring::Protocol& protocol_;  // part_'s, as are the next two
    ring::ProducerCell& cell_;
    std::span<const FieldView> fields_;
    ring::ClaimMemory memory_;
};

}  // namespace headrace::detail
