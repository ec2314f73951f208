// What a simulated GPU carries out: its copy engine, and the kernels, whose bodies are functions
// for the host too. Threads of a grid run one after the other, in an order that is drawn.
#include <algorithm>
#include <cstring>
#include <numeric>

#include "device/simulated_cuda_state.hpp"
#include "kernels/gather.hpp"
#include "kernels/launch.hpp"
#include "kernels/pad.hpp"
#include "kernels/strip.hpp"

namespace headrace {

void copy_as_device(std::byte* to, const std::byte* from, std::size_t bytes) noexcept {
    // By a loop of our own, for a sanitizer looks into every memcpy that is called.
    struct Block {
        std::uint64_t word[2];
    };
    std::size_t at = 0;
    for (; at + sizeof(Block) <= bytes; at += sizeof(Block)) {
        Block block;
        std::memcpy(&block, from + at, sizeof block);
        std::memcpy(to + at, &block, sizeof block);
    }
    for (; at < bytes; ++at) to[at] = from[at];
}

namespace {

using kernels::FieldJob;
using kernels::Jobs;
using State = SimulatedCuda::State;

enum class Source { device, mapped, none };

struct Kernel {
    const char* name;
    void (*thread)(const Jobs& jobs, std::uint64_t thread, std::uint64_t threads);
    std::uint64_t (*vectors)(const FieldJob& job);
    Source source;
};

// The jobs of a launch, with places instead of addresses, and what is known of their memory.
class Launch {
  public:
    Launch(State& state, int device, const Kernel& kernel)
        : state_(state), device_(device), kernel_(kernel) {}

    // False, and a mistake, when the job cannot be.
    bool add(FieldJob job) {
        if (!is_well_formed(job)) {
            state_.note(std::string(kernel_.name) + ": a job that breaks its contract");
            return false;
        }
        const std::uint64_t bytes = job.total * job.element_bytes;
        const std::uint64_t in_rows = job.records * job.width * job.element_bytes;
        const std::uint64_t written = job.width != 0 ? in_rows : bytes;
        const std::size_t offset = job.wide_offsets ? 8 : 4;
        job.target = touch(job.target, written, true);
        job.offsets = touch(job.offsets, (std::uint64_t{job.records} + 1) * offset, false);
        if (job.rows != nullptr) {
            job.rows = reinterpret_cast<const std::uint32_t*>(
                touch(job.rows, std::uint64_t{job.records} * sizeof(std::uint32_t), false));
        }
        if (kernel_.source == Source::device && bytes != 0) {
            const std::uint64_t read = job.row_bytes == 0 ? bytes : job.records * job.row_bytes;
            job.source = touch(job.source, read, false);
        } else if (kernel_.source == Source::mapped) {
            extents_[jobs_.count] = state_.mapped_extent(job.source);
            job.source = extents_[jobs_.count].begin;
            for (const Simulator::Access& access : extents_[jobs_.count].accesses) {
                touches_.push_back(access);
            }
        }
        payload_ += bytes;
        jobs_.field[jobs_.count++] = job;
        const bool has_source = kernel_.source != Source::mapped || job.source != nullptr;
        if (!has_source) state_.note(std::string(kernel_.name) + ": a source that is not mapped");
        return has_source && is_found_;
    }

    void enqueue(const State::Stream& stream, unsigned max_blocks) {
        constexpr std::uint64_t kMostWarps = 4;
        const std::uint64_t warps =
            1 + state_.draw(std::min<std::uint64_t>(max_blocks, kMostWarps));
        std::vector<std::uint64_t> threads(warps * kernels::kLanes);
        std::iota(threads.begin(), threads.end(), 0);
        std::shuffle(threads.begin(), threads.end(),
                     std::minstd_rand(static_cast<std::uint_fast32_t>(state_.draw(1u << 30))));
        SimulatedCuda::Rates rates;
        {
            const std::lock_guard lock(state_.mutex_);
            rates = state_.rates_;
        }
        const double bytes_per_s =
            kernel_.source == Source::mapped ? rates.gather_bytes_per_s : rates.kernel_bytes_per_s;
        const std::size_t pieces = 1 + state_.draw(4);
        state_.enqueue(
            stream, {.run =
                         [*this, threads, pieces](std::size_t piece) {
                             check_offsets();  // what else is on its way may change them
                             if (piece == 0) check_sources();
                             const std::size_t end = threads.size() * (piece + 1) / pieces;
                             for (std::size_t i = threads.size() * piece / pieces; i < end; ++i) {
                                 kernel_.thread(jobs_, threads[i], threads.size());
                             }
                         },
                     .pieces = pieces,
                     .touches = touches_,
                     .seconds = rates.launch_s + static_cast<double>(payload_) / bytes_per_s});
    }

  private:
    static bool is_well_formed(const FieldJob& job) {
        const auto target = reinterpret_cast<std::uintptr_t>(job.target);
        const auto source = reinterpret_cast<std::uintptr_t>(job.source);
        const std::uint32_t element = job.element_bytes;
        return (element == 1 || element == 2 || element == 4 || element == 8) &&
               target % 256 == 0 && source % 16 == 0 && job.row_bytes % 16 == 0 &&
               job.offsets != nullptr && job.records != 0;
    }

