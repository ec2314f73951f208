// The runtime's copies to a GPU: late, in pieces, and only from memory that is pinned, or that the
// GPU has, to memory that it has.
#include <cuda_runtime_api.h>

#include <algorithm>
#include <numeric>
#include <random>

#include "device/simulated_cuda_state.hpp"

namespace headrace {

namespace {

using State = SimulatedCuda::State;

struct Copy {
    std::byte* to = nullptr;
    const std::byte* from = nullptr;
    std::size_t bytes = 0;
    std::size_t to_pitch = 0, from_pitch = 0, rows = 1;

    std::size_t to_extent() const { return (rows - 1) * to_pitch + bytes; }
    std::size_t from_extent() const { return (rows - 1) * from_pitch + bytes; }
    void carry_out(std::size_t first_row, std::size_t end_row) const {
        for (std::size_t row = first_row; row < end_row; ++row) {
            copy_as_device(to + row * to_pitch, from + row * from_pitch, bytes);
        }
    }
};

// With places instead of addresses. False, and a mistake, when one is not what it should be.
bool find_places(State& state, int device, Copy& copy, const char* what,
                 cudaMemcpyKind kind = cudaMemcpyHostToDevice) {
    copy.to = state.on_device(device, copy.to, copy.to_extent(), what);
    copy.from = kind == cudaMemcpyHostToDevice
                    ? state.on_host(device, copy.from, copy.from_extent(), what)
                    : state.on_device(device, copy.from, copy.from_extent(), what);
    return copy.to != nullptr && copy.from != nullptr;
}

void touch(std::vector<Simulator::Access>& touches, const Copy& copy) {
    touches.push_back({copy.to, copy.to_extent(), true});
    touches.push_back({copy.from, copy.from_extent(), false});
}

SimulatedCuda::Rates rates_of(State& state) {
    const std::lock_guard lock(state.mutex_);
    return state.rates_;
}

void enqueue(State& state, const State::Stream& stream, Simulator::Work work) {
    work.kind = Simulator::Kind::copy;
    state.enqueue(stream, std::move(work));
}

cudaError_t copy_block(State& state, cudaStream_t handle, Copy copy, cudaMemcpyKind kind) {
    State::Stream* stream = nullptr;
    const cudaError_t error = state.find(handle, stream);
    if (error != cudaSuccess || copy.bytes == 0) return error;
    if (kind != cudaMemcpyHostToDevice && kind != cudaMemcpyDeviceToDevice) {
        return cudaErrorInvalidValue;
    }
    if (!find_places(state, stream->device, copy, "cudaMemcpyAsync", kind)) {
        return cudaErrorInvalidValue;
    }
    if (copy.from < copy.to + copy.bytes && copy.to < copy.from + copy.bytes) {
        state.note("cudaMemcpyAsync: from and to lie over each other");
        return cudaErrorInvalidValue;
    }
    const SimulatedCuda::Rates rates = rates_of(state);
    constexpr std::uint64_t kMostPieces = 4;
    const std::size_t pieces = 1 + state.draw(kMostPieces);
    const bool backwards = state.draw(2) != 0;
    Simulator::Work work{
        .run =
            [=](std::size_t piece) {
                if (backwards) piece = pieces - 1 - piece;
                const std::size_t begin = copy.bytes * piece / pieces;
                const std::size_t end = copy.bytes * (piece + 1) / pieces;
                copy_as_device(copy.to + begin, copy.from + begin, end - begin);
            },
        .pieces = pieces,
        .seconds =
            std::max(static_cast<double>(copy.bytes) / rates.copy_bytes_per_s, rates.copy_s)};
    touch(work.touches, copy);
    enqueue(state, *stream, std::move(work));
    return cudaSuccess;
}

cudaError_t copy_rows(State& state, cudaStream_t handle, Copy copy, cudaMemcpyKind kind) {
    State::Stream* stream = nullptr;
    const cudaError_t error = state.find(handle, stream);
    if (error != cudaSuccess) return error;
    constexpr std::size_t kMostPitch = 0x7fffffff;  // cudaDeviceProp::memPitch of all GPUs
    const bool is_valid = kind == cudaMemcpyHostToDevice && copy.bytes != 0 && copy.rows != 0 &&
                          copy.to_pitch >= copy.bytes && copy.from_pitch >= copy.bytes &&
                          copy.to_pitch <= kMostPitch && copy.from_pitch <= kMostPitch;
    if (!is_valid) state.note("cudaMemcpy2DAsync: nothing to copy, or pitches that cannot be");
    if (!is_valid || !find_places(state, stream->device, copy, "cudaMemcpy2DAsync")) {
        return cudaErrorInvalidValue;
    }
    const SimulatedCuda::Rates rates = rates_of(state);
    const double row_s =
        std::max(static_cast<double>(copy.bytes) / rates.rows_bytes_per_s, rates.row_s);
    const std::size_t pieces = 1 + state.draw(std::min<std::size_t>(copy.rows, 4));
    Simulator::Work work{.run =
                             [=](std::size_t piece) {
                                 copy.carry_out(copy.rows * piece / pieces,
                                                copy.rows * (piece + 1) / pieces);
                             },
                         .pieces = pieces,
                         .seconds = std::max(static_cast<double>(copy.rows) * row_s, rates.copy_s)};
    touch(work.touches, copy);
    enqueue(state, *stream, std::move(work));
    return cudaSuccess;
}

// No two may write the same place, for they have no order, unless they write the same.
bool are_apart(std::vector<Copy> copies) {
    std::sort(copies.begin(), copies.end(),
              [](const Copy& a, const Copy& b) { return a.to < b.to; });
    for (std::size_t i = 1; i < copies.size(); ++i) {
        const Copy& before = copies[i - 1];
        const Copy& copy = copies[i];
        const bool is_same = before.to - before.from == copy.to - copy.from;
        if (before.to + before.bytes > copy.to && !is_same) return false;
    }
    return true;
}

cudaError_t copy_batch(State& state, cudaStream_t handle, std::vector<Copy> copies) {
    State::Stream* stream = nullptr;
    const cudaError_t error = state.find(handle, stream);
    if (error != cudaSuccess) return error;
    const SimulatedCuda::Rates rates = rates_of(state);
    Simulator::Work work{.run = {}, .pieces = 1 + state.draw(4), .seconds = rates.copy_s};
    for (Copy& copy : copies) {
        if (!find_places(state, stream->device, copy, "cudaMemcpyBatchAsync")) {
            return cudaErrorInvalidValue;
        }
        touch(work.touches, copy);
        work.seconds +=
            std::max(static_cast<double>(copy.bytes) / rates.copy_bytes_per_s, rates.entry_s);
    }
    if (!are_apart(copies)) {
        state.note("cudaMemcpyBatchAsync: two copies of a batch write the same place");
        return cudaErrorInvalidValue;
    }
    std::shuffle(
        copies.begin(), copies.end(),
        std::minstd_rand(static_cast<std::minstd_rand::result_type>(state.draw(1u << 30))));
    work.run = [copies = std::move(copies), pieces = work.pieces](std::size_t piece) {
        const std::size_t end = copies.size() * (piece + 1) / pieces;
        for (std::size_t i = copies.size() * piece / pieces; i < end; ++i) {
            copies[i].carry_out(0, 1);
        }
    };
    enqueue(state, *stream, std::move(work));
    return cudaSuccess;
}

// The copies' attributes, as CUDA wants them, and the only ones that suit a ring: its slots are
// written again once the stream has passed.
bool are_valid(const cudaMemcpyAttributes* attributes, const std::size_t* firsts,
               std::size_t number, std::size_t copies) {
    if (attributes == nullptr || firsts == nullptr || number == 0 || number > copies) return false;
    for (std::size_t i = 0; i < number; ++i) {
        const std::size_t at_least = i == 0 ? 0 : firsts[i - 1] + 1;
        if (firsts[i] < at_least || firsts[i] >= copies || (i == 0 && firsts[0] != 0)) return false;
        if (attributes[i].srcAccessOrder != cudaMemcpySrcAccessOrderStream) return false;
        if ((attributes[i].flags & ~unsigned{cudaMemcpyFlagPreferOverlapWithCompute}) != 0)
            return false;
    }
    return true;
}

}  // namespace

}  // namespace headrace

