// A loader's beginning and end: memory, streams and events are all made here.
#include <cstring>
#include <utility>

#include "headrace/error.hpp"
#include "loader/loader_core.hpp"

namespace headrace::detail {

namespace {

LoaderOptions bounded(LoaderOptions options) {
    options.first_timeout = ring::bounded(options.first_timeout);
    options.stall_timeout = ring::bounded(options.stall_timeout);
    options.flush_after = ring::bounded(options.flush_after);
    options.lease_timeout = ring::bounded(options.lease_timeout);
    return options;
}

}  // namespace

LoaderCore::LoaderCore(std::shared_ptr<RingCore> ring, LoaderOptions options)
    : ring_(std::move(ring)),
      options_(bounded(std::move(options))),
      form_(BatchForm::of(ring_->description().schema, ring_->description().slots, options_)),
      backend_(options_.device.backend()),
      consumer_(std::make_unique<ConsumerCore>(ring_, ConsumerOptions{})),
      state_position_(consumer_->position()),
      state_floor_(consumer_->floor()) {
    register_ring();
    make_slots();
    const ring::Geometry geometry = ring::Geometry::of(form_.schema, ring_->description().slots);
    copy_stream_ = backend_->make_copy_stream(
        form_.copy_form(options_.transfer, ring_->memory().data(), geometry), registration_.get());
    ring_->protocol().trainer().device.store(backend_->name());
}

LoaderCore::~LoaderCore() {
    stop();
    // The memory goes with us: the trainer's streams must have passed what they do with it.
    for (const auto& slot : slots_) {
        for (std::size_t i = 0; i < slot->used_count; ++i) {
            try {
                backend_->synchronize(*slot->used[i]);
            } catch (...) {
                // A device that has failed does nothing with it any more.
            }
        }
    }
}

void LoaderCore::register_ring() {
    registration_ = backend_->register_host(ring_->memory());
    std::string_view how = "ordinary";
    if (registration_) {
        const std::string refusal = registration_->refusal();
        how = refusal.empty() ? "pinned" : "bounced";
        if (!refusal.empty()) {
            const std::string text = "loader: the memory of ring \"" + ring_->description().name +
                                     "\" cannot be pinned for " + backend_->name() + ": " + refusal;
            if (options_.require_pinned) throw DeviceError(text + "; require_pinned is set");
            ring_->messages().say(
                Severity::warning,
                text + "; batches go through a pinned buffer, a copy more on the host");
        }
    }
    ring_->protocol().trainer().host_memory.store(how);
}

void LoaderCore::make_slots() {
    for (std::uint32_t i = 0; i < options_.depth; ++i) {
        auto slot = std::make_unique<BatchSlot>();
        slot->values = backend_->allocate(form_.values_bytes);
        slot->head = backend_->allocate(form_.head_bytes());
        slot->host_head = backend_->allocate_host(form_.head_bytes());
        std::memset(slot->host_head->data(), 0, form_.head_bytes());
        for (BatchSlot::Filling& filling : slot->fillings) {
            for (auto* const event :
                 {&filling.awaited, &filling.arrived, &filling.handed, &filling.begun,
                  &filling.moved, &filling.filled, &filling.asked}) {
                *event = backend_->make_event();
            }
        }
        // One for the trainer's stream; more come with more streams.
        if (backend_->has_streams()) {
            slot->used.push_back(backend_->make_event());
            spare_events_.push_back(backend_->make_event());
        }
        free_.push_back(slot.get());
        slots_.push_back(std::move(slot));
    }
}

}  // namespace headrace::detail
