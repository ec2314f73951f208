// A device on the host that has streams and a clock, and ceilings beside it, for the tests of what
// measures a GPU: everything is done when a call returns, and takes the time that it takes. A test
// can make one way of moving things wrong, and sees whether that is noticed.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include "device/backend.hpp"
#include "device/ceilings.hpp"
#include "headrace/error.hpp"

namespace headrace::device {

using ClockedTime = std::chrono::steady_clock;

class ClockedEvent final : public Event {
  public:
    void record() { time_.store(ClockedTime::now().time_since_epoch().count()); }
    double seconds_to(const ClockedEvent& other) const {
        const ClockedTime::duration between(other.time_.load() - time_.load());
        // A clock that stood still would make a rate infinite.
        return std::max(1e-9, std::chrono::duration<double>(between).count());
    }

  private:
    std::atomic<ClockedTime::rep> time_ = 0;
};

class ClockedBackend final : public Backend {
  public:
    std::optional<Transfer> broken;   // carries the last value wrong
    std::optional<Transfer> refused;  // no copy stream is made for it
    bool has_clock = true;

    std::string name() const override { return "clocked"; }
    bool has_streams() const noexcept override { return true; }
    std::unique_ptr<Registration> register_host(std::span<std::byte>) override {
        struct Pinned final : Registration {
            std::string refusal() const override { return {}; }
        };
        return std::make_unique<Pinned>();
    }
    std::unique_ptr<Buffer> allocate(std::size_t bytes) override { return host_->allocate(bytes); }
    std::unique_ptr<Buffer> allocate_host(std::size_t bytes) override { return allocate(bytes); }
    std::unique_ptr<Event> make_event() override { return std::make_unique<ClockedEvent>(); }
    std::unique_ptr<CopyStream> make_copy_stream(const CopyForm& form,
                                                 Registration* registration) override {
        if (form.transfer == refused) throw UsageError("this way is not there");
        return std::make_unique<Stream>(host_->make_copy_stream(form, registration),
                                        form.transfer == broken);
    }
    void synchronize(Event&) override {}
    bool is_complete(Event&) override { return true; }
    void record(Event& event, StreamRef) override { static_cast<ClockedEvent&>(event).record(); }
    void wait(StreamRef, Event&) override {}
    void strip(const StripPlan& plan, StreamRef stream) override { host_->strip(plan, stream); }
    std::optional<double> seconds_between(Event& from, Event& to) override {
        if (!has_clock) return std::nullopt;
        return static_cast<ClockedEvent&>(from).seconds_to(static_cast<ClockedEvent&>(to));
    }
    void begin_stage(const char*) noexcept override {}
    void end_stage() noexcept override {}

  private:
    class Stream final : public CopyStream {
      public:
        Stream(std::unique_ptr<CopyStream> host, bool broken)
            : host_(std::move(host)), broken_(broken) {}
        void wait(Event&) override {}
        void record(Event& event) override { static_cast<ClockedEvent&>(event).record(); }
        void stamp(Event& event) override { record(event); }
        std::uint64_t enqueue(const BatchPlan& plan, const BatchTarget& target,
                              Event& moved) override {
            const std::uint64_t bytes = host_->enqueue(plan, target, moved);
            record(moved);
            const std::int64_t total = plan.fields.front().offsets.back();
            if (broken_ && total > 0) target.values.front()[total * 4 - 1] ^= std::byte{1};
            return bytes;
        }

      private:
        std::unique_ptr<CopyStream> host_;
        bool broken_;
    };

