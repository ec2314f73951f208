// What a simulated device hands out; for its own sources only.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "device/simulated_backend.hpp"
#include "device/simulated_batch.hpp"

namespace headrace::device {

class SimulatedBackend::Registration final : public device::Registration {
  public:
    Registration(std::shared_ptr<Simulator> simulator, std::span<std::byte> memory,
                 std::string refusal)
        : simulator_(std::move(simulator)), memory_(memory), refusal_(std::move(refusal)) {
        if (refusal_.empty()) simulator_->register_host(memory_.data(), memory_.size());
    }
    Registration(const Registration&) = delete;
    Registration& operator=(const Registration&) = delete;
    ~Registration() override {
        if (refusal_.empty()) simulator_->unregister_host(memory_.data());
    }
    std::string refusal() const override { return refusal_; }
    Simulator::Access reads() const { return {memory_.data(), memory_.size(), false}; }

  private:
    std::shared_ptr<Simulator> simulator_;
    std::span<std::byte> memory_;
    std::string refusal_;
};

class SimulatedBackend::Event final : public device::Event {
  public:
    explicit Event(std::shared_ptr<Simulator> simulator)
        : simulator_(std::move(simulator)), event_(simulator_->make_event()) {}
    Event(const Event&) = delete;
    Event& operator=(const Event&) = delete;
    ~Event() override { simulator_->destroy(event_); }
    Simulator::Event* get() const noexcept { return event_; }

  private:
    std::shared_ptr<Simulator> simulator_;
    Simulator::Event* event_;
};

class SimulatedBackend::CopyStream final : public device::CopyStream {
  public:
    CopyStream(SimulatedBackend& backend, const CopyForm& form, const Registration& registration);
    CopyStream(const CopyStream&) = delete;
    CopyStream& operator=(const CopyStream&) = delete;
    ~CopyStream() override;

    void wait(device::Event& event) override;
    std::uint64_t enqueue(const BatchPlan& plan, const BatchTarget& target,
                          device::Event& moved) override;
    void record(device::Event& event) override;
    void mark_begin(device::Event& event) override;
    void stamp(device::Event& event) override;

  private:
    // The ways of a batch: straight to its place; by a staging on the device, from where it is
    // unpacked after `moved`; by a buffer that the host fills in enqueue().
    enum class Way { straight, staged, bounced };
    void let_work_wait_for_link();
    void spoil(const std::shared_ptr<SimulatedBatch>& batch);
    void enqueue_copy(const std::shared_ptr<SimulatedBatch>& batch, Way way, double copying_s);

    SimulatedBackend& backend_;
    const std::shared_ptr<Simulator> simulator_;
    const CopyForm form_;
    const Registration& registration_;
    const std::shared_ptr<device::CopyStream> host_;
    // What comes over the link, and the work on what has come: one batch is unpacked while the next
    // one is copied.
    Simulator::Stream* const link_;
    Simulator::Stream* const work_;
    Simulator::Stream* const clock_;  // for stamp(), which passes what is enqueued
};

}  // namespace headrace::device
