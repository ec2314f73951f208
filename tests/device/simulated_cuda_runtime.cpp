// The runtime's functions, but for copies. Each does what CUDA does or is stricter.
#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "device/simulated_cuda_state.hpp"

using headrace::simulated_call;
using headrace::simulated_cuda_thread;
using headrace::simulated_unsafe_call;
using headrace::Simulator;
using State = headrace::SimulatedCuda::State;
using Sabotage = headrace::SimulatedCuda::Sabotage;

namespace {

// A call that needs no context, and makes none.
template <class Work>
cudaError_t light_call(const char* name, const Work& work) {
    State* const state = State::current();
    cudaError_t error = state == nullptr ? cudaErrorInsufficientDriver : state->begin(name, false);
    if (error == cudaSuccess) error = work(*state);
    if (error != cudaSuccess) simulated_cuda_thread().last = error;
    return error;
}

// A call that gives something back, and does so whatever it returns: with what is lost, too.
template <class Work>
cudaError_t giving_back(const char* name, const Work& work) {
    State* const state = State::current();
    if (state == nullptr) return cudaErrorInsufficientDriver;
    const cudaError_t before = state->begin(name);
    // Nothing is pending on a GPU that is lost.
    for (int i = 0; i < state->devices(); ++i) {
        if (state->lost(i) != cudaSuccess) state->gpu(i).simulator->synchronize();
    }
    const cudaError_t own = work(*state);
    const cudaError_t error = before != cudaSuccess ? before : own;
    if (error != cudaSuccess) simulated_cuda_thread().last = error;
    return error;
}

struct Named {
    cudaError_t error;
    const char* name;
    const char* text;
};
constexpr Named kErrors[] = {
    {cudaSuccess, "cudaSuccess", "no error"},
    {cudaErrorInvalidValue, "cudaErrorInvalidValue", "invalid argument"},
    {cudaErrorMemoryAllocation, "cudaErrorMemoryAllocation", "out of memory"},
    {cudaErrorCudartUnloading, "cudaErrorCudartUnloading", "driver shutting down"},
    {cudaErrorInvalidDevice, "cudaErrorInvalidDevice", "invalid device ordinal"},
    {cudaErrorNoDevice, "cudaErrorNoDevice", "no CUDA-capable device is detected"},
    {cudaErrorInsufficientDriver, "cudaErrorInsufficientDriver", "the driver is insufficient"},
    {cudaErrorInvalidResourceHandle, "cudaErrorInvalidResourceHandle", "invalid resource handle"},
    {cudaErrorNotReady, "cudaErrorNotReady", "device not ready"},
    {cudaErrorIllegalAddress, "cudaErrorIllegalAddress",
     "an illegal memory access was encountered"},
    {cudaErrorNotSupported, "cudaErrorNotSupported", "operation not supported"},
    {cudaErrorStreamCaptureUnsupported, "cudaErrorStreamCaptureUnsupported",
     "operation not permitted when stream is capturing"},
    {cudaErrorStreamCaptureImplicit, "cudaErrorStreamCaptureImplicit",
     "operation would make the legacy stream depend on a capturing blocking stream"},
    {cudaErrorCallRequiresNewerDriver, "cudaErrorCallRequiresNewerDriver",
     "API call is not supported in the installed CUDA driver"},
    {cudaErrorLaunchOutOfResources, "cudaErrorLaunchOutOfResources", "too many resources"},
};

Named named(cudaError_t error) {
    const auto* const found = std::find_if(std::begin(kErrors), std::end(kErrors),
                                           [&](const Named& one) { return one.error == error; });
    if (found != std::end(kErrors)) return *found;
    return {error, "cudaErrorUnknown", "unknown error"};
}

}  // namespace

// ---- errors ------------------------------------------------------------------------------------

const char* cudaGetErrorName(cudaError_t error) {
    return named(error).name;
}

const char* cudaGetErrorString(cudaError_t error) {
    return named(error).text;
}

