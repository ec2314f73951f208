// What a loader has of a GPU, without the loader: a sample of a ring, registered, a copy stream,
// and places for some batches, each of other records. For the tests of the CUDA device.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "device/backend.hpp"
#include "device/sample_batch.hpp"
#include "device/simulated_cuda.hpp"
#include "headrace/device.hpp"

namespace headrace::device {

// Nothing was done wrong, and all has come back.
inline void expect_clean(const SimulatedCuda& cuda) {
    EXPECT_EQ(cuda.mistakes(), std::vector<std::string>{});
    EXPECT_EQ(cuda.leftovers(), "");
    EXPECT_EQ(cudaGetLastError(), cudaSuccess) << "left behind for the trainer's next look";
}

class CudaRun {
  public:
    // Memory of the test's own, which the sample's is copied into and spoilt in.
    struct Ring {
        std::span<std::byte> memory;
        std::size_t at = 0;
    };

    // `batch` says layout, offsets and form, and has the memory.
    CudaRun(SampleBatch& batch, Transfer transfer, std::mt19937_64& random, std::size_t places = 1,
            int ordinal = 0)
        : CudaRun(batch, transfer, random, places, ordinal, {batch.memory(), 0}) {}
    CudaRun(SampleBatch& batch, Transfer transfer, std::mt19937_64& random, std::size_t places,
            int ordinal, Ring ring)
        : batch_(batch),
          transfer_(transfer),
          rows_(ring.memory.subspan(ring.at, batch.memory().size())),
          backend_(Device::cuda(ordinal).backend()),
          registration_(backend_->register_host(ring.memory)) {
        std::memmove(rows_.data(), batch.memory().data(), rows_.size());
        CopyForm form = batch.form(transfer);
        for (FieldForm& field : form.fields) {
            field.rows = rows_.data() + (field.rows - batch.memory().data());
        }
        for (std::size_t i = 0; i < places; ++i) places_.push_back(make_place(random, i == 0));
        stream_ = backend_->make_copy_stream(form, registration_.get());
    }

    // All places, one right behind the other; what is read until `moved` is spoilt then.
    void carry() {
        enqueue_all();
        finish();
    }
    void enqueue_all() {
        for (const auto& place : places_) enqueue(*place);
    }
    void enqueue(std::size_t place) { enqueue(*places_[place]); }
    bool is_moved(std::size_t place) { return backend_->is_complete(*places_[place]->moved); }
    void finish() {
        backend_->synchronize(*places_.back()->moved);
        for (std::byte& byte : rows_) byte = ~byte;
        for (const auto& place : places_) {
            std::memset(place->host_head->data(), 0xee, batch_.head_bytes());
            std::fill(place->slots.begin(), place->slots.end(), ~0u);
            for (auto& lengths : place->lengths) std::fill(lengths.begin(), lengths.end(), ~0u);
        }
        backend_->synchronize(*places_.back()->filled);
    }

    // To the bit, and not a byte beside.
    void expect_carried() const {
        for (const auto& place : places_) {
            Bytes values = bytes_of(place->values->data(), batch_.values_bytes());
            clear(values, place->any_bytes);
            ASSERT_EQ(values, place->wanted);
            ASSERT_EQ(bytes_of(place->head->data(), batch_.head_bytes()), place->wanted_head);
            const std::string what = std::string(name_of(transfer_));
            if (transfer_ != Transfer::automatic || is_bounced()) {
                EXPECT_EQ(place->link_bytes, place->wanted_link_bytes) << what;
            }
        }
    }
    bool is_bounced() const { return !registration_->refusal().empty(); }

    Backend& backend() { return *backend_; }
    Registration& registration() { return *registration_; }
    CopyStream& stream() { return *stream_; }

  private:
    static constexpr std::byte kUntouched{0xcd};

    struct Place {
        std::unique_ptr<Buffer> values, head, host_head;
        std::unique_ptr<Event> moved, filled;
        std::vector<std::uint32_t> slots;
        std::vector<std::vector<std::uint32_t>> lengths;
        BatchPlan plan;
        BatchTarget target;
        Bytes wanted, wanted_head;
        std::vector<AnyBytes> any_bytes;
        std::uint64_t link_bytes = 0, wanted_link_bytes = 0;
    };

    static Bytes bytes_of(const std::byte* address, std::size_t bytes) {
        const std::byte* const place = SimulatedCuda::place_of(address);
        return {place, place + bytes};
    }

    // The first place has the sample's records, the others some of their own.
    std::unique_ptr<Place> make_place(std::mt19937_64& random, bool is_first) {
        if (!is_first) {
            for (SampleField& field : batch_.fields) {
                for (std::uint32_t& length : field.lengths) {
                    length = static_cast<std::uint32_t>(random() % (field.capacity + 1));
                }
            }
            std::rotate(
                batch_.slots.begin(),
                batch_.slots.begin() + static_cast<std::ptrdiff_t>(random() % (batch_.size() + 1)),
                batch_.slots.end());
        }
        auto place = std::make_unique<Place>();
        place->values = backend_->allocate(batch_.values_bytes());
        place->head = backend_->allocate(batch_.head_bytes());
        place->host_head = backend_->allocate_host(batch_.head_bytes());
        place->moved = backend_->make_event();
        place->filled = backend_->make_event();
        std::memset(SimulatedCuda::place_of(place->values->data()), static_cast<int>(kUntouched),
                    batch_.values_bytes());
        batch_.write_head(place->host_head->data());
        place->plan = batch_.plan(place->host_head->data());
        place->slots = batch_.slots;
        place->plan.slots = place->slots;
        for (const SampleField& field : batch_.fields) place->lengths.push_back(field.lengths);
        for (std::size_t i = 0; i < place->lengths.size(); ++i) {
            place->plan.fields[i].lengths = place->lengths[i];
        }
        place->target = batch_.target(place->head->data(), place->values->data());
        place->wanted = batch_.expected_values(kUntouched);
        place->any_bytes = batch_.any_bytes();
        place->wanted_head =
            Bytes(place->host_head->data(), place->host_head->data() + batch_.head_bytes());
        place->wanted_link_bytes = wanted_link_bytes();
        return place;
    }

    std::uint64_t wanted_link_bytes() const {
        std::uint64_t bytes = batch_.head_bytes();
        for (const SampleField& field : batch_.fields) {
            const auto longest = static_cast<std::uint64_t>(field.longest());
            if (!is_bounced() && transfer_ == Transfer::copy) {
                bytes += batch_.size() * field.row_bytes;
            } else if (!is_bounced() && transfer_ == Transfer::trim) {
                bytes += batch_.size() * longest * field.element_bytes;
            } else {
                bytes += field.payload_bytes();
            }
        }
        return bytes;
    }

    void enqueue(Place& place) {
        place.link_bytes = stream_->enqueue(place.plan, place.target, *place.moved);
        stream_->record(*place.filled);
    }

    SampleBatch& batch_;
    Transfer transfer_;
    std::span<std::byte> rows_;
    std::shared_ptr<Backend> backend_;
    std::unique_ptr<Registration> registration_;
    std::vector<std::unique_ptr<Place>> places_;
    std::unique_ptr<CopyStream> stream_;
};

}  // namespace headrace::device
