// A device in ordinary memory that is late: a thread of its own carries copies out, in order, when
// the test lets it. It keeps what src/device/backend.hpp promises and no more, and counts where the
// loader breaks its side of it.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "device/backend.hpp"
#include "headrace/error.hpp"

namespace headrace::device {

struct EventState;

// What the device throws where a test asks for it.
class DelayedError : public Error {
  public:
    using Error::Error;
};

class DelayedBackend final : public Backend {
  public:
    // Where a test can make it fail.
    enum class Fault { none, allocate, enqueue, synchronize, record_on_stream };

    // An event, and which of its records.
    using Mark = std::pair<std::shared_ptr<EventState>, std::uint64_t>;

    // A stream of the trainer, whose work is done unless the test says that it is busy.
    struct TrainerStream {
        StreamRef ref() noexcept { return {this}; }

      private:
        friend class DelayedBackend;
        bool busy = false;
        std::vector<Mark> awaits;
    };

    DelayedBackend();
    ~DelayedBackend() override;

    // What the test steers it with.
    void hold_copies();
    void let_copies_go(std::uint64_t copies = std::numeric_limits<std::uint64_t>::max());
    void hold_enqueue();  // the planner waits inside of enqueue()
    void let_enqueue_go();
    void set_busy(TrainerStream& stream, bool busy);
    void fail_at(Fault fault, std::uint64_t calls_before = 0);
    // Waits until all that the stream waits for is complete: the batch may be looked at.
    void synchronize(TrainerStream& stream);

    // What it has seen.
    struct Seen {
        std::uint64_t entered = 0;        // calls of enqueue()
        std::uint64_t enqueued = 0;       // of these, those that are through
        std::uint64_t carried_out = 0;    // copies
        std::uint64_t synchronizing = 0;  // calls of synchronize(event) that wait now
        // The loader's mistakes.
        std::uint64_t plans_changed = 0;       // between enqueue() and the copy
        std::uint64_t copies_while_busy = 0;   // into a batch that a stream still works on
        std::uint64_t unregistered_early = 0;  // the ring's memory, with copies on their way
    };
    Seen seen() const;

    std::string name() const override { return "delayed"; }
    bool has_streams() const noexcept override { return true; }
    std::unique_ptr<Buffer> register_host(std::span<std::byte> memory) override;
    std::unique_ptr<Buffer> allocate(std::size_t bytes) override;
    std::unique_ptr<Buffer> allocate_host(std::size_t bytes) override { return allocate(bytes); }
    std::unique_ptr<Event> make_event() override;
    std::unique_ptr<CopyStream> make_copy_stream() override;
    bool is_complete(Event& event) override;
    void synchronize(Event& event) override;
    void record(Event& event, StreamRef stream) override;
    void wait(StreamRef stream, Event& event) override;

  private:
    class Stream;
    class Registration;
    struct Copy {
        BatchPlan plan;  // its spans are the loader's
        std::vector<FieldTarget> targets;
        std::vector<std::uint64_t> slots;  // what the spans held when it was enqueued
        std::vector<std::vector<std::uint32_t>> lengths;
        std::vector<std::vector<std::int32_t>> offsets;
        bool is_unchanged() const;
    };
    struct Operation {
        enum class Kind { copy, wait, record } kind;
        Mark mark;
        std::optional<Copy> copy;
    };
    struct OnStream {  // an event that a trainer's stream will complete
        TrainerStream* stream;
        Mark mark;
        std::vector<Mark> awaits;
    };

    static bool is_done(const Mark& mark);
    static Mark mark_of(Event& event, bool next);
    bool can_go_on() const;
    void complete_streams();
    void check_fault(Fault fault);
    void carry_out_all();
    std::uint64_t enqueue(const BatchPlan& plan, std::span<const FieldTarget> targets);
    void add(Operation operation);

    const std::shared_ptr<Backend> host_ = make_host_backend();
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<Operation> operations_;
    std::vector<OnStream> on_streams_;
    std::uint64_t allowed_ = std::numeric_limits<std::uint64_t>::max();
    std::uint64_t busy_streams_ = 0;
    bool enqueue_held_ = false;
    Fault fault_ = Fault::none;
    std::uint64_t calls_before_fault_ = 0;
    Seen seen_;
    bool stopping_ = false;
    std::thread thread_;
};

}  // namespace headrace::device
