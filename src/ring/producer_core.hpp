// A producer's inside: the protocol over its mapping, its identity in the ring, its waits.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "headrace/producer.hpp"
#include "ring/deadline.hpp"
#include "ring/layout.hpp"
#include "ring/memory.hpp"
#include "ring/process_mark.hpp"
#include "ring/protocol.hpp"
#include "ring/unique_fd.hpp"

namespace headrace::detail {

class RingCore;

// What attaching to another process's ring yields.
struct Attachment {
    ring::UniqueFd socket, trainer_pidfd;
    ring::Mapping mapping;
    ring::Description description;
    ring::Owner owner{};
    std::string trainer;  // for messages: "pid 7", and that it is of another pid namespace
};

// Connects, waiting for the ring if need be, and checks all that it is given. An observer maps
// read-only. A trainer that listens is given `patience`, or options.timeout where that is longer,
// to answer: a matter of milliseconds unless it is stopped. Throws TimeoutError, SystemError.
Attachment attach(std::string_view name, const AttachOptions& options, bool as_observer,
                  std::chrono::milliseconds patience = std::chrono::milliseconds(5000));

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
    void finish(bool left) noexcept;

    const Schema& schema() const noexcept { return description_.schema; }
    const std::optional<Sampler>& sampler() const noexcept { return description_.sampler; }

  private:
    Result<ClaimedRecord> made_of(const ring::Claim& claim);
    Result<ClaimedRecord> wait_and_claim(std::optional<Clock::time_point> deadline);
    [[noreturn]] void refuse_lengths(std::uint64_t index,
                                     std::span<const std::int64_t> lengths) const;
    void look_after_alarm();
    void look_at_trainer();
    // False in a forked child, which inherits this object but neither the mapping nor the identity.
    bool is_ours() const noexcept;
    [[noreturn]] void throw_aborted() const;
    [[noreturn]] void throw_revoked(std::uint64_t index) const;

    std::shared_ptr<RingCore> ring_;  // none for another process's ring
    ring::UniqueFd socket_, trainer_pidfd_;
    ring::Mapping mapping_;  // none for a ring of this process
    ring::Description description_;
    std::string trainer_;  // as in Attachment
    ring::Protocol protocol_;
    ring::Owner me_{};
    ring::ProducerCell* cell_ = nullptr;
    ring::ClaimMemory memory_;
    std::span<const FieldView> fields_;  // protocol_'s
    bool finished_ = false;
    ring::ProcessMark made_in_ = ring::ProcessMark::here();
    Clock::time_point trainer_seen_{};
};

}  // namespace headrace::detail