    std::shared_ptr<Backend> host_ = make_host_backend();
};

// Seconds of one `work()` of `times`.
template <class Work>
double clocked_s(unsigned times, const Work& work) {
    ClockedEvent begun, ended;
    begun.record();
    for (unsigned i = 0; i < times; ++i) work();
    ended.record();
    return begun.seconds_to(ended) / times;
}

class ClockedPacking final : public PackingCase {
  public:
    ClockedPacking(std::span<const std::byte> rows, std::uint64_t row_bytes,
                   std::span<const std::uint32_t> lengths, std::optional<Packing> broken)
        : rows_(rows), row_bytes_(row_bytes), lengths_(lengths), broken_(broken) {
        std::size_t elements = 0;
        for (const std::uint32_t length : lengths) elements += length;
        packed_.resize(elements * sizeof(std::uint32_t));
    }
    std::uint64_t payload_bytes() const noexcept override { return packed_.size(); }
    double seconds(Packing way, unsigned times) override {
        return clocked_s(times, [&] { pack(way); });
    }
    void run(Packing way, std::span<std::byte> packed) override {
        pack(way);
        std::copy(packed_.begin(), packed_.end(), packed.begin());
    }

  private:
    void pack(Packing way) {
        if (way == Packing::copy) {
            std::memcpy(packed_.data(), rows_.data(), packed_.size());
        } else {
            std::size_t at = 0;
            for (std::size_t record = 0; record < lengths_.size(); ++record) {
                const std::size_t bytes = lengths_[record] * sizeof(std::uint32_t);
                std::memcpy(packed_.data() + at, rows_.data() + record * row_bytes_, bytes);
                at += bytes;
            }
        }
        if (way == broken_) packed_[packed_.size() / 2] ^= std::byte{1};
    }

    std::span<const std::byte> rows_;
    std::uint64_t row_bytes_;
    std::span<const std::uint32_t> lengths_;
    std::optional<Packing> broken_;
    std::vector<std::byte> packed_;
};

// Its steps are over so long after the end of the one before.
class ClockedSteps final : public StepStream {
  public:
    StreamRef ref() const noexcept override { return {}; }
    std::uint64_t steps() const noexcept override { return steps_.size(); }
    void enqueue(double seconds) override {
        const auto length = std::chrono::duration_cast<ClockedTime::duration>(
            std::chrono::duration<double>(seconds));
        const auto now = ClockedTime::now();
        const auto begun = steps_.empty() ? now : std::max(now, steps_.back().second);
        steps_.emplace_back(begun, begun + length);
    }
    void wait(std::uint64_t step) override { std::this_thread::sleep_until(steps_[step].second); }
    double span_s(std::uint64_t first, std::uint64_t last) override {
        return seconds(steps_[last].second - steps_[first].first);
    }
    double gap_s(std::uint64_t step) override {
        return seconds(steps_[step].first - steps_[step - 1].second);
    }
    void read(std::span<std::byte> to, const std::byte* from) override {
        if (!to.empty()) std::memcpy(to.data(), from, to.size());
    }

  private:
    static double seconds(ClockedTime::duration duration) {
        return std::chrono::duration<double>(duration).count();
    }
    std::vector<std::pair<ClockedTime::time_point, ClockedTime::time_point>> steps_;
};

class ClockedCeilings final : public Ceilings {
  public:
    std::optional<Packing> broken;  // packs one byte wrong

    DeviceDescription describe() override {
        DeviceDescription about;
        about.name = "the host, with a clock";
        return about;
    }
    double copy_s(std::span<const std::byte> host, unsigned times) override {
        std::vector<std::byte> to(host.size());
        return clocked_s(times, [&] { std::memcpy(to.data(), host.data(), host.size()); });
    }
    double mapped_read_s(std::span<const std::byte> host, unsigned, unsigned times) override {
        return copy_s(host, times);
    }
    std::unique_ptr<PackingCase> make_packing(std::span<const std::byte> rows,
                                              std::uint64_t row_bytes,
                                              std::span<const std::uint32_t> lengths) override {
        return std::make_unique<ClockedPacking>(rows, row_bytes, lengths, broken);
    }
    std::unique_ptr<StepStream> make_step_stream(std::uint64_t) override {
        return std::make_unique<ClockedSteps>();
    }
    void fill(std::byte* memory, std::byte value, std::size_t bytes) override {
        std::memset(memory, std::to_integer<int>(value), bytes);
    }
    void read(std::span<std::byte> to, const std::byte* from) override {
        if (!to.empty()) std::memcpy(to.data(), from, to.size());
    }
};

}  // namespace headrace::device
