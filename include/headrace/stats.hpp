// One snapshot type behind everything that tells what a ring and its loader are doing.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "headrace/export.hpp"

namespace headrace {

/// How far a ring has come.
enum class Phase : std::uint8_t {
    open = 1,     ///< records come and go
    drain = 2,    ///< no new records; what is published is still delivered
    closed = 3,   ///< ended in order
    aborted = 4,  ///< ended by an error, or by the trainer's death
};
/// "open", "drain", "closed", "aborted".
HEADRACE_EXPORT std::string_view name_of(Phase phase) noexcept;

/// What has become of a producer, or of a consumer that shares the ring.
enum class ProducerState : std::uint8_t {
    attached = 1,      ///< at work
    finished = 2,      ///< said that it is done
    died = 3,          ///< proven by its pidfd
    left = 4,          ///< detached while an exception was on its way
    contact_lost = 5,  ///< its socket is closed, its process lives (execve)
};
/// "attached", "finished", "died", "left", "contact lost".
HEADRACE_EXPORT std::string_view name_of(ProducerState state) noexcept;

/// One producer, as counted by itself; records.
struct ProducerStats {
    std::uint32_t id = 0;  ///< its number in this ring; a late one may get that of a dead one
    /// Which owner of this id it is, counted modulo 128: id and incarnation together tell producers
    /// apart, what they say of themselves (pid, identity) does not.
    std::uint32_t incarnation = 0;
    /// As it sees itself. In a pid namespace of its own, as containers are, it is 1 more often than
    /// not.
    std::int64_t pid = 0;
    /// Of AttachOptions; `identity@host` for a producer in another pid namespace than the trainer,
    /// cut where that is longer than 47 bytes. Written by another program: any bytes.
    std::string identity = {};
    ProducerState state = ProducerState::attached;  ///< what has become of it
    std::uint64_t claimed = 0;                      ///< taken, to be written
    std::uint64_t published = 0;                    ///< written, and made visible
    std::uint64_t skipped = 0;                      ///< made holes, with a reason
    std::uint64_t dropped = 0;                      ///< given back unwritten
    std::uint64_t payload_bytes = 0;                ///< of those published
    double attached_s = 0;                          ///< how long it has been (or was) attached
    double waited_s = 0;                            ///< of that, waiting for a place or for work
};

/// One of the consumers that share a ring, as counted by itself; records.
struct ConsumerStats {
    std::uint32_t id = 0;           ///< as for a producer; ids are handed out to both
    std::uint32_t incarnation = 0;  ///< as for a producer
    std::int64_t pid = 0;           ///< as for a producer
    std::string identity = {};      ///< as for a producer
    ProducerState state = ProducerState::attached;  ///< what has become of it
    std::uint64_t delivered = 0;                    ///< taken, and given back
    double attached_s = 0;                          ///< how long it has been (or was) attached
    double waited_s = 0;                            ///< of that, waiting for records
};

/// A ring and its loader at one moment.
struct HEADRACE_EXPORT Stats {
    std::string ring;                ///< its name
    Phase phase = Phase::open;       ///< how far it has come
    bool incomplete = false;         ///< ended because producers died and nobody took their place
    double age_s = 0;                ///< since the ring was made
    std::uint32_t slots = 0;         ///< places for records
    std::uint64_t memory_bytes = 0;  ///< of shared memory
    bool huge_pages = false;         ///< the kernel was asked for huge pages and agreed

    // The books: claimed = delivered + in_ring + prefetched + lost + discarded whenever the ring is
    // at rest. Each term is counted by itself.
    std::uint64_t claimed = 0;  ///< indices that were ever claimed, or passed over by a reset
    /// Records handed to the trainer, singly or in batches; by consumers that share the ring, those
    /// given back.
    std::uint64_t delivered = 0;
    std::uint64_t in_ring = 0;     ///< being written, published, given back or leased
    std::uint64_t prefetched = 0;  ///< in device batches that the trainer has not asked for yet
    std::uint64_t lost = 0;        ///< holes: skipped, died, dropped, invalid
    /// Of unwanted short last batches, prefetched for nothing, and passed over by resets: those
    /// also where no producer had claimed them yet.
    std::uint64_t discarded = 0;

    std::uint64_t skipped = 0;   ///< of the lost: HoleKind::skipped
    std::uint64_t died = 0;      ///< of the lost: HoleKind::died
    std::uint64_t dropped = 0;   ///< of the lost: HoleKind::dropped
    std::uint64_t invalid = 0;   ///< of the lost: HoleKind::invalid
    std::uint64_t returned = 0;  ///< indices that came back from a dead or dropping producer
    std::uint64_t deaths = 0;    ///< producers that died, and consumers that share the ring
    /// Records that a consumer had taken when it died or went, and that go to another.
    std::uint64_t redelivered = 0;
    std::uint64_t alarms = 0;  ///< looks after 500 ms of sleep that found something: 0 if healthy

    std::uint64_t writing = 0;             ///< slots being written
    std::uint64_t ready = 0;               ///< slots published and not yet taken
    std::uint64_t leased = 0;              ///< slots in the trainer's, or a consumer's, hands
    std::vector<ProducerStats> producers;  ///< all that ever attached, but for ids used again
    std::vector<ConsumerStats> consumers;  ///< the same of those that share the ring

    // The loader, all zero where there is none.
    std::string device;               ///< "host", "cuda:0"
    std::uint64_t batches = 0;        ///< batches handed to the trainer
    std::uint64_t payload_bytes = 0;  ///< payload of the records delivered
    std::uint64_t padding_bytes = 0;  ///< padding of the same records; link_bytes tells what moved
    std::uint64_t link_bytes = 0;     ///< bytes moved from the ring to the device
    /// How the device reaches the ring: "ordinary" (the host device), "pinned", or "bounced": the
    /// memory could not be pinned, and batches go through a buffer that is.
    std::string host_memory;
    double copying_s = 0;    ///< the copy stream moving batches over the link, on a GPU's clock
    double stripping_s = 0;  ///< stripping and filling padding, on a GPU's clock
    double loader_s = 0;     ///< since the first batch was asked for
    /// Of that, the trainer waiting for a batch: its thread in next(), and on a GPU its stream.
    double trainer_waited_s = 0;
    double waited_for_producers_s = 0;  ///< the part of trainer_waited_s that was for producers
    /// The part that was for copies and stripping. What a stream waited is known when the batch's
    /// memory is filled again.
    double waited_for_copies_s = 0;
    double held_by_trainer_s = 0;  ///< the loader waiting for a batch to be given back

    /// Who waited for whom, in words: `the trainer waited 31 % of the time for producers: add
    /// producers, or make them faster`. Says so when too little has happened to tell.
    std::string verdict() const;
};

/// Looks at a running ring of any process of this user, through a read-only mapping.
class HEADRACE_EXPORT Observer {
  public:
    /// Throws SystemError when there is no such ring, or it refuses; TimeoutError when its trainer
    /// listens but has not answered within `patience`, as one does that is stopped. `directory` as
    /// in RingOptions.
    explicit Observer(std::string_view name, std::string directory = {},
                      std::chrono::milliseconds patience = std::chrono::milliseconds(5000));
    Observer(Observer&&) noexcept;
    Observer& operator=(Observer&&) noexcept;
    ~Observer();
    /// What there is to tell at this moment; Phase::aborted when the trainer has died since.
    Stats snapshot() const;

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace headrace