using namespace headrace;

cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
    return simulated_call("cudaMemcpyAsync", [&](State& state) {
        return copy_block(state, stream,
                          {.to = static_cast<std::byte*>(to),
                           .from = static_cast<const std::byte*>(from),
                           .bytes = bytes},
                          kind);
    });
}

cudaError_t cudaMemcpy2DAsync(void* to, std::size_t to_pitch, const void* from,
                              std::size_t from_pitch, std::size_t width, std::size_t rows,
                              cudaMemcpyKind kind, cudaStream_t stream) {
    return simulated_call("cudaMemcpy2DAsync", [&](State& state) {
        return copy_rows(state, stream,
                         {.to = static_cast<std::byte*>(to),
                          .from = static_cast<const std::byte*>(from),
                          .bytes = width,
                          .to_pitch = to_pitch,
                          .from_pitch = from_pitch,
                          .rows = rows},
                         kind);
    });
}

#if CUDART_VERSION >= 12080
#    if CUDART_VERSION >= 13000
cudaError_t cudaMemcpyBatchAsync(void* const* to, const void* const* from, const std::size_t* bytes,
                                 std::size_t count, cudaMemcpyAttributes* attributes,
                                 std::size_t* firsts, std::size_t number, cudaStream_t stream) {
#    else
cudaError_t cudaMemcpyBatchAsync(void** to, void** from, std::size_t* bytes, std::size_t count,
                                 cudaMemcpyAttributes* attributes, std::size_t* firsts,
                                 std::size_t number, std::size_t*, cudaStream_t stream) {
#    endif
    return simulated_call("cudaMemcpyBatchAsync", [&](State& state) {
        const bool has_sizes =
            count != 0 && std::all_of(bytes, bytes + count, [](std::size_t n) { return n != 0; });
        bool takes_host_pointers = false;
        {
            const std::lock_guard lock(state.mutex_);
            takes_host_pointers = state.takes_host_pointers_;
        }
        if (!takes_host_pointers) return cudaErrorInvalidValue;
        if (stream == nullptr || !has_sizes || !are_valid(attributes, firsts, number, count)) {
            state.note("cudaMemcpyBatchAsync: the default stream, no size, or wrong attributes");
            return cudaErrorInvalidValue;
        }
        std::vector<Copy> copies;
        for (std::size_t i = 0; i < count; ++i) {
            copies.push_back({.to = static_cast<std::byte*>(to[i]),
                              .from = static_cast<const std::byte*>(from[i]),
                              .bytes = bytes[i]});
        }
        return copy_batch(state, stream, std::move(copies));
    });
}
#endif
