// The seam between the loader and the places where batches live. The loader knows this file only; a
// device is one implementation of it: host (host.cpp), CUDA (cuda/), and in tests others.
//
// Streams and events are as CUDA defines them: what is enqueued on a stream happens in order and
// later; an event recorded on a stream is complete when all that was enqueued before it is; a
// stream that waits for an event waits for the last record of it that was made before, and goes on
// when that is complete. No call but synchronize() and those that make or end something waits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "device/offsets.hpp"
#include "headrace/device.hpp"
#include "headrace/layout.hpp"
#include "headrace/transfer.hpp"
#include "schema/element.hpp"

namespace headrace::device {

// Of buffers, and of each field in one; what cudaMalloc gives.
inline constexpr std::size_t kBufferAlignment = 256;
constexpr std::uint64_t aligned(std::uint64_t bytes) noexcept {
    return (bytes + kBufferAlignment - 1) / kBufferAlignment * kBufferAlignment;
}

// What all batches of a loader have in common, of one field.
struct FieldForm {
    std::size_t element_bytes = 0;    // 1, 2, 4 or 8
    std::uint32_t capacity = 0;       // elements of a slot's row
    std::uint64_t row_bytes = 0;      // from one slot's row to the next, a multiple of 16
    const std::byte* rows = nullptr;  // row of slot 0, in the ring
    schema::Element pad{};            // fills the tails of rows
};

// What all batches of a loader have in common.
struct CopyForm {
    Layout layout = Layout::packed;
    Transfer transfer = Transfer::automatic;
    std::uint32_t batch = 0;         // records at the most
    std::uint64_t values_bytes = 0;  // of one batch at the most, each field aligned to 256
    // Device memory that a device may take besides, where it has a choice: whole rows of a batch.
    std::uint64_t staging_limit = ~std::uint64_t{0};
    std::vector<FieldForm> fields;
};

// One field of a batch. The spans stay valid and unchanged until the event `moved` of the batch is
// complete.
struct FieldPlan {
    std::span<const std::uint32_t> lengths;  // [records] elements
    Offsets offsets;                         // [records + 1] elements, offsets[0] = 0
    std::size_t offsets_at = 0;              // where these lie in the head, bytes
    std::int64_t longest = 0;                // elements
    std::int64_t width = 0;                  // elements of a row of the batch; 0 when packed
};

struct BatchPlan {
    std::span<const std::uint32_t> slots;  // [records], the slot of each record, in order
    std::size_t slots_at = 0;              // where these lie in the head, bytes
    // The offsets of all fields and the slots, in memory that is quick to copy from: one block on
    // the host, and one of the same shape on the device.
    std::span<const std::byte> head;
    std::vector<FieldPlan> fields;
};

// Where a batch goes. `head` and each field's values are aligned to 256 bytes.
struct BatchTarget {
    std::byte* head = nullptr;
    std::vector<std::byte*> values;  // one a field, large enough for the batch at hand
};

// One field of a batch that is on the device, and memory of the trainer's for its payload.
struct StripField {
    const std::byte* values = nullptr;   // of the batch: rows, or packed
    std::uint64_t row_bytes = 0;         // from one row to the next, a multiple of 16; 0: packed
    const std::byte* offsets = nullptr;  // of the batch: [records + 1]
    std::uint64_t total = 0;             // elements
    std::size_t element_bytes = 0;
    std::byte* to_values = nullptr;   // [total] elements; not looked at where there are none
    std::byte* to_offsets = nullptr;  // [records + 1]; null: not wanted
};

// A batch that is stripped into memory of the trainer's.
struct StripPlan {
    std::size_t records = 0;
    bool wide_offsets = false;
    std::span<const StripField> fields;
};

// Memory that is given back when the owner dies; aligned to kBufferAlignment.
class Buffer {
  public:
    virtual ~Buffer() = default;
    virtual std::byte* data() const noexcept = 0;
};

// The ring's memory, reachable for the device until the owner dies.
class Registration {
  public:
    virtual ~Registration() = default;
    // Empty, or why the device cannot reach the memory; batches then go through a buffer that it
    // can.
    virtual std::string refusal() const = 0;
};

class Event {
  public:
    virtual ~Event() = default;
};

// A stream of the loader's own, for copies.
class CopyStream {
  public:
    virtual ~CopyStream() = default;
    // What is enqueued from now on waits for `event`.
    virtual void wait(Event& event) = 0;
    // Copies a batch out of the ring and into `target`, strips or fills its padding and writes its
    // head. Records `moved` when ring and plan are read no more. Returns the bytes that cross the
    // link.
    virtual std::uint64_t enqueue(const BatchPlan& plan, const BatchTarget& target,
                                  Event& moved) = 0;
    // Complete when all that was enqueued before is.
    virtual void record(Event& event) = 0;
    // Complete when what is enqueued next begins to cross the link: a device may strip one batch
    // while it copies the next.
    virtual void mark_begin(Event& event) { record(event); }
    // Records `event` past all that is enqueued, as the time of now on the device's clock.
    virtual void stamp(Event& event) = 0;
};

// Thread-safe. Throws headrace::DeviceError, at the call or at a later one, with operation and
// place.
class Backend {
  public:
    virtual ~Backend() = default;
    virtual std::string name() const = 0;
    // Whether lent streams mean anything here; without, work is complete when a call returns.
    virtual bool has_streams() const noexcept = 0;

