// One run of the real loader on a GPU of a simulated CUDA: a ring, its producers in threads, and a
// trainer that looks at its batches when its streams come to them, and then writes over them.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "device/simulated_cuda.hpp"
#include "loader/loader_fixture.hpp"

namespace headrace {

// What the memory of a batch must hold, looked at on the device.
class LateCheck {
  public:
    explicit LateCheck(const Batch& batch);
    // Of the memory that it is stripped into.
    LateCheck(const Batch& batch, std::span<const StripTarget> targets);
    std::string look() const;  // what is wrong, or ""
    void scribble() const;
    std::vector<Simulator::Access> touches(bool writes) const;

  private:
    struct Part {
        std::size_t at = 0, bytes = 0;
    };
    struct FieldCheck {
        std::byte* values = nullptr;
        const std::byte* offsets = nullptr;
        std::vector<std::byte> wanted_values, wanted_offsets;
        std::vector<Part> parts;  // of the values, which are looked at
    };
    template <class T>
    void add_field(const Batch& batch, std::size_t field, const std::vector<std::vector<T>>& rows,
                   std::span<const StripTarget> targets);

    std::uint64_t first_;
    std::vector<FieldCheck> fields_;
};

// What a seed stands for.
struct CudaLoaderPlan {
    static CudaLoaderPlan of(std::uint64_t seed);
    std::string describe() const;

    std::uint64_t seed = 0;
    Transfer transfer = Transfer::copy;
    Layout layout = Layout::packed;
    bool wide_offsets = false;
    std::uint32_t batch = 1, depth = 1, slots = 2;
    std::uint64_t epoch_records = 1, epochs = 1;
    unsigned producers = 1, streams = 1;
    bool strips = false;  // into memory of the trainer's own
    bool uses_default_stream = false;
    bool gives_back_elsewhere = false;
    bool leases_outlive = false;  // the loader
    std::uint64_t most_batches = ~std::uint64_t{0};
};

class CudaLoaderRun {
  public:
    // `options` of the ring but for what the plan says.
    CudaLoaderRun(SimulatedCuda& cuda, const CudaLoaderPlan& plan, RingOptions options,
                  int ordinal = 0);
    // To the end. Throws what the loader throws, with everything let go of.
    void run();
    // What was wrong first; "" if nothing was.
    std::string wrong() const;
    bool has_begun() const noexcept { return has_begun_; }  // the loader was made
    const std::optional<Stats>& stats() const noexcept { return stats_; }

  private:
    void take_batches(Loader& loader, std::vector<Batch>& leases);
    void use(Batch& batch, std::size_t stream);
    // Looks when the stream comes to it, unless memory that it touches has gone.
    void look(cudaStream_t stream, const std::shared_ptr<LateCheck>& check,
              std::vector<Simulator::Access> touches = {});
    void strip(Batch& batch, cudaStream_t stream);
    void give_back_one(std::vector<Batch>& leases);
    void complain(const std::string& text);
    std::uint64_t draw(std::uint64_t below) { return random_() % below; }

    SimulatedCuda& cuda_;
    const CudaLoaderPlan plan_;
    RingOptions options_;
    const int ordinal_;
    std::mt19937_64 random_;
    std::vector<cudaStream_t> streams_;
    std::vector<std::thread> givers_;
    std::vector<std::byte*> memory_;   // of the GPU, the trainer's own
    std::vector<std::uint64_t> seen_;  // how often, by item
    std::uint64_t batches_ = 0;
    bool has_begun_ = false;
    std::optional<Stats> stats_;
    mutable std::mutex mutex_;
    std::string wrong_;
};

}  // namespace headrace