    std::byte* touch(const void* address, std::uint64_t bytes, bool writes) {
        std::byte* const place = state_.on_device(device_, address, bytes, kernel_.name);
        if (place == nullptr) is_found_ = false;
        touches_.push_back({place, bytes, writes});
        return place;
    }

    // What a job touches follows from its offsets, which are on the GPU by now. If they are not, it
    // is rubbish that they say.
    void check_offsets() const {
        for (std::uint32_t i = 0; i < jobs_.count; ++i) {
            const bool are_good = jobs_.field[i].wide_offsets ? have_sense<std::int64_t>(i)
                                                              : have_sense<std::int32_t>(i);
            if (are_good) continue;
            state_.note(std::string(kernel_.name) + ": offsets that are none of this batch");
            throw std::out_of_range("illegal address");
        }
    }
    template <class Offset>
    bool have_sense(std::uint32_t i) const {
        const FieldJob& job = jobs_.field[i];
        const kernels::Records<Offset> records(job);
        const std::uint64_t row = job.row_bytes != 0 ? job.row_bytes : ~std::uint64_t{0};
        const std::uint64_t most =
            job.width != 0 ? std::min(row, job.width * job.element_bytes) : row;
        for (std::uint32_t record = 0; record < job.records; ++record) {
            const std::uint64_t begin = records.begin(record);
            const std::uint64_t end = records.begin(std::uint64_t{record} + 1);
            if (end < begin || end - begin > most) return false;
        }
        return records.begin(0) == 0 && records.begin(job.records) == job.total * job.element_bytes;
    }

    // What a job reads of the host follows from offsets and rows, which are on the GPU by now.
    void check_sources() const {
        if (kernel_.source != Source::mapped) return;
        for (std::uint32_t i = 0; i < jobs_.count; ++i) {
            const bool is_inside = jobs_.field[i].wide_offsets ? is_mapped<std::int64_t>(i)
                                                               : is_mapped<std::int32_t>(i);
            if (is_inside) continue;
            state_.note(std::string(kernel_.name) + ": payload that is not mapped");
            throw std::out_of_range("illegal address");
        }
    }
    template <class Offset>
    bool is_mapped(std::uint32_t i) const {
        const FieldJob& job = jobs_.field[i];
        const kernels::Records<Offset> records(job);
        const auto available = static_cast<std::uint64_t>(extents_[i].end - extents_[i].begin);
        for (std::uint32_t record = 0; record < job.records; ++record) {
            const std::uint64_t begin = records.begin(record);
            const std::uint64_t end = records.begin(std::uint64_t{record} + 1);
            if (end < begin || end - begin > available) return false;
            if (records.source(record) + (end - begin) > available) return false;
        }
        return true;
    }

    State& state_;
    int device_;
    Kernel kernel_;
    Jobs jobs_;
    std::array<State::Extent, kernels::kMaxJobs> extents_;
    std::vector<Simulator::Access> touches_;
    std::uint64_t payload_ = 0;
    bool is_found_ = true;
};

cudaError_t launch(const Kernel& kernel, const Jobs& jobs, unsigned max_blocks,
                   cudaStream_t handle) {
    std::uint64_t tiles = 0;
    for (std::uint32_t i = 0; i < jobs.count; ++i) {
        tiles += kernels::tiles_of(kernel.vectors(jobs.field[i]));
    }
    if (tiles == 0) return cudaSuccess;
    return simulated_call(kernel.name, [&](State& state) {
        State::Stream* stream = nullptr;
        const cudaError_t error = state.find(handle, stream);
        if (error != cudaSuccess) return error;
        if (max_blocks == 0) return cudaErrorInvalidValue;
        Launch launched(state, stream->device, kernel);
        for (std::uint32_t i = 0; i < jobs.count; ++i) {
            if (kernel.vectors(jobs.field[i]) == 0) continue;
            if (!launched.add(jobs.field[i])) return cudaErrorInvalidValue;
        }
        launched.enqueue(*stream, max_blocks);
        return cudaSuccess;
    });
}

}  // namespace

namespace kernels {

cudaError_t launch_strip(const Jobs& jobs, unsigned max_blocks, cudaStream_t stream) {
    return launch({"launch_strip", strip_thread, Strip::vectors, Source::device}, jobs, max_blocks,
                  stream);
}

cudaError_t launch_pad(const Jobs& jobs, unsigned max_blocks, cudaStream_t stream) {
    return launch({"launch_pad", pad_thread, Pad::vectors, Source::device}, jobs, max_blocks,
                  stream);
}

cudaError_t launch_fill_tails(const Jobs& jobs, unsigned max_blocks, cudaStream_t stream) {
    return launch({"launch_fill_tails", fill_tails_thread, FillTails::vectors, Source::none}, jobs,
                  max_blocks, stream);
}

cudaError_t load_kernels() {
    return simulated_call("load_kernels", [](State&) { return cudaSuccess; });
}

cudaError_t launch_gather(const Jobs& jobs, unsigned max_blocks, cudaStream_t stream) {
    return launch({"launch_gather", gather_thread, Gather::vectors, Source::mapped}, jobs,
                  max_blocks, stream);
}

}  // namespace kernels

}  // namespace headrace
