// Records in memory like a ring's, and batches of them that a loader's copy stream carries to a
// device, without the loader: every plan is made beforehand, and what is timed is the device.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "cli/record_check.hpp"
#include "device/backend.hpp"
#include "device/ceilings.hpp"
#include "headrace/schema.hpp"
#include "loader/plan.hpp"
#include "ring/layout.hpp"
#include "ring/memory.hpp"

namespace headrace::cli {

/// Slots of the classic pair in a sealed memfd, every row of them full: slot i holds the pattern of
/// record i.
class RingRows {
  public:
    RingRows(std::uint32_t floats, std::uint32_t ints, std::uint32_t slots);

    std::span<std::byte> memory() const noexcept { return mapping_.bytes(); }
    const Schema& schema() const noexcept { return schema_; }
    std::uint32_t slots() const noexcept { return slots_; }
    const ring::Geometry& geometry() const noexcept { return geometry_; }
    std::uint64_t row_bytes(std::size_t field) const { return geometry_.row_bytes[field]; }
    std::byte* rows(std::size_t field) const {
        return mapping_.bytes().data() + geometry_.field_offset[field];
    }

  private:
    Schema schema_;
    std::uint32_t slots_;
    ring::Geometry geometry_;
    ring::UniqueFd file_;
    ring::Mapping mapping_;
};

/// Packed batches of consecutive slots, each record filled as RecordCheck has it. Two places on the
/// device take turns, as a loader of depth 2 has them.
class CarriedBatches {
  public:
    /// `backend` and `rows` outlive it.
    CarriedBatches(device::Backend& backend, const RingRows& rows, std::uint32_t batch,
                   double fill);

    device::CopyForm form(Transfer transfer) const;
    /// Of all batches that there are, which are carried in turn.
    std::uint64_t payload_bytes() const noexcept { return payload_bytes_; }
    std::size_t size() const noexcept { return batches_.size(); }

    struct Carried {
        double seconds = 0;
        std::uint64_t payload_bytes = 0;
        std::uint64_t link_bytes = 0;
    };
    /// All batches so many times, one behind the other.
    Carried carry(device::CopyStream& stream, unsigned rounds);
    /// Carries each batch once over junk, copies it back, and compares. Returns what was wrong.
    std::string fault_of(device::CopyStream& stream, device::Ceilings& ceilings);

  private:
    struct Place {
        std::unique_ptr<device::Buffer> values, head;
        std::unique_ptr<device::Event> filled;
    };
    struct Batch {
        detail::Taken taken;
        std::vector<std::uint32_t> slots;
        std::unique_ptr<device::Buffer> host_head;
        std::vector<detail::FieldShape> shapes;
        device::BatchPlan plan;
        device::BatchTarget target;
        std::unique_ptr<device::Event> moved;
    };
    void plan(std::uint32_t first_slot);
    std::string fault_of(const Batch& batch, device::Ceilings& ceilings) const;

    device::Backend& backend_;
    const RingRows& rows_;
    RecordShape shape_;
    detail::BatchForm form_;
    std::unique_ptr<device::Event> begun_, ended_;
    std::vector<Place> places_;
    std::vector<Batch> batches_;
    std::uint64_t payload_bytes_ = 0;
};

}  // namespace headrace::cli