// What a GPU has been lost with stays.
cudaError_t cudaGetLastError() {
    cudaError_t last = std::exchange(simulated_cuda_thread().last, cudaSuccess);
    State* const state = State::current();
    if (state == nullptr || state->devices() == 0) return last;
    const cudaError_t lost = state->lost(simulated_cuda_thread().device);
    return lost != cudaSuccess ? lost : last;
}

// ---- GPUs --------------------------------------------------------------------------------------

cudaError_t cudaGetDeviceCount(int* count) {
    *count = 0;
    return light_call("cudaGetDeviceCount", [&](State& state) {
        *count = state.devices();
        return cudaSuccess;
    });
}

cudaError_t cudaGetDevice(int* device) {
    return light_call("cudaGetDevice", [&](State&) {
        *device = simulated_cuda_thread().device;
        return cudaSuccess;
    });
}

// Since CUDA 12 this makes the GPU's context.
cudaError_t cudaSetDevice(int device) {
    return light_call("cudaSetDevice", [&](State& state) {
        if (device < 0 || device >= state.devices()) return cudaErrorInvalidDevice;
        simulated_cuda_thread().device = device;
        const std::lock_guard lock(state.mutex_);
        state.gpu(device).has_context = true;
        return cudaSuccess;
    });
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
    return light_call("cudaGetDeviceProperties", [&](State& state) {
        if (device < 0 || device >= state.devices()) return cudaErrorInvalidDevice;
        *properties = {};
        std::snprintf(properties->name, sizeof properties->name, "simulated GPU %d", device);
        const std::lock_guard lock(state.mutex_);
        std::copy(state.gpu(device).uuid.begin(), state.gpu(device).uuid.end(),
                  properties->uuid.bytes);
        return cudaSuccess;
    });
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
    return light_call("cudaDeviceGetAttribute", [&](State& state) {
        if (device < 0 || device >= state.devices()) return cudaErrorInvalidDevice;
        const std::lock_guard lock(state.mutex_);
        switch (attribute) {
            case cudaDevAttrHostRegisterSupported: *value = state.may_register_ ? 1 : 0; break;
            case cudaDevAttrMultiProcessorCount: *value = 2; break;
            case cudaDevAttrCanUseHostPointerForRegisteredMem:
                *value = state.takes_host_pointers_ ? 1 : 0;
                break;
            default: return cudaErrorInvalidValue;
        }
        return cudaSuccess;
    });
}

cudaError_t cudaDeviceGetStreamPriorityRange(int* least, int* greatest) {
    return simulated_call("cudaDeviceGetStreamPriorityRange", [&](State&) {
        *least = 0;
        *greatest = -5;
        return cudaSuccess;
    });
}

// ---- streams -----------------------------------------------------------------------------------

cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned flags, int priority) {
    return simulated_call("cudaStreamCreateWithPriority", [&](State& state) {
        if (flags != cudaStreamNonBlocking) state.note("a stream that the default stream blocks");
        if (priority > 0 || priority < -5) state.note("a stream of a priority that is not there");
        const int device = simulated_cuda_thread().device;
        return state.add({device, state.gpu(device).simulator->make_stream(), false}, stream);
    });
}

cudaError_t cudaStreamDestroy(cudaStream_t handle) {
    return giving_back("cudaStreamDestroy", [&](State& state) {
        if (handle == nullptr || state.any(handle) == nullptr) {
            return cudaErrorInvalidResourceHandle;
        }
        const State::Stream stream = state.take(handle);
        state.gpu(stream.device).simulator->destroy(stream.stream);
        return state.lost(stream.device);
    });
}

cudaError_t cudaStreamSynchronize(cudaStream_t handle) {
    return simulated_unsafe_call("cudaStreamSynchronize", [&](State& state) {
        const State::Stream* const stream = state.any(handle);
        if (stream == nullptr) return cudaErrorInvalidResourceHandle;
        state.gpu(stream->device).simulator->synchronize(stream->stream);
        return state.lost(stream->device);
    });
}

