// Batches in ordinary memory: one pass from the ring straight to its place, done when enqueue()
// returns. Streams and events therefore have nothing to do.
#include <cstring>
#include <new>

#include "device/backend.hpp"
#include "headrace/error.hpp"

namespace headrace::device {

namespace {

constexpr std::align_val_t kAlignment{kBufferAlignment};

class HostBuffer final : public Buffer {
  public:
    explicit HostBuffer(std::size_t bytes)
        : data_(static_cast<std::byte*>(
              ::operator new(bytes == 0 ? 1 : bytes, kAlignment, std::nothrow))) {
        if (data_ == nullptr) {
            throw SystemError("device host: no memory for a batch of " + std::to_string(bytes) +
                              " bytes; use a smaller batch, depth or capacity");
        }
    }
    HostBuffer(const HostBuffer&) = delete;
    HostBuffer& operator=(const HostBuffer&) = delete;
    ~HostBuffer() override { ::operator delete(data_, kAlignment); }
    std::byte* data() const noexcept override { return data_; }

  private:
    std::byte* data_;
};

class HostEvent final : public Event {};

template <std::size_t Bytes>
void fill_with(std::byte* to, std::size_t elements, const schema::Element& pad) {
    for (std::size_t i = 0; i < elements; ++i) std::memcpy(to + i * Bytes, pad.data(), Bytes);
}

void fill(std::byte* to, std::size_t elements, std::size_t element_bytes,
          const schema::Element& pad) {
    if (pad == schema::Element{}) {
        std::memset(to, 0, elements * element_bytes);
        return;
    }
    switch (element_bytes) {
        case 1: return fill_with<1>(to, elements, pad);
        case 2: return fill_with<2>(to, elements, pad);
        case 4: return fill_with<4>(to, elements, pad);
        default: return fill_with<8>(to, elements, pad);
    }
}

// Returns the payload's bytes.
std::uint64_t copy_field(const FieldForm& form, const FieldPlan& field,
                         std::span<const std::uint32_t> slots, std::byte* values,
                         bool fills_tails) {
    const std::size_t element = form.element_bytes;
    const auto width = static_cast<std::size_t>(field.width);
    for (std::size_t record = 0; record < slots.size(); ++record) {
        const std::byte* const from = form.rows + slots[record] * form.row_bytes;
        const std::size_t length = field.lengths[record];
        // A row of its own where rows have a width, else right behind the record before.
        const std::size_t at =
            width != 0 ? record * width : static_cast<std::size_t>(field.offsets[record]);
        std::byte* const to = values + at * element;
        std::memcpy(to, from, length * element);
        if (fills_tails && width > length)
            fill(to + length * element, width - length, element, form.pad);
    }
    return static_cast<std::uint64_t>(field.offsets.back()) * element;
}

void strip_field(const StripField& field, std::size_t records, bool wide_offsets) {
    const Offsets offsets(field.offsets, records + 1, wide_offsets);
    const std::size_t element = field.element_bytes;
    if (field.total == 0) {
        // Nowhere to go, perhaps.
    } else if (field.row_bytes == 0) {
        std::memcpy(field.to_values, field.values, field.total * element);
    } else {
        for (std::size_t record = 0; record < records; ++record) {
            const auto at = static_cast<std::size_t>(offsets[record]);
            const auto end = static_cast<std::size_t>(offsets[record + 1]);
            std::memcpy(field.to_values + at * element, field.values + record * field.row_bytes,
                        (end - at) * element);
        }
    }
    if (field.to_offsets == nullptr) return;
    std::memcpy(field.to_offsets, field.offsets, offsets.size_bytes());
}

class HostCopyStream final : public CopyStream {
  public:
    explicit HostCopyStream(const CopyForm& form) : form_(form) {}
    void wait(Event&) override {}
    std::uint64_t enqueue(const BatchPlan& plan, const BatchTarget& target, Event&) override {
        std::uint64_t bytes = 0;
        for (std::size_t i = 0; i < plan.fields.size(); ++i) {
            bytes += copy_field(form_.fields[i], plan.fields[i], plan.slots, target.values[i],
                                form_.layout != Layout::rows);
        }
        if (!plan.head.empty()) {  // an empty one may have no address
            std::memcpy(target.head, plan.head.data(), plan.head.size());
        }
        return bytes;
    }
    void record(Event&) override {}
    void stamp(Event&) override {}

  private:
    CopyForm form_;
};

class HostBackend final : public Backend {
  public:
    std::string name() const override { return "host"; }
    bool has_streams() const noexcept override { return false; }
    std::unique_ptr<Registration> register_host(std::span<std::byte>) override { return nullptr; }
    std::unique_ptr<Buffer> allocate(std::size_t bytes) override {
        return std::make_unique<HostBuffer>(bytes);
    }
    std::unique_ptr<Buffer> allocate_host(std::size_t bytes) override { return allocate(bytes); }
    std::unique_ptr<Event> make_event() override { return std::make_unique<HostEvent>(); }
    std::unique_ptr<CopyStream> make_copy_stream(const CopyForm& form, Registration*) override {
        return std::make_unique<HostCopyStream>(form);
    }
    void synchronize(Event&) override {}
    bool is_complete(Event&) override { return true; }
    void record(Event&, StreamRef) override {}
    void wait(StreamRef, Event&) override {}
    std::size_t strip_alignment() const noexcept override { return 1; }
    void strip(const StripPlan& plan, StreamRef) override {
        for (const StripField& field : plan.fields) {
            strip_field(field, plan.records, plan.wide_offsets);
        }
    }
    std::optional<double> seconds_between(Event&, Event&) override { return std::nullopt; }
    void begin_stage(const char*) noexcept override {}
    void end_stage() noexcept override {}
};

}  // namespace

std::shared_ptr<Backend> make_host_backend() {
    return std::make_shared<HostBackend>();
}

}  // namespace headrace::device
