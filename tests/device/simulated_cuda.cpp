// What a simulated CUDA runtime is for a test: making it, steering it, asking it.
#include "device/simulated_cuda.hpp"

#include "device/simulated_cuda_state.hpp"

namespace headrace {

using Simulated = SimulatedCuda::State;

SimulatedCuda::SimulatedCuda(std::uint64_t seed, int devices)
    : state_(std::make_unique<State>(seed, devices)) {}

SimulatedCuda::~SimulatedCuda() = default;

// ---- what a trainer does -----------------------------------------------------------------------

Simulator& SimulatedCuda::simulator(int ordinal) {
    return *state_->gpu(ordinal).simulator;
}

cudaStream_t SimulatedCuda::make_stream(int ordinal) {
    cudaStream_t handle = nullptr;
    static_cast<void>(state_->add({ordinal, simulator(ordinal).make_stream(), true}, &handle));
    return handle;
}

std::byte* SimulatedCuda::allocate(std::size_t bytes, int ordinal) {
    void* const place = simulator(ordinal).allocate(bytes, Simulator::Memory::device);
    const std::uint64_t tag = State::kDeviceTag + static_cast<std::uint64_t>(ordinal);
    return static_cast<std::byte*>(State::tagged(place, tag));
}

void SimulatedCuda::free(std::byte* memory, int ordinal) {
    simulator(ordinal).free(place_of(memory));
}

void SimulatedCuda::enqueue(cudaStream_t stream, Simulator::Work work, int ordinal) {
    const State::Stream on = state_->trainers(stream, ordinal);
    simulator(on.device).enqueue(on.stream, std::move(work));
}

void SimulatedCuda::wait_for(cudaStream_t stream, cudaStream_t other, int ordinal) {
    const State::Stream waiting = state_->trainers(stream, ordinal);
    Simulator& simulator = this->simulator(waiting.device);
    Simulator::Event* const event = simulator.make_event();
    simulator.record(event, state_->trainers(other, ordinal).stream);
    simulator.wait(waiting.stream, event);
    simulator.destroy(event);
}

void SimulatedCuda::synchronize(cudaStream_t stream, int ordinal) {
    const State::Stream on = state_->trainers(stream, ordinal);
    simulator(on.device).synchronize(on.stream);
}

void SimulatedCuda::capture(cudaStream_t stream, bool begins) {
    State::Stream* const known = state_->any(stream);
    const std::lock_guard lock(state_->mutex_);
    known->is_capturing = begins;
    state_->captures_ += begins ? 1 : ~std::uint64_t{0};
}

std::byte* SimulatedCuda::place_of(const void* address) noexcept {
    constexpr std::uint64_t kPlace = (std::uint64_t{1} << State::kTagShift) - 1;
    return reinterpret_cast<std::byte*>(reinterpret_cast<std::uint64_t>(address) & kPlace);
}

// ---- what a test makes it do -------------------------------------------------------------------

void SimulatedCuda::set_rates(const Rates& rates) {
    const std::lock_guard lock(state_->mutex_);
    state_->rates_ = rates;
}

void SimulatedCuda::set_uuid(int ordinal, const std::array<unsigned char, 16>& uuid) {
    const std::lock_guard lock(state_->mutex_);
    state_->gpu(ordinal).uuid = uuid;
}

void SimulatedCuda::refuse_registration_above(std::size_t bytes) {
    const std::lock_guard lock(state_->mutex_);
    state_->most_registered_bytes_ = bytes;
}

void SimulatedCuda::forbid_registration() {
    const std::lock_guard lock(state_->mutex_);
    state_->may_register_ = false;
}

void SimulatedCuda::map_each_apart() {
    const std::lock_guard lock(state_->mutex_);
    state_->maps_apart_ = true;
}

void SimulatedCuda::refuse_mapping() {
    const std::lock_guard lock(state_->mutex_);
    state_->may_map_ = false;
}

void SimulatedCuda::forbid_host_pointers() {
    const std::lock_guard lock(state_->mutex_);
    state_->takes_host_pointers_ = false;
}

void SimulatedCuda::fail_call(const std::string& name, std::uint64_t calls_before,
                              cudaError_t error) {
    const std::lock_guard lock(state_->mutex_);
    state_->failing_call_ = name;
    state_->calls_before_failure_ = calls_before;
    state_->call_failure_ = error;
    if (error != cudaSuccess) state_->failed_call_.clear();
}

void SimulatedCuda::shut_down() {
    const std::lock_guard lock(state_->mutex_);
    state_->is_shut_down_ = true;
}

std::string SimulatedCuda::failed_call() const {
    const std::lock_guard lock(state_->mutex_);
    return state_->failed_call_;
}

void SimulatedCuda::fail_operation(int ordinal, std::uint64_t operations_before,
                                   cudaError_t error) {
    Simulated::Gpu& gpu = state_->gpu(ordinal);
    gpu.failure = error;
    gpu.failing_operation = gpu.operations + operations_before;
}

void SimulatedCuda::sabotage(Sabotage sabotage) {
    const std::lock_guard lock(state_->mutex_);
    state_->sabotage_ = sabotage;
}

// ---- what it has seen --------------------------------------------------------------------------

std::uint64_t SimulatedCuda::calls(const std::string& name) const {
    const std::lock_guard lock(state_->mutex_);
    if (!name.empty()) {
        const auto found = state_->calls_.find(name);
        return found == state_->calls_.end() ? 0 : found->second;
    }
    std::uint64_t all = 0;
    for (const auto& [one, count] : state_->calls_) all += count;
    return all;
}

std::set<int> SimulatedCuda::contexts() const {
    const std::lock_guard lock(state_->mutex_);
    std::set<int> found;
    for (int i = 0; i < state_->devices(); ++i) {
        if (state_->gpu(i).has_context) found.insert(i);
    }
    return found;
}

std::string SimulatedCuda::leftovers() const {
    std::size_t blocks = 0;
    for (int i = 0; i < state_->devices(); ++i) blocks += state_->gpu(i).simulator->allocations();
    const std::lock_guard lock(state_->mutex_);
    if (state_->devices() > 1) {  // what is registered is there for each of them
        blocks -= state_->registered_.size() * static_cast<std::size_t>(state_->devices() - 1);
    }
    std::size_t streams = 0;
    for (const auto& stream : state_->streams_) streams += stream->is_trainers ? 0u : 1u;
    const std::size_t events = state_->events_.size();
    if (blocks + streams + events == 0) return {};
    return std::to_string(blocks) + " blocks of memory, " + std::to_string(streams) +
           " streams and " + std::to_string(events) + " events";
}

std::vector<std::string> SimulatedCuda::mistakes() const {
    std::vector<std::string> all;
    {
        const std::lock_guard lock(state_->mutex_);
        all = state_->mistakes_;
    }
    for (int i = 0; i < state_->devices(); ++i) {
        const Simulator::Mistakes counted = state_->gpu(i).simulator->mistakes();
        const auto add = [&](std::uint64_t count, const char* what) {
            if (count == 0) return;
            all.push_back("GPU " + std::to_string(i) + ": " + std::to_string(count) + " " + what);
        };
        add(counted.out_of_order, "operations out of order: no event was between them");
        add(counted.freed_early, "blocks freed that a pending operation touches");
        add(counted.unregistered_early, "blocks unregistered that a pending operation touches");
        add(counted.unknown_memory, "blocks given back that were not there");
        add(counted.timed_early, "times asked for between events that are not complete");
    }
    return all;
}

}  // namespace headrace