cudaError_t cudaStreamWaitEvent(cudaStream_t handle, cudaEvent_t event_handle, unsigned flags) {
    return simulated_call("cudaStreamWaitEvent", [&](State& state) {
        State::Stream* stream = nullptr;
        const cudaError_t error = state.find_for_event(handle, stream);
        if (error != cudaSuccess) return error;
        const State::Event* const event = state.any(event_handle);
        if (event == nullptr || flags != 0) return cudaErrorInvalidValue;
        if (event->device != stream->device) {
            state.note("a stream that waits for an event of another GPU");
            return cudaErrorInvalidResourceHandle;
        }
        Sabotage sabotage = Sabotage::none;
        {
            const std::lock_guard lock(state.mutex_);
            sabotage = state.sabotage_;
        }
        const Sabotage own =
            stream->is_trainers ? Sabotage::trainer_does_not_wait : Sabotage::copies_do_not_wait;
        if (sabotage == own) return cudaSuccess;
        state.gpu(stream->device).simulator->wait(stream->stream, event->event);
        return cudaSuccess;
    });
}

cudaError_t cudaStreamIsCapturing(cudaStream_t handle, cudaStreamCaptureStatus* status) {
    return simulated_call("cudaStreamIsCapturing", [&](State& state) {
        *status = cudaStreamCaptureStatusNone;
        if (handle == nullptr || handle == cudaStreamLegacy) {
            const std::lock_guard lock(state.mutex_);
            return state.captures_ != 0 ? cudaErrorStreamCaptureImplicit : cudaSuccess;
        }
        const State::Stream* const stream = state.any(handle);
        if (stream == nullptr) return cudaErrorInvalidResourceHandle;
        if (stream->is_capturing) *status = cudaStreamCaptureStatusActive;
        return cudaSuccess;
    });
}

cudaError_t cudaThreadExchangeStreamCaptureMode(cudaStreamCaptureMode* mode) {
    return light_call("cudaThreadExchangeStreamCaptureMode", [&](State&) {
        std::swap(*mode, simulated_cuda_thread().capture_mode);
        return cudaSuccess;
    });
}

// ---- events ------------------------------------------------------------------------------------

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags) {
    return simulated_call("cudaEventCreateWithFlags", [&](State& state) {
        const int device = simulated_cuda_thread().device;
        return state.add({device, state.gpu(device).simulator->make_event(), flags, false}, event);
    });
}

cudaError_t cudaEventDestroy(cudaEvent_t handle) {
    return giving_back("cudaEventDestroy", [&](State& state) {
        if (state.any(handle) == nullptr) return cudaErrorInvalidResourceHandle;
        const State::Event event = state.take(handle);
        state.gpu(event.device).simulator->destroy(event.event);
        return cudaSuccess;
    });
}

cudaError_t cudaEventRecord(cudaEvent_t handle, cudaStream_t stream_handle) {
    return simulated_call("cudaEventRecord", [&](State& state) {
        State::Stream* stream = nullptr;
        const cudaError_t error = state.find_for_event(stream_handle, stream);
        if (error != cudaSuccess) return error;
        State::Event* const event = state.any(handle);
        if (event == nullptr) return cudaErrorInvalidResourceHandle;
        if (event->device != stream->device) {
            state.note("an event recorded on a stream of another GPU");
            return cudaErrorInvalidResourceHandle;
        }
        event->is_recorded = true;
        state.gpu(stream->device).simulator->record(event->event, stream->stream);
        return cudaSuccess;
    });
}

cudaError_t cudaEventSynchronize(cudaEvent_t handle) {
    return simulated_unsafe_call("cudaEventSynchronize", [&](State& state) {
        const State::Event* const event = state.any(handle);
        if (event == nullptr) return cudaErrorInvalidResourceHandle;
        if ((event->flags & cudaEventBlockingSync) == 0) state.note("a wait that spins");
        bool returns_early = false;
        {
            const std::lock_guard lock(state.mutex_);
            returns_early = state.sabotage_ == Sabotage::synchronizes_early;
        }
        if (!returns_early) state.gpu(event->device).simulator->synchronize(event->event);
        return state.lost(event->device);
    });
}

