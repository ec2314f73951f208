// What a simulated CUDA runtime is made of inside; for its own sources only.
#pragma once

#include <cuda_runtime_api.h>

#include <atomic>
#include <map>
#include <mutex>
#include <random>

#include "device/simulated_cuda.hpp"

namespace headrace {

class SimulatedCuda::State {
  public:
    struct Stream {
        int device = 0;
        Simulator::Stream* stream = nullptr;
        bool is_trainers = false;
        bool is_capturing = false;
    };
    struct Event {
        int device = 0;
        Simulator::Event* event = nullptr;
        unsigned flags = 0;
        bool is_recorded = false;
    };
    struct Gpu {
        std::unique_ptr<Simulator> simulator;
        Stream default_stream;
        std::array<unsigned char, 16> uuid{};
        bool has_context = false;
        std::atomic<std::uint64_t> operations{0};
        std::atomic<std::uint64_t> failing_operation{~std::uint64_t{0}};
        std::atomic<cudaError_t> failure{cudaErrorIllegalAddress};
    };
    struct Registered {
        std::size_t bytes = 0;
        unsigned flags = 0;
        std::uint64_t tag = 0;
    };

    State(std::uint64_t seed, int devices);
    ~State();
    // Null while there is none.
    static State* current() noexcept;

    // ---- calls ----

    // Counts a call, and tells how it ends where that does not depend on what it asks for.
    cudaError_t begin(const char* name, bool makes_context = true);
    // The same of a call that a thread must not make while a graph is captured, by whatever thread,
    // unless it has said that it does not mind.
    cudaError_t begin_unsafe(const char* name);
    // The error that a GPU has been lost with; cudaSuccess while it works.
    cudaError_t lost(int device) const;
    // A stream that the calling thread may enqueue on: one of its current GPU.
    cudaError_t find(cudaStream_t handle, Stream*& stream);
    // The same for events, which care for the current GPU with its default stream only.
    cudaError_t find_for_event(cudaStream_t handle, Stream*& stream);
    // One of the trainer's; its default stream, if there is no handle.
    Stream trainers(cudaStream_t handle, int device);
    // Any that lives. Null, and a mistake, otherwise.
    Stream* any(cudaStream_t handle);
    Event* any(cudaEvent_t handle);
    cudaError_t add(Stream stream, cudaStream_t* handle);
    cudaError_t add(Event event, cudaEvent_t* handle);
    Stream take(cudaStream_t handle);
    Event take(cudaEvent_t handle);
    Gpu& gpu(int device) { return *gpus_[static_cast<std::size_t>(device)]; }
    int devices() const noexcept { return static_cast<int>(gpus_.size()); }

    // Enqueues an operation of a call, which may be the one that a test wants to fail.
    void enqueue(const Stream& stream, Simulator::Work work);
    std::uint64_t draw(std::uint64_t below);
    void note(const std::string& mistake);

    // ---- memory: an address of a GPU has a tag above the place that the memory really has ----

    static constexpr int kTagShift = 48;  // no address of x86-64 or arm64 programs has these bits
    static constexpr std::uint64_t kDeviceTag = 0xD0;  // and its number
    static constexpr std::uint64_t kMappedTag = 0x40;
    static std::uint64_t tag_of(const void* address) noexcept {
        return reinterpret_cast<std::uint64_t>(address) >> kTagShift;
    }
    static void* tagged(const void* place, std::uint64_t tag) noexcept {
        return reinterpret_cast<void*>(reinterpret_cast<std::uint64_t>(place) | tag << kTagShift);
    }
    // Where [address, address + bytes) really is; null, and a mistake, unless all of it lies in one
    // allocation of the GPU.
    std::byte* on_device(int device, const void* address, std::uint64_t bytes, const char* what);
    // The same of pinned or registered host memory.
    const std::byte* on_host(int device, const void* address, std::size_t bytes, const char* what);
    cudaError_t register_host(void* data, std::size_t bytes, unsigned flags);
    cudaError_t unregister_host(void* data);
    cudaError_t map(void** mapped, void* data);
    // Registered memory without a gap and at one distance, from the place of a mapped address on.
    struct Extent {
        const std::byte* begin = nullptr;
        const std::byte* end = nullptr;
        std::vector<Simulator::Access> accesses;  // one a registration
    };
    Extent mapped_extent(const void* address);

    // ---- what tests set and see; under the mutex ----

    mutable std::mutex mutex_;
    Rates rates_;
    Sabotage sabotage_ = Sabotage::none;
    std::size_t most_registered_bytes_ = ~std::size_t{0};
    bool may_register_ = true, may_map_ = true, maps_apart_ = false, takes_host_pointers_ = true;
    std::string failing_call_, failed_call_;
    std::uint64_t calls_before_failure_ = 0;
    cudaError_t call_failure_ = cudaSuccess;
    bool is_shut_down_ = false;
    std::map<std::string, std::uint64_t> calls_;
    std::vector<std::unique_ptr<Stream>> streams_;
    std::vector<std::unique_ptr<Event>> events_;
    std::map<const std::byte*, Registered> registered_;
    std::uint64_t registrations_ = 0;
    std::uint64_t captures_ = 0;  // of graphs, just now
    std::vector<std::string> mistakes_;

  private:
    void note_locked(const std::string& mistake);

    std::vector<std::unique_ptr<Gpu>> gpus_;
    std::mt19937_64 random_;
};

// What the runtime keeps for a thread.
struct SimulatedCudaThread {
    std::uint64_t runtime = 0;  // which simulated runtime this belongs to
    int device = 0;
    cudaError_t last = cudaSuccess;
    cudaStreamCaptureMode capture_mode = cudaStreamCaptureModeGlobal;
};
SimulatedCudaThread& simulated_cuda_thread();

// The copy engine's work; not seen by the thread sanitizer, as no GPU is.
void copy_as_device(std::byte* to, const std::byte* from, std::size_t bytes) noexcept;

// One call of the runtime. `work` takes the state.
template <class Work>
cudaError_t simulated_call(const char* name, const Work& work, bool is_unsafe = false) {
    SimulatedCuda::State* const state = SimulatedCuda::State::current();
    cudaError_t error = cudaErrorInsufficientDriver;
    if (state != nullptr) error = is_unsafe ? state->begin_unsafe(name) : state->begin(name);
    if (error == cudaSuccess) error = work(*state);
    if (error != cudaSuccess) simulated_cuda_thread().last = error;
    return error;
}
template <class Work>
cudaError_t simulated_unsafe_call(const char* name, const Work& work) {
    return simulated_call(name, work, true);
}

}  // namespace headrace
