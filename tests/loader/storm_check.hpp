// What a batch of a storm must be: asked of the host when it is handed out, and of the device's
// memory by work on a stream, when that runs.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "device/simulator.hpp"
#include "headrace/batch.hpp"
#include "loader/storm_plan.hpp"
#include "schema/element.hpp"

namespace headrace::storm {

// Device memory that the values of the batch of [first, last) take.
std::uint64_t batch_bytes(const Plan& plan, std::uint64_t first, std::uint64_t last);

class Check {
  public:
    // Throws std::logic_error that tells what the host says wrong of the batch.
    Check(const Plan& plan, const Batch& batch);
    // Of the memory that it is stripped into.
    Check(const Plan& plan, const Batch& batch, std::span<const StripTarget> targets);

    // On the device: what is wrong there, or "".
    std::string look() const;
    // As a trainer may: the memory is its own.
    void scribble() const;
    // For operations that look, and for one that scribbles.
    std::vector<Simulator::Access> touches(bool writes) const;

  private:
    struct FieldCheck {
        std::byte* values = nullptr;
        const std::byte* offsets = nullptr;
        std::size_t bytes = 0;
        std::int64_t width = 0;
    };
    std::size_t offset_bytes() const noexcept;
    void check_host(const Batch& batch);
    std::string look_at_offsets(std::size_t field) const;
    std::string look_at_values(std::size_t field) const;

    const Schema schema_;
    const std::uint64_t first_;
    const bool wide_, has_tails_;
    std::vector<std::uint64_t> indices_;
    std::vector<FieldCheck> fields_;
    std::vector<schema::Element> pads_;
};

}  // namespace headrace::storm