cudaError_t cudaEventQuery(cudaEvent_t handle) {
    return simulated_unsafe_call("cudaEventQuery", [&](State& state) {
        const State::Event* const event = state.any(handle);
        if (event == nullptr) return cudaErrorInvalidResourceHandle;
        const bool is_complete = state.gpu(event->device).simulator->is_complete(event->event);
        const cudaError_t lost = state.lost(event->device);
        if (lost != cudaSuccess) return lost;
        return is_complete ? cudaSuccess : cudaErrorNotReady;
    });
}

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t from_handle,
                                 cudaEvent_t to_handle) {
    return simulated_call("cudaEventElapsedTime", [&](State& state) {
        const State::Event* const from = state.any(from_handle);
        const State::Event* const to = state.any(to_handle);
        if (from == nullptr || to == nullptr || from->device != to->device) {
            return cudaErrorInvalidResourceHandle;
        }
        const bool has_time = ((from->flags | to->flags) & cudaEventDisableTiming) == 0;
        if (!has_time || !from->is_recorded || !to->is_recorded) {
            state.note("a time between events of which one was never recorded");
            return cudaErrorInvalidResourceHandle;
        }
        Simulator& simulator = *state.gpu(from->device).simulator;
        if (!simulator.is_complete(from->event) || !simulator.is_complete(to->event)) {
            return cudaErrorNotReady;
        }
        const double seconds = simulator.seconds_between(from->event, to->event).value_or(0);
        *milliseconds = static_cast<float>(seconds * 1e3);
        return cudaSuccess;
    });
}

// ---- memory ------------------------------------------------------------------------------------

cudaError_t cudaMalloc(void** memory, std::size_t bytes) {
    return simulated_unsafe_call("cudaMalloc", [&](State& state) {
        const int device = simulated_cuda_thread().device;
        void* const place = state.gpu(device).simulator->allocate(bytes, Simulator::Memory::device);
        *memory = State::tagged(place, State::kDeviceTag + static_cast<std::uint64_t>(device));
        return cudaSuccess;
    });
}

cudaError_t cudaFree(void* memory) {
    return giving_back("cudaFree", [&](State& state) {
        if (memory == nullptr) return cudaSuccess;
        const std::uint64_t device = State::tag_of(memory) - State::kDeviceTag;
        if (device >= static_cast<std::uint64_t>(state.devices())) {
            state.note("memory freed that is not a GPU's");
            return cudaErrorInvalidValue;
        }
        state.gpu(static_cast<int>(device))
            .simulator->free(headrace::SimulatedCuda::place_of(memory));
        return cudaSuccess;
    });
}

cudaError_t cudaHostAlloc(void** memory, std::size_t bytes, unsigned) {
    return simulated_unsafe_call("cudaHostAlloc", [&](State& state) {
        *memory = state.gpu(simulated_cuda_thread().device)
                      .simulator->allocate(bytes, Simulator::Memory::pinned);
        return cudaSuccess;
    });
}

cudaError_t cudaFreeHost(void* memory) {
    return giving_back("cudaFreeHost", [&](State& state) {
        for (int i = 0; i < state.devices(); ++i) {
            Simulator& simulator = *state.gpu(i).simulator;
            if (simulator.memory_of(memory) != Simulator::Memory::pinned) continue;
            simulator.free(memory);
            return cudaSuccess;
        }
        state.note("pinned memory freed that is not there");
        return cudaErrorInvalidValue;
    });
}

cudaError_t cudaHostRegister(void* memory, std::size_t bytes, unsigned flags) {
    return simulated_unsafe_call("cudaHostRegister", [&](State& state) {
        return state.register_host(memory, bytes, flags);
    });
}

cudaError_t cudaHostUnregister(void* memory) {
    return giving_back("cudaHostUnregister",
                       [&](State& state) { return state.unregister_host(memory); });
}

cudaError_t cudaHostGetDevicePointer(void** mapped, void* memory, unsigned) {
    return simulated_call("cudaHostGetDevicePointer",
                          [&](State& state) { return state.map(mapped, memory); });
}
