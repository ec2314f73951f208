// The trainer's side of a ring: makes the shared memory and owns it, hands it to producers through
// a socket, learns of their deaths, and ends the ring.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "headrace/consumer.hpp"
#include "headrace/export.hpp"
#include "headrace/message.hpp"
#include "headrace/producer.hpp"
#include "headrace/sampler.hpp"
#include "headrace/schema.hpp"
#include "headrace/state.hpp"
#include "headrace/stats.hpp"

namespace headrace {

namespace detail {
class RingCore;
}

/// Bytes of a ring's name, at most.
inline constexpr std::size_t kMaxRingNameBytes = 63;
/// Slots of a ring, at most.
inline constexpr std::uint32_t kMaxSlots = 1u << 20;
/// Producers attached at one time, and consumers that share the ring with them. The slot's word has
/// eight bits for its owner; one is the trainer.
inline constexpr std::uint32_t kMaxProducers = 255;
/// An index whose claimers died or dropped it this often becomes a hole; so does one whose takers
/// died so often, where consumers share the ring.
inline constexpr std::uint32_t kMaxAttempts = 3;

/// What to do about a producer that holds a record and does not get on with it.
struct StallPolicy {
    /// What is done when `report_after` is over.
    enum class Action {
        wait,  ///< report it, and wait
        /// Report it, send SIGKILL, wait for the proof of death, hand its index on. A producer in
        /// a pid namespace that is neither the trainer's nor below it (a container beside the
        /// trainer's) cannot be sent signals: the report says so, names it `identity@host`, and the
        /// ring waits for whoever kills it by its container.
        kill,
    };
    /// How long a record may be held before it is reported; zero: never looked at.
    std::chrono::milliseconds report_after{30'000};
    Action action = Action::wait;  ///< what is done then
};

/// What a ring is to be.
struct RingOptions {
    std::string name = {};    ///< letters, digits, '_', '-', '.'; at most kMaxRingNameBytes
    Schema schema = {};       ///< at least one field
    std::uint32_t slots = 0;  ///< 2 to kMaxSlots; a loader wants at least two batches of them

    /// Records of an epoch, over all ranks. 0 makes a stream ring: the producers decide what comes
    /// next, and the ring ends when all of them have finished.
    std::uint64_t epoch_records = 0;
    std::uint64_t epochs = 0;                        ///< 0: endless
    std::optional<std::uint64_t> shuffle_seed = {};  ///< empty: items in order
    std::uint32_t rank = 0;                 ///< which of the ranks it is for, see find_rank()
    std::uint32_t world_size = 1;           ///< ranks, each with a ring of its own
    Remainder remainder = Remainder::drop;  ///< what to do where they do not divide an epoch

    /// Go on where a loader stood: of this rank or of any other, see State; all ranks are given the
    /// same one. Its epoch_records, shuffle_seed and remainder must be those above. With its
    /// world_size the indices go on, and so do the batches. With another one indices begin at 0
    /// again: what is left of the epoch's order is dealt anew among the ranks there are now, and no
    /// record is given twice or left out but what `remainder` says of that rest.
    std::optional<State> resume = {};

    /// Where the rendezvous socket lies; empty: $HEADRACE_DIR, else $XDG_RUNTIME_DIR/headrace, else
    /// /run/headrace where that can be written, else /tmp/headrace-UID. Made with mode 0700.
    std::string directory = {};

    /// A stream ring does not end before so many producers have attached and finished; when fewer
    /// came and all are gone, it ends incomplete after the linger time.
    std::uint32_t producers = 1;
    /// Any number of consumers take from the ring, in this process and in others, and each record
    /// goes to one of them: see Consumer. A loader needs a ring without it, for its batches are
    /// fixed ranges of indices.
    bool shared_consumers = false;
    /// How long a dead producer may go unreplaced before the data ends as incomplete.
    std::chrono::milliseconds linger{30'000};
    /// An incomplete end is an ordinary end instead of an IncompleteError, and indices that came
    /// back to nobody become holes.
    bool allow_incomplete = false;
    StallPolicy stall = {};          ///< about producers that hold a record for too long
    MessageHandler on_message = {};  ///< told what goes on; empty: nobody
};

/// Owns a ring. Movable. Thread-safe unless said otherwise.
///
/// The memory is an anonymous, sealed file (memfd) for this user only: when every process that has
/// it is gone it is gone too, whatever they died of. Pages are allocated when the ring is made.
class HEADRACE_EXPORT Ring {
  public:
    /// Makes the memory, binds the socket, and starts the service thread. Takes about the time of
    /// writing the memory once. Throws UsageError for bad options, and SystemError when a ring of
    /// this name runs already, when memory is short (compared with what is available before any is
    /// taken), or when a system call fails.
    static Ring create(RingOptions options);

    Ring(Ring&&) noexcept;
    Ring& operator=(Ring&&) noexcept;
    /// close(), then takes the socket away. Consumers, loaders and in-process producers must be
    /// gone.
    ~Ring();

    /// As in RingOptions.
    ///@{
    const std::string& name() const noexcept;
    const Schema& schema() const noexcept;
    std::uint32_t slots() const noexcept;
    ///@}
    /// Bytes of shared memory.
    std::uint64_t memory_bytes() const noexcept;
    /// The sampler; none for a stream ring.
    const std::optional<Sampler>& sampler() const noexcept;
    /// Path of the rendezvous socket.
    const std::string& socket_path() const noexcept;

    /// A producer in this process, for threads: no socket, the same mapping.
    Producer producer(std::string identity = "thread");
    /// The consumer. One at a time: a loader takes it too. Throws UsageError when it is taken. With
    /// shared_consumers, one of as many as you like; `identity` is how reports name it.
    Consumer consumer(ConsumerOptions options = {}, std::string identity = "thread");

    /// Ends the ring: claims return the end, waits of the consumer return the end. Idempotent.
    void close() noexcept;
    /// Ends the ring with an error: claims and waits throw RingAborted that gives the reason.
    void abort(const std::string& reason) noexcept;

    /// Empties the ring while everything runs: records that were not delivered so far are discarded
    /// and counted, and everybody goes on with new ones; in a ring with a sampler those start anew
    /// where its index 0 is: with its first epoch, wherever RingOptions::resume had begun, or,
    /// after a resume with another number of ranks, at the place from which the rest was dealt
    /// anew. Does not wait: it is the consumer's or loader's next call that gives nothing from
    /// before any more, having waited for records that are being written just now, since no slot is
    /// ever taken from a living producer. Indices go on upwards; those of records and batches that
    /// are held already stay valid. Producers that have met the end, and went, do not come back by
    /// themselves. Throws UsageError when the ring has ended.
    void reset();

    /// A snapshot; disturbs nobody.
    Stats stats() const;

    /// The inside, for the loader.
    const std::shared_ptr<detail::RingCore>& shared_core() const noexcept { return core_; }

  private:
    explicit Ring(std::shared_ptr<detail::RingCore> core);
    std::shared_ptr<detail::RingCore> core_;
};

}  // namespace headrace
