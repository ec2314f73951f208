// What one seed stands for: a small run of a ring, a loader, producers and a trainer.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "device/simulated_backend.hpp"
#include "headrace/layout.hpp"
#include "headrace/schema.hpp"

namespace headrace::storm {

// The same schemas and sizes over and over, so that rings can be used again.
inline constexpr std::size_t kSchemas = 3;
inline constexpr std::size_t kSizes = 5;
Schema schema_of(std::size_t number);
std::uint32_t slots_of(std::size_t number);

struct Plan {
    using Fault = device::SimulatedBackend::Fault;

    static Plan of(std::uint64_t seed);
    std::string describe() const;

    std::uint64_t seed = 0;
    std::size_t schema = 0;
    std::size_t size = 0;  // of the ring
    bool has_epochs = false;
    std::uint32_t epoch_records = 0, epochs = 0;
    bool drop_last = false;

    std::uint32_t batch = 1, depth = 1;
    Layout layout = Layout::packed;
    bool wide_offsets = false;
    std::optional<double> pad = {};  // of the first field
    bool flushes = false;
    // Room for the largest batch and no more, or a little less than that.
    enum class Limit { none, exact, short_of_it } limit = Limit::none;
    bool refuses_registration = false;

    std::uint64_t records = 0;  // that the trainer wants of a stream
    unsigned producers = 0;     // threads; none: the trainer writes by itself
    bool drops = false;         // producers now and then give a record back
    unsigned streams = 1;
    bool strips = false;                // batches go into memory of the trainer's, too
    bool gives_back_elsewhere = false;  // in another thread
    bool leases_outlive = false;        // the loader
    std::uint64_t batches_before_end = ~std::uint64_t{0};
    bool resets = false;  // the trainer resets the ring now and then
    Fault fault = Fault::none;
    std::uint64_t calls_before_fault = 0;
};

}  // namespace headrace::storm
