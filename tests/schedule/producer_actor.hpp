// A producer: the calls of ProducerCore (src/ring/producer.cpp), in its order.
#pragma once

#include <cstdint>

#include "schedule/party.hpp"
#include "schedule/scheduled_protocol.hpp"

namespace headrace::ring::schedule {

class Trial;

// What the producer of a claim writes into word `word` of its record: unlike what any other claim
// of this or another index would have there.
std::uint64_t content_of(std::uint64_t claim_word, std::uint64_t word) noexcept;
inline constexpr std::uint64_t kRecordWords = 3;
// How many of them it has.
std::int64_t length_of(std::uint64_t claim_word) noexcept;

class ProducerActor final : public Party {
  public:
    ProducerActor(Trial& trial, Owner owner);

  protected:
    void run() override;

  private:
    Claim try_claim();
    Claim claim();
    Claim wait_and_claim();
    void check_end(const Claim& claim, std::uint64_t floor_before);
    void write(const Claim& claim);
    void let_go(const Claim& claim);
    void publish(const Claim& claim);
    void refused(const char* what);

    Trial& trial_;
    ClaimMemory memory_;
    std::uint64_t made_ = 0;
    bool leaves_ = false;  // with what it has
};

}  // namespace headrace::ring::schedule
