// One batch on its way over a simulated link: what it shall be, and the pieces in which it comes.
// For the simulated device only. Made in enqueue(); then the simulator's thread alone uses it.
#pragma once

#include <cstdint>
#include <memory>
#include <random>
#include <utility>
#include <vector>

#include "device/backend.hpp"
#include "device/simulator.hpp"

namespace headrace::device {

class SimulatedBatch {
  public:
    // `host` does the arithmetic. `plan` and `target` are copied; the spans are the loader's.
    SimulatedBatch(const CopyForm& form, std::shared_ptr<CopyStream> host, const BatchPlan& plan,
                   const BatchTarget& target, std::mt19937_64& random);
    // `plan_` points into the other members.
    SimulatedBatch(const SimulatedBatch&) = delete;
    SimulatedBatch& operator=(const SimulatedBatch&) = delete;

    // The head is one more piece, somewhere among those of the records.
    std::size_t pieces() const noexcept { return pieces_.size(); }
    std::uint64_t payload_bytes() const;
    // Whether the loader's spans still hold what they held.
    bool is_unchanged() const;
    // Where it goes, and where it comes from.
    std::vector<Simulator::Access> writes() const;
    Simulator::Access reads_head() const;

    // All values as they will be, on the way: the target's shape, in `staging`.
    void set_staging(std::shared_ptr<std::vector<std::byte>> staging);
    void fill_target_with_rubbish() const;
    // From the ring to the target or, where there is one, to the staging; the head to the target.
    void bring(std::size_t piece) const;
    // All values, and not the head.
    void bring_values() const;
    // From the staging to the target; nothing for the head.
    void unpack(std::size_t piece) const;
    // The same, with the head.
    void bring_from_staging(std::size_t piece) const;

  private:
    static constexpr std::size_t kHead = ~std::size_t{0};
    using Records = std::pair<std::size_t, std::size_t>;  // [first, second)

    std::size_t field_bytes(std::size_t field, std::size_t records) const;

    CopyForm form_;
    std::shared_ptr<CopyStream> host_;
    BatchPlan theirs_;
    BatchTarget target_;
    // What theirs held when this was made.
    std::vector<std::byte> head_;
    std::vector<std::uint32_t> slots_;
    std::vector<std::vector<std::uint32_t>> lengths_;
    BatchPlan plan_;  // over these

    std::vector<Records> pieces_;
    std::shared_ptr<std::vector<std::byte>> staging_;
    BatchTarget staged_;
};

}  // namespace headrace::device
