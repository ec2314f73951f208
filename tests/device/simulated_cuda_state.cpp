#include "device/simulated_cuda_state.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <utility>

namespace headrace {

namespace {

std::atomic<SimulatedCuda::State*> current_state = nullptr;
std::atomic<std::uint64_t> runtimes_ever = 0;

// The machine's failure, for which the simulator stops working.
struct Lost {};

}  // namespace

SimulatedCudaThread& simulated_cuda_thread() {
    thread_local SimulatedCudaThread thread;
    if (thread.runtime != runtimes_ever) thread = {.runtime = runtimes_ever};
    return thread;
}

using State = SimulatedCuda::State;

State::State(std::uint64_t seed, int devices) : random_(seed) {
    for (int i = 0; i < devices; ++i) {
        auto gpu = std::make_unique<Gpu>();
        gpu->simulator = std::make_unique<Simulator>(random_());
        gpu->default_stream = {i, nullptr, true};
        for (std::size_t byte = 0; byte < gpu->uuid.size(); ++byte) {
            gpu->uuid[byte] = static_cast<unsigned char>(0x10 * i + static_cast<int>(byte));
        }
        gpus_.push_back(std::move(gpu));
    }
    ++runtimes_ever;
    current_state = this;
}

State::~State() {
    current_state = nullptr;
    for (const auto& event : events_) gpu(event->device).simulator->destroy(event->event);
}

State* State::current() noexcept {
    return current_state;
}

// ---- calls -------------------------------------------------------------------------------------

cudaError_t State::begin(const char* name, bool makes_context) {
    const int device = simulated_cuda_thread().device;
    {
        const std::lock_guard lock(mutex_);
        ++calls_[name];
        if (is_shut_down_) return cudaErrorCudartUnloading;
        if (devices() == 0) return cudaErrorNoDevice;
        if (makes_context) gpu(device).has_context = true;
        const bool may_fail =
            call_failure_ != cudaSuccess && (failing_call_.empty() || failing_call_ == name);
        if (may_fail && calls_before_failure_-- == 0) {
            failed_call_ = name;
            return std::exchange(call_failure_, cudaSuccess);
        }
    }
    return makes_context ? lost(device) : cudaSuccess;
}

cudaError_t State::lost(int device) const {
    const Gpu& gpu = *gpus_[static_cast<std::size_t>(device)];
    return gpu.simulator->failure() ? gpu.failure.load() : cudaSuccess;
}

cudaError_t State::begin_unsafe(const char* name) {
    {
        const std::lock_guard lock(mutex_);
        const bool minds = simulated_cuda_thread().capture_mode != cudaStreamCaptureModeRelaxed;
        if (captures_ != 0 && minds) {
            note_locked(std::string(name) + " while a graph is captured");
            return cudaErrorStreamCaptureUnsupported;
        }
    }
    return begin(name);
}

cudaError_t State::find(cudaStream_t handle, Stream*& stream) {
    const cudaError_t error = find_for_event(handle, stream);
    if (error != cudaSuccess) return error;
    const int device = simulated_cuda_thread().device;
    if (stream->device == device) return cudaSuccess;
    note("a stream of GPU " + std::to_string(stream->device) + " while GPU " +
         std::to_string(device) + " is current");
    return cudaErrorInvalidResourceHandle;
}

cudaError_t State::find_for_event(cudaStream_t handle, Stream*& stream) {
    if (handle == cudaStreamPerThread) {
        note("the default stream of a thread");
        return cudaErrorInvalidResourceHandle;
    }
    const bool is_default = handle == nullptr || handle == cudaStreamLegacy;
    stream = is_default ? &gpu(simulated_cuda_thread().device).default_stream : any(handle);
    if (stream == nullptr) return cudaErrorInvalidResourceHandle;
    if (stream->is_capturing) {
        note("work on a stream that is captured");
        return cudaErrorStreamCaptureUnsupported;
    }
    return lost(stream->device);
}

State::Stream State::trainers(cudaStream_t handle, int device) {
    const Stream* const known = handle == nullptr ? nullptr : any(handle);
    return known == nullptr ? gpu(device).default_stream : *known;
}

State::Stream* State::any(cudaStream_t handle) {
    const std::lock_guard lock(mutex_);
    for (const auto& stream : streams_) {
        if (stream.get() == reinterpret_cast<Stream*>(handle)) return stream.get();
    }
    note_locked("a stream that does not live");
    return nullptr;
}

State::Event* State::any(cudaEvent_t handle) {
    const std::lock_guard lock(mutex_);
    for (const auto& event : events_) {
        if (event.get() == reinterpret_cast<Event*>(handle)) return event.get();
    }
    note_locked("an event that does not live");
    return nullptr;
}

cudaError_t State::add(Stream stream, cudaStream_t* handle) {
    const std::lock_guard lock(mutex_);
    streams_.push_back(std::make_unique<Stream>(stream));
    *handle = reinterpret_cast<cudaStream_t>(streams_.back().get());
    return cudaSuccess;
}

cudaError_t State::add(Event event, cudaEvent_t* handle) {
    const std::lock_guard lock(mutex_);
    events_.push_back(std::make_unique<Event>(event));
    *handle = reinterpret_cast<cudaEvent_t>(events_.back().get());
    return cudaSuccess;
}

State::Stream State::take(cudaStream_t handle) {
    const std::lock_guard lock(mutex_);
    const Stream taken = *reinterpret_cast<Stream*>(handle);
    std::erase_if(streams_,
                  [&](const auto& one) { return one.get() == reinterpret_cast<Stream*>(handle); });
    return taken;
}

State::Event State::take(cudaEvent_t handle) {
    const std::lock_guard lock(mutex_);
    const Event taken = *reinterpret_cast<Event*>(handle);
    std::erase_if(events_,
                  [&](const auto& one) { return one.get() == reinterpret_cast<Event*>(handle); });
    return taken;
}

void State::enqueue(const Stream& stream, Simulator::Work work) {
    Gpu& gpu = this->gpu(stream.device);
    work.run = [&gpu, run = std::move(work.run)](std::size_t piece) {
        if (piece == 0 && gpu.operations++ == gpu.failing_operation) throw Lost{};
        run(piece);
    };
    gpu.simulator->enqueue(stream.stream, std::move(work));
}

std::uint64_t State::draw(std::uint64_t below) {
    const std::lock_guard lock(mutex_);
    return random_() % below;
}

void State::note(const std::string& mistake) {
    const std::lock_guard lock(mutex_);
    note_locked(mistake);
}

void State::note_locked(const std::string& mistake) {
    constexpr std::size_t kMost = 20;  // the first ones tell
    if (mistakes_.size() < kMost) mistakes_.push_back(mistake);
}

// ---- memory ------------------------------------------------------------------------------------

std::byte* State::on_device(int device, const void* address, std::uint64_t bytes,
                            const char* what) {
    std::byte* const place = place_of(address);
    const bool is_there =
        tag_of(address) == kDeviceTag + static_cast<std::uint64_t>(device) &&
        gpu(device).simulator->memory_of(place, bytes) == Simulator::Memory::device;
    if (is_there) return place;
    note(std::string(what) + ": " + std::to_string(bytes) +
         " bytes that are not in one allocation of GPU " + std::to_string(device));
    return nullptr;
}

const std::byte* State::on_host(int device, const void* address, std::size_t bytes,
                                const char* what) {
    const auto memory = gpu(device).simulator->memory_of(address, bytes);
    if (memory && *memory != Simulator::Memory::device) {
        return static_cast<const std::byte*>(address);
    }
    note(std::string(what) + ": " + std::to_string(bytes) +
         " bytes of the host that are not in one pinned block");
    return nullptr;
}

cudaError_t State::register_host(void* data, std::size_t bytes, unsigned flags) {
    constexpr std::uint64_t kPage = 4096;
    if (reinterpret_cast<std::uint64_t>(data) % kPage != 0) {
        note("memory registered that does not begin with a page");
    }
    auto* const place = static_cast<std::byte*>(data);
    const std::lock_guard lock(mutex_);
    if (bytes == 0) return cudaErrorInvalidValue;
    if (bytes > most_registered_bytes_) return cudaErrorMemoryAllocation;
    for (const auto& [begin, block] : registered_) {
        if (begin < place + bytes && place < begin + block.bytes) {
            return cudaErrorHostMemoryAlreadyRegistered;
        }
    }
    constexpr std::uint64_t kTags = 0x40;
    const std::uint64_t tag = kMappedTag + (maps_apart_ ? ++registrations_ % kTags : 0);
    registered_[place] = {bytes, flags, tag};
    for (const auto& gpu : gpus_) gpu->simulator->register_host(data, bytes);
    return cudaSuccess;
}

cudaError_t State::unregister_host(void* data) {
    {
        const std::lock_guard lock(mutex_);
        const auto found = registered_.find(static_cast<std::byte*>(data));
        if (found == registered_.end()) {
            note_locked("memory unregistered that is not registered");
            return cudaErrorHostMemoryNotRegistered;
        }
        if (msync(data, 1, MS_ASYNC) != 0) {
            note_locked("memory unregistered that is mapped no more");
        }
        registered_.erase(found);
    }
    for (const auto& gpu : gpus_) gpu->simulator->unregister_host(data);
    return cudaSuccess;
}

cudaError_t State::map(void** mapped, void* data) {
    const std::lock_guard lock(mutex_);
    if (!may_map_) return cudaErrorNotSupported;
    for (const auto& [begin, block] : registered_) {
        if (data < begin || data >= begin + block.bytes) continue;
        if ((block.flags & cudaHostRegisterMapped) == 0) return cudaErrorInvalidValue;
        *mapped = tagged(data, block.tag);
        return cudaSuccess;
    }
    return cudaErrorInvalidValue;
}

State::Extent State::mapped_extent(const void* address) {
    Extent extent;
    const std::byte* const place = place_of(address);
    const std::lock_guard lock(mutex_);
    for (const auto& [begin, block] : registered_) {  // in the order of their places
        if (block.tag != tag_of(address)) continue;
        const bool holds_it = begin <= place && place < begin + block.bytes;
        const bool goes_on = extent.begin != nullptr && extent.end == begin;
        if (!holds_it && !goes_on) continue;
        if (holds_it) extent.begin = place;
        extent.end = begin + block.bytes;
        extent.accesses.push_back({begin, block.bytes, false});
    }
    return extent;
}

}  // namespace headrace