    // Makes the ring's memory reachable for the device; undone when the owner dies, which must be
    // before the memory is unmapped. A refusal is no error. Empty where nothing needs be done.
    virtual std::unique_ptr<Registration> register_host(std::span<std::byte> memory) = 0;
    virtual std::unique_ptr<Buffer> allocate(std::size_t bytes) = 0;       // on the device
    virtual std::unique_ptr<Buffer> allocate_host(std::size_t bytes) = 0;  // quick to copy from
    // Complete until it is recorded.
    virtual std::unique_ptr<Event> make_event() = 0;
    // `registration` is that of the ring, may be empty, and outlives the stream. May take a
    // moment to find out how fast the link is. Its destructor waits for what it has
    // enqueued.
    virtual std::unique_ptr<CopyStream> make_copy_stream(const CopyForm& form,
                                                         Registration* registration) = 0;

    virtual void synchronize(Event& event) = 0;  // waits on the host, without spinning
    virtual bool is_complete(Event& event) = 0;
    // Throws UsageError for a stream of the trainer's that batches cannot be ordered by.
    virtual void expect_usable(StreamRef) {}
    virtual void record(Event& event, StreamRef stream) = 0;
    virtual void wait(StreamRef stream, Event& event) = 0;
    // What StripField::to_values must be aligned to.
    virtual std::size_t strip_alignment() const noexcept { return kBufferAlignment; }
    // Enqueues on a stream of the trainer's, and returns. The plan itself is read before that; what
    // it points to on the device when the stream comes to it.
    virtual void strip(const StripPlan& plan, StreamRef stream) = 0;
    // From one event to another on the device's clock; negative when they came in the other order.
    // Empty where the device has no clock, or one of them is not complete yet.
    virtual std::optional<double> seconds_between(Event& from, Event& to) = 0;

    // Called once by each thread that is the loader's own, before anything else.
    virtual void enter_thread() {}
    // A named stage of the calling thread, for a profiler's time line. They nest.
    virtual void begin_stage(const char* name) noexcept = 0;
    virtual void end_stage() noexcept = 0;
};

std::shared_ptr<Backend> make_host_backend();

// A stage that ends with the scope.
class Stage {
  public:
    Stage(Backend& backend, const char* name) noexcept : backend_(backend) {
        backend_.begin_stage(name);
    }
    Stage(const Stage&) = delete;
    Stage& operator=(const Stage&) = delete;
    ~Stage() { backend_.end_stage(); }

  private:
    Backend& backend_;
};

}  // namespace headrace::device
