// The CUDA runtime and the kernels' launchers for a program of tests, over a simulator for each
// GPU: definitions of exactly those functions that src/device/cuda calls, so that it runs where
// there is no GPU, and is checked more strictly than one would. Device memory is not where its
// addresses say: who uses one of them on the host falls over it.
//
// One at a time. While there is none, CUDA has no driver. What it finds wrong is told by
// mistakes(); most of it also fails the call. It outlives all that was made with it.
#pragma once

#include <cuda_runtime_api.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "device/simulator.hpp"

namespace headrace {

class SimulatedCuda {
  public:
    // What the GPUs' parts take on their clock, beside the simulator's ticks of a microsecond.
    struct Rates {
        double copy_bytes_per_s = 55e9;
        double copy_s = 2.3e-6;   // a copy at the least
        double entry_s = 1.2e-6;  // one of a batch of copies at the least
        double rows_bytes_per_s = 50e9;
        double row_s = 0.05e-6;  // a row of a copy by rows at the least
        double gather_bytes_per_s = 45e9;
        double kernel_bytes_per_s = 1.5e12;  // the other kernels: payload
        double launch_s = 3e-6;
    };
    // What a test can make it do wrong.
    enum class Sabotage {
        none,
        copies_do_not_wait,  // streams that the library made do not wait for events
        trainer_does_not_wait,
        synchronizes_early,  // cudaEventSynchronize returns before the event is complete
    };

    explicit SimulatedCuda(std::uint64_t seed, int devices = 1);
    SimulatedCuda(const SimulatedCuda&) = delete;
    SimulatedCuda& operator=(const SimulatedCuda&) = delete;
    ~SimulatedCuda();

    // ---- what a trainer does ----

    Simulator& simulator(int ordinal = 0);
    cudaStream_t make_stream(int ordinal = 0);  // dies with this; null: the GPU's default stream
    // Memory of the GPU's; not by calls of the runtime.
    std::byte* allocate(std::size_t bytes, int ordinal = 0);
    void free(std::byte* memory, int ordinal = 0);
    // Work that touches memory at the places that place_of() tells.
    void enqueue(cudaStream_t stream, Simulator::Work work, int ordinal = 0);
    // What is enqueued on `stream` from now on waits for what is enqueued on `other` already.
    void wait_for(cudaStream_t stream, cudaStream_t other, int ordinal = 0);
    void synchronize(cudaStream_t stream, int ordinal = 0);
    // A graph is captured from the stream until this ends. Only threads that do not mind may then
    // make calls that could disturb it, on whatever GPU.
    void capture(cudaStream_t stream, bool begins);
    // Where that is really which a GPU has at this address.
    static std::byte* place_of(const void* address) noexcept;

    // ---- what a test makes it do ----

    void set_rates(const Rates& rates);
    void set_uuid(int ordinal, const std::array<unsigned char, 16>& uuid);
    // Host memory of more bytes is not registered; 0: none is.
    void refuse_registration_above(std::size_t bytes);
    void forbid_registration();  // as the attribute of a GPU that cannot
    void map_each_apart();       // each registration at another distance
    void refuse_mapping();       // cudaHostGetDevicePointer fails
    // As the attribute of a GPU that wants its own addresses of registered memory.
    void forbid_host_pointers();
    // The first call of this name behind `calls_before` fails, of any name if it is empty. Calls
    // that give something back do so all the same. With cudaSuccess none will fail.
    void fail_call(const std::string& name, std::uint64_t calls_before, cudaError_t error);
    // The name of the call that failed so.
    std::string failed_call() const;
    // As when a program ends: every call from now on fails with cudaErrorCudartUnloading.
    void shut_down();
    // The operation behind so many that the GPU has begun fails, and all is lost from then on.
    void fail_operation(int ordinal, std::uint64_t operations_before, cudaError_t error);
    void sabotage(Sabotage sabotage);

    // ---- what it has seen ----

    std::uint64_t calls(const std::string& name) const;  // all of them, if the name is empty
    // GPUs on which something made a context.
    std::set<int> contexts() const;
    // What was given out and has not come back, in words; empty: all has.
    std::string leftovers() const;
    std::vector<std::string> mistakes() const;

    class State;  // for the sources of the runtime only

  private:
    std::unique_ptr<State> state_;
};

}  // namespace headrace
