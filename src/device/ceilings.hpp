// What a GPU reaches when it is driven by its vendor's own means: what `headrace bench device`
// measures the loader's copies and kernels against, and the trainer that it feeds. No type of
// CUDA's shows, for the command line knows none. Not part of the library: only the command line
// links it. In a build without CUDA it is ceilings_absent.cpp.
//
// All seconds are on the GPU's clock, of work on a stream of its own. One thread at a time. Throws
// headrace::DeviceError, also where what was moved did not arrive as it was sent.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "headrace/device.hpp"

namespace headrace::device {

// Which GPU a figure is from.
struct DeviceDescription {
    std::string name;                // "NVIDIA H200"
    std::string uuid;                // as nvidia-smi shows it
    std::string driver;              // "580.65.06"; empty where the kernel does not tell
    std::string cuda_driver;         // the latest CUDA that the driver knows: "13.0"
    std::string cuda_runtime;        // that this program was built with
    std::string compute_capability;  // "9.0"
    unsigned multiprocessors = 0;
    std::uint64_t memory_bytes = 0;
    std::uint64_t l2_bytes = 0;
    double clock_hz = 0;  // the highest; 0 where CUDA does not tell
    double memory_clock_hz = 0;
};

// Ways from padded rows to packed values, all on the device.
enum class Packing {
    copy,    // no packing: as many bytes, from one place to another. The ceiling.
    strip,   // the loader's kernel
    cub,     // cub::DeviceMemcpy::Batched
    thrust,  // thrust::gather, which finds each element's record by a binary search
};

// Rows of elements of four bytes on the device, and a place for their payload.
class PackingCase {
  public:
    virtual ~PackingCase() = default;
    virtual std::uint64_t payload_bytes() const noexcept = 0;
    // Seconds of one, on average over `times`.
    virtual double seconds(Packing way, unsigned times) = 0;
    // Overwrites the packed place, goes this way once, and copies the place to the host:
    // [payload_bytes()]. For Packing::copy that is the front of the rows.
    virtual void run(Packing way, std::span<std::byte> packed) = 0;
};

// A trainer's stream, whose steps take a fixed time: the GPU spins, on a part of each
// multiprocessor. Steps are numbered from 0.
class StepStream {
  public:
    virtual ~StepStream() = default;
    virtual StreamRef ref() const noexcept = 0;
    // Enqueues a step; there may be as many as the stream was made for.
    virtual void enqueue(double seconds) = 0;
    virtual std::uint64_t steps() const noexcept = 0;
    // On the host, without spinning, until a step has ended.
    virtual void wait(std::uint64_t step) = 0;
    // From the begin of one step to the end of another, both ended.
    virtual double span_s(std::uint64_t first, std::uint64_t last) = 0;
    // What the stream stood idle before a step, behind the one before it; both ended.
    virtual double gap_s(std::uint64_t step) = 0;
    // Copies to the host what is there when the stream has passed all that it was given.
    virtual void read(std::span<std::byte> to, const std::byte* from) = 0;
};

class Ceilings {
  public:
    virtual ~Ceilings() = default;
    virtual DeviceDescription describe() = 0;
    // Plain copies of pinned or registered host memory to the device, one behind the other: seconds
    // of one.
    virtual double copy_s(std::span<const std::byte> host, unsigned times) = 0;
    // A kernel of so many blocks that reads mapped host memory by 16 bytes, in order: seconds of
    // one. `host` is aligned to 16 bytes and has a multiple of as many.
    virtual double mapped_read_s(std::span<const std::byte> host, unsigned blocks,
                                 unsigned times) = 0;
    // `rows`: record r begins at r * row_bytes, and has lengths[r] elements. It is copied.
    virtual std::unique_ptr<PackingCase> make_packing(std::span<const std::byte> rows,
                                                      std::uint64_t row_bytes,
                                                      std::span<const std::uint32_t> lengths) = 0;
    virtual std::unique_ptr<StepStream> make_step_stream(std::uint64_t most_steps) = 0;
    // Device memory; what was enqueued before must have passed.
    virtual void fill(std::byte* memory, std::byte value, std::size_t bytes) = 0;
    virtual void read(std::span<std::byte> to, const std::byte* from) = 0;
};

// `device` is the name of a GPU that was found. Throws UsageError in a build without CUDA.
std::unique_ptr<Ceilings> make_ceilings(const std::string& device);

}  // namespace headrace::device
