// The seam between the loader and the places where batches live. The loader knows this file only; a
// device is one implementation of it: host (host.cpp), and in tests others.
//
// Streams and events are as CUDA defines them: what is enqueued on a stream happens in order and
// later; an event recorded on a stream is complete when all that was enqueued before it is; a
// stream that waits for an event goes on when it is complete. No call but synchronize() and
// allocation waits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "headrace/device.hpp"
#include "headrace/layout.hpp"
#include "schema/element.hpp"

namespace headrace::device {

// One field of a batch: which bytes of the ring go where. The spans stay valid and unchanged until
// the event recorded after the plan is complete.
struct FieldPlan {
    std::size_t element_bytes = 0;
    std::uint32_t capacity = 0;              // elements of a slot's row
    std::uint64_t row_bytes = 0;             // from one slot's row to the next
    const std::byte* rows = nullptr;         // row of slot 0, in the ring
    std::span<const std::uint32_t> lengths;  // [records] elements
    std::span<const std::int32_t> offsets;   // [records + 1] elements, offsets[0] = 0
    std::int64_t longest = 0;                // elements
    std::int64_t width = 0;                  // elements of a row of the batch; 0 when packed
    schema::Element pad{};                   // fills the tails of rows
};

struct BatchPlan {
    Layout layout = Layout::packed;
    std::span<const std::uint64_t> slots;  // [records], the slot of each record, in order
    std::vector<FieldPlan> fields;
};

// Where a field of the batch goes; sized for the largest batch.
struct FieldTarget {
    std::byte* values = nullptr;
    std::int32_t* offsets = nullptr;
};

// Memory that is given back when the owner dies; aligned to 256 bytes.
class Buffer {
  public:
    virtual ~Buffer() = default;
    virtual std::byte* data() const noexcept = 0;
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
    // Copies a batch out of the ring and into `targets`, strips or fills its padding and writes its
    // offsets. Returns the bytes that cross the link.
    virtual std::uint64_t enqueue(const BatchPlan& plan, std::span<const FieldTarget> targets) = 0;
    virtual void record(Event& event) = 0;
};

// Thread-safe. Throws headrace::Error, at the call or at a later one, with operation and place.
class Backend {
  public:
    virtual ~Backend() = default;
    virtual std::string name() const = 0;
    // Whether lent streams mean anything here; without, work is complete when a call returns.
    virtual bool has_streams() const noexcept = 0;

    // Makes the ring's memory reachable for the device; undone when the owner dies, which must be
    // before the memory is unmapped. May be empty where there is nothing to undo.
    virtual std::unique_ptr<Buffer> register_host(std::span<std::byte> memory) = 0;
    virtual std::unique_ptr<Buffer> allocate(std::size_t bytes) = 0;       // on the device
    virtual std::unique_ptr<Buffer> allocate_host(std::size_t bytes) = 0;  // quick to copy from
    virtual std::unique_ptr<Event> make_event() = 0;  // complete until it is recorded
    virtual std::unique_ptr<CopyStream> make_copy_stream() = 0;

    virtual bool is_complete(Event& event) = 0;
    virtual void synchronize(Event& event) = 0;  // waits on the host, without spinning
    virtual void record(Event& event, StreamRef stream) = 0;
    virtual void wait(StreamRef stream, Event& event) = 0;
};

std::shared_ptr<Backend> make_host_backend();

}  // namespace headrace::device
